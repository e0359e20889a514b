#!/usr/bin/env python3
"""Some minutes of everything at once, with every answer checked: ../README.md says what it measures."""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "benches/compare"))
import compare
import gates
import sign_in
from machine import Process, free_port

PEOPLE = 64
# The share of the time after which memory is expected to grow no more.
WARM = 1 / 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target/release/vestibule")
    parser.add_argument("--load", type=Path, default=REPOSITORY / "target/release/examples/soak")
    options = parser.parse_args()
    compare.allow_many_files()
    with tempfile.TemporaryDirectory(prefix="vestibule-soak-") as folder:
        os.chmod(folder, 0o711)
        running = []
        try:
            good = soak(options, Path(folder), running)
        finally:
            for process in reversed(running):
                process.stop()
    sys.exit(0 if good else 1)


def soak(options, folder, running):
    setting = gates.Setting(folder, None, free_port(), *compare.certificate(folder))
    start_dashboard(setting, running)
    plain, tls = (gates.start(setting, name, gates.vestibule(options.binary.resolve(), tls=name == "TLS"))
                  for name in ("plain", "TLS"))
    running += [plain, tls]
    both = {"plain": plain.ids()[0], "TLS": tls.ids()[0]}
    people = sign_in.people(plain.port, PEOPLE)
    (folder / "cookies").write_text("".join(f"{person}\n" for person in people))
    (folder / "tls-cookies").write_text("".join(f"{person}\n" for person in people)
                                        .replace("; vestibule=", "; __Host-vestibule="))
    before = {name: open_files(process) for name, process in both.items()}

    comings = Comings(options.binary, plain.port, folder)
    comings.start()
    command = [options.load, f"--plain=127.0.0.1:{plain.port}", f"--tls=127.0.0.1:{tls.tls_port}",
               f"--certificate={setting.certificate}", f"--cookies={folder}/cookies",
               f"--tls-cookies={folder}/tls-cookies", f"--seconds={options.seconds}"]
    load = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    samples = []
    for line in load.stdout:
        told = json.loads(line)
        samples.append((told["requests"], {name: resident(process) for name, process in both.items()}))
    comings.stop()
    # Connections that clients left take a moment to go, and so do those to the dashboard that nobody needs any more.
    time.sleep(10)
    after = {name: open_files(process) for name, process in both.items()}
    return report(options, told, comings, samples, (before, after)) and load.wait() == 0


def start_dashboard(setting, running):
    """An nginx that says whose answer is whose; what it can't do, another process does."""
    other = free_port()
    script = Path(__file__).with_name("dashboard.py")
    running.append(Process([sys.executable, script, other], gates.LOAD_CORE, setting.folder / "dashboard.log", other))
    pages = setting.folder / "pages"
    pages.mkdir()
    (pages / "1m").write_bytes(b"x" * 1024 * 1024)
    (pages / "1k").write_bytes(b"x" * 1024)
    command = gates.nginx(setting, "upstream", f"""
    server {{
        listen 127.0.0.1:{setting.upstream} backlog=4096;
        root {pages};
        add_header X-Marker $http_x_marker always;
        client_max_body_size 0;
        location = /api/me {{
            default_type application/json;
            if ($cookie_login = "") {{ return 401; }}
            return 200 '{{"id": "$cookie_login", "company": {{"slug": "acme"}}}}';
        }}
        location = /echo {{ return 200 "$http_x_marker $cookie_login $http_x_vestibule_user"; }}
        location ~ ^/(live|events|upload)$ {{
            # The other process says it; a field here keeps that of the server out.
            add_header X-Unused "" always;
            proxy_pass http://127.0.0.1:{other};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}
    }}""")
    running.append(Process(command, gates.LOAD_CORE, setting.folder / "upstream.log", setting.upstream))


class Comings(threading.Thread):
    """People who come for the first time, enroll, and are reset: then their session must be worth nothing."""

    def __init__(self, binary, port, folder):
        super().__init__(daemon=True)
        self.binary, self.port, self.folder = binary, port, folder
        self.over, self.logins, self.resets, self.failures = threading.Event(), 0, 0, []

    def run(self):
        while not self.over.wait(0.2):
            login = f"newcomer-{self.logins:06}"
            try:
                cookies = sign_in.person(self.port, login)
                self.logins += 1
                if self.logins % 3 == 0:
                    self.reset(login, cookies)
            except Exception as error:
                self.failures.append(f"{login}: {error}")

    def reset(self, login, cookies):
        command = [self.binary, "accounts", "reset", login, "--config", self.folder / "plain.toml"]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        deadline = time.monotonic() + 10
        while self.passes(cookies):
            if time.monotonic() > deadline:
                raise RuntimeError("a session outlives its reset")
            time.sleep(0.05)
        self.resets += 1

    def passes(self, cookies):
        browser = sign_in.http.client.HTTPConnection("127.0.0.1", self.port, timeout=sign_in.LIMIT)
        return sign_in.ask(browser, "GET", "/1k", cookies).status == 200

    def stop(self):
        self.over.set()
        self.join()


def resident(process):
    """In KiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"{process} is gone")


def open_files(process):
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def report(options, told, comings, samples, files):
    warm = samples[int(len(samples) * WARM):]
    requests = [requests for requests, _ in warm]
    kinds = ", ".join(f"{count:,} × {kind}" for kind, count in told["answers"].items())
    print(f"{told['requests']:,} answers in {options.seconds} s: {kinds}")
    print(f"{comings.logins} logins with enrollment, {comings.resets} resets")
    print(f"mixed answers: {told['mixed']}; errors: {told['errors'] + len(comings.failures)}")
    for failure in told["told"] + comings.failures[:20]:
        print(f"  {failure}")
    print("\n| gate | resident: median, most (MiB) | KiB more per 1,000 answers | open files before, after |")
    print("|---|---:|---:|---:|")
    for name in ("plain", "TLS"):
        memory = [memory[name] for _, memory in warm]
        slope = slope_of(requests, memory) * 1000
        print(f"| {name} | {statistics.median(memory) / 1024:.1f}, {max(memory) / 1024:.1f} | {slope:.2f} "
              f"| {files[0][name]}, {files[1][name]} |")
    return told["mixed"] == 0 and told["errors"] == 0 and not comings.failures


def slope_of(xs, ys):
    """The median of the slopes between any two points: memory goes up and down with what is on its way."""
    points = list(zip(xs, ys))
    slopes = [(y - before_y) / (x - before_x) for (before_x, before_y), (x, y) in itertools.combinations(points, 2)
              if x > before_x]
    return statistics.median(slopes) if slopes else 0.0


if __name__ == "__main__":
    main()
