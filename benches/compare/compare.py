#!/usr/bin/env python3
"""Compares Vestibule with its peers on this machine, in one run. README.md says how to use it and what it means."""

import argparse
import json
import os
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import gates
import services
import sign_in
from machine import LOAD_CORE, Process, cpu_time, free_port, memory

REPOSITORY = Path(__file__).resolve().parents[2]
PEOPLE = 512
TLS = ("tls-keep", "tls-full", "tls-full16", "tls-hybrid16", "tls-resumed", "h2-keep", "tls-idle", "h2-idle")
# Eight browsers, of each of which eight requests are on their way at once, with the fields that `load.rs` sends.
H2LOAD = ["h2load", "--clients=8", "--max-concurrent-streams=8", *(f"--header={field}" for field in (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "accept: application/json",
    "accept-language: en-US,en;q=0.5", "accept-encoding: gzip, deflate, br, zstd",
    "referer: https://localhost/reports?week=31", "sec-fetch-dest: empty", "sec-fetch-mode: cors",
    "sec-fetch-site: same-origin", "x-requested-with: XMLHttpRequest", "priority: u=4", "dnt: 1"))]
# So many a second are asked: a number of requests is what it takes, not a time.
H2_RATE = 20_000
# As the server asks that `vestibule render nginx` sets up: its head has these fields beside the browser's, and whoever asks
# next on a connection is somebody else.
QUESTION = ["--connections=64", "--mixed", "--path=/_2fa/auth/nginx", "--field=X-Original-Method: GET",
            "--field=X-Original-URI: /1k", "--field=X-Forwarded-For: 127.0.0.1", "--field=X-Forwarded-Proto: http",
            "--field=X-Forwarded-Host: localhost"]
ASKED = ("auth-check", "auth-rate")
LOADS = {
    "keep64": ["--connections=64"],
    "keep512": ["--connections=512"],
    "vary64": ["--connections=64", "--vary"],
    "big": ["--connections=16", "--path=/1m"],
    "rate": ["--connections=64", "--rate=3000"],
    "auth-check": QUESTION,
    "auth-rate": [*QUESTION, "--rate=3000"],
    "tls-keep": ["--connections=64"],
    "tls-full": ["--connections=4", "--connect=fully"],
    "tls-full16": ["--connections=16", "--connect=fully"],
    "tls-hybrid16": ["--connections=16", "--connect=fully", "--hybrid"],
    "tls-resumed": ["--connections=4", "--connect=resumed"],
    "h2-keep": H2LOAD,
}
HELD = {"idle": 2000, "live": 1000, "tls-idle": 2000, "h2-idle": 2000}
# As many are opened before the first look, so that what a gate sets up once does not count.
WARM = 100
SCENARIOS = [load for load in LOADS if load not in TLS] + ["idle", "live"] + [*TLS]


def main():
    options = read_options()
    allow_many_files()
    with tempfile.TemporaryDirectory(prefix="vestibule-compare-") as folder:
        # Started by root, nginx reads the pages as somebody else.
        os.chmod(folder, 0o711)
        running = []
        try:
            compare(options, Path(folder), running)
        finally:
            for process in reversed(running):
                process.stop()


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="a Python environment with the peers' packages")
    parser.add_argument("--only", help="names of peers, separated by commas; nginx always takes part")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each measurement lasts")
    parser.add_argument("--binary", type=Path, action="append", metavar="FILE",
                        help="a binary of Vestibule; several are compared with each other")
    parser.add_argument("--load", type=Path, default=REPOSITORY / "target/release/examples/load")
    return parser.parse_args()


def allow_many_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def compare(options, folder, running):
    setting = gates.Setting(folder, options.peers, free_port(), *certificate(folder))
    live = free_port()
    running.append(
        Process([sys.executable, Path(__file__).with_name("live.py"), live], LOAD_CORE, folder / "live.log", live))
    running.append(gates.start_upstream(setting, live))
    os.sched_setaffinity(0, {LOAD_CORE})
    asked = options.scenarios.split(",")
    loads = [scenario for scenario in asked if scenario in LOADS]
    # Memory that a gate once had, it uses again: each look at memory is at new processes.
    for number, scenarios in enumerate(filter(None, [loads, *([s] for s in asked if s in HELD)])):
        gates_folder = folder / f"gates-{number}"
        gates_folder.mkdir()
        compare_in(options, replace(setting, folder=gates_folder), scenarios, running)


def compare_in(options, setting, scenarios, running):
    before = len(running)
    contestants = start_vestibules(options, setting, running)
    cookies = contestants[0].cookies
    # nginx is what the others are compared with, and goes first.
    if not set(scenarios).isdisjoint(ASKED):
        contestants = start_services(options, setting, running, cookies) + contestants
    contestants = start_peers(options, setting, running, cookies) + contestants
    for scenario in scenarios:
        if scenario in LOADS:
            print_loads(scenario, measure_loads(options, scenario, contestants, setting.certificate))
        else:
            print_memory(scenario, measure_memory(scenario, contestants, setting.certificate))
    while len(running) > before:
        running.pop().stop()


def certificate(folder):
    """For localhost, signed by itself."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return certificate, key


@dataclass
class Contestant:
    """A gate, by the same name with and without TLS and as one that is asked, and the file of the cookies that pass it."""

    name: str
    plain: gates.Gate | None
    secured: gates.Gate | None
    cookies: Path
    asked: gates.Gate | None = None


def start_vestibules(options, setting, running):
    contestants = []
    binaries = options.binary or [REPOSITORY / "target/release/vestibule"]
    for binary in binaries:
        name = "Vestibule" if len(binaries) == 1 else binary.name
        own = replace(setting, folder=setting.folder / f"vestibule-{len(contestants)}")
        own.folder.mkdir()
        plain = gates.start(own, name, gates.vestibule(binary.resolve()))
        running.append(plain)
        secured = gates.start(own, f"{name} TLS", gates.vestibule(binary.resolve(), tls=True))
        running.append(secured)
        asked = gates.start(own, f"{name} asked", gates.vestibule_asked(binary.resolve()))
        running.append(asked)
        people = sign_in.people(plain.port, PEOPLE)
        cookies = own.folder / "cookies"
        cookies.write_text("".join(f"{person}\n" for person in people))
        # Over TLS the same session goes by the name that browsers guard.
        secured_cookies(cookies).write_text(
            "".join(f"{person}\n" for person in people).replace("; vestibule=", "; __Host-vestibule="))
        contestants.append(Contestant(name, plain, secured, cookies, asked))
    return contestants


def secured_cookies(cookies):
    return cookies.with_name("cookies-tls")


def start_peers(options, setting, running, cookies):
    contestants = []
    wanted = options.only.split(",") if options.only is not None else [*gates.PEERS]
    for name, write in gates.PEERS.items():
        if name != "nginx" and name not in wanted:
            continue
        try:
            gate = gates.start(setting, name, write)
        except (gates.Missing, RuntimeError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        running.append(gate)
        contestants.append(Contestant(name, gate, None if name in gates.PLAIN_HTTP_ALONE else gate, cookies))
    return contestants


def start_services(options, setting, running, cookies):
    """Those that only are asked, the cheapest first."""
    contestants = []
    for number, (name, service) in enumerate(services.SERVICES.items()):
        if number > 0 and options.only is not None and name not in options.only.split(","):
            continue
        try:
            write, theirs = service(setting, cookies)
            gate = gates.start(setting, f"asked {number}", write)
        except (gates.Missing, RuntimeError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        running.append(gate)
        contestants.append(Contestant(name, None, None, theirs, gate))
    return contestants


def measure_loads(options, scenario, contestants, certificate):
    contestants = [replace(c, plain=c.asked) if scenario in ASKED else c for c in contestants]
    contestants = those_for(scenario, contestants)
    results = {contestant.name: [] for contestant in contestants}
    for _ in range(options.rounds):
        for contestant in contestants:
            gate, port, cookies, more = contestant.plain, contestant.plain.port, contestant.cookies, []
            if scenario in TLS:
                gate, port, cookies = contestant.secured, contestant.secured.tls_port, secured_cookies(cookies)
                more = [f"--certificate={certificate}"]
            if scenario == "h2-keep":
                results[contestant.name].append(ask_in_http2(gate, cookies, int(options.seconds * H2_RATE)))
                continue
            command = [options.load, f"--address=127.0.0.1:{port}", f"--seconds={options.seconds}",
                       f"--cookies={cookies}", f"--processes={','.join(map(str, gate.ids()))}",
                       *LOADS[scenario], *more]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            results[contestant.name].append(json.loads(done.stdout))
    return results


def ask_in_http2(gate, cookies, requests):
    """The same report as `load.rs` makes. Cookies are those of one person."""
    with tempfile.NamedTemporaryFile("r") as log:
        before, started = cpu_time(gate.ids()), time.monotonic()
        subprocess.run([*H2LOAD, f"--requests={requests}", f"--header=cookie: {cookies.read_text().splitlines()[0]}",
                        f"--log-file={log.name}", f"https://localhost:{gate.tls_port}/1k"],
                       check=True, stdout=subprocess.DEVNULL)
        seconds, cpu_ns = time.monotonic() - started, cpu_time(gate.ids()) - before
        answers = [line.split() for line in log]
    waits = sorted(int(wait) for _, status, wait in answers if status == "200") or [0]
    return {"answers": len(waits), "seconds": seconds, "cpu_ns": cpu_ns, "errors": requests - len(waits),
            "p50_us": waits[len(waits) // 2], "p99_us": waits[len(waits) * 99 // 100]}


def those_for(scenario, contestants):
    """Those that can do what the scenario wants: who knows no TLS knows no WebSockets either."""
    wanted = "secured" if scenario in TLS or scenario == "live" else "plain"
    return [contestant for contestant in contestants if getattr(contestant, wanted) is not None]


def print_loads(scenario, results):
    print(f"\n### {scenario}\n")
    print("| gate | CPU per request, against nginx | lowest and highest | CPU, µs | requests/s | p50, µs | p99, µs "
          "| errors |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    first = next(iter(results.values()))
    for name, rounds in results.items():
        # Each round against the one of nginx in the same minute: the machine is not the same in every one.
        ratios = [cpu(round) / cpu(base) for round, base in zip(rounds, first)]
        wait50, wait99 = (waits(rounds, first, key) for key in ("p50_us", "p99_us"))
        speed = statistics.median(round["answers"] / round["seconds"] for round in rounds)
        note = ""
        if scenario == "tls-resumed":
            note = f" ({sum(r['resumed'] for r in rounds) / sum(r['answers'] for r in rounds):.0%} resumed)"
        print(f"| {name}{note} | {statistics.median(ratios):.2f} | {min(ratios):.2f}–{max(ratios):.2f} "
              f"| {statistics.median(map(cpu, rounds)):.1f} | {speed:.0f} | {wait50} | {wait99} "
              f"| {sum(round['errors'] for round in rounds)} |")
    sys.stdout.flush()


def waits(rounds, first, key):
    """The time, and what it is of nginx's in the same round."""
    ratio = statistics.median(round[key] / base[key] for round, base in zip(rounds, first))
    return f"{statistics.median(round[key] for round in rounds):.0f} ({ratio:.2f})"


def cpu(round):
    """Microseconds for each answer."""
    return round["cpu_ns"] / 1000 / max(round["answers"], 1)


def measure_memory(scenario, contestants, certificate):
    """Bytes that each gate holds for each connection that only is there."""
    results = {}
    connect = {"live": live_connection, "h2-idle": idle_connection_in_http2}.get(scenario, idle_connection)
    for contestant in those_for(scenario, contestants):
        gate, port, file, tls = contestant.plain, contestant.plain.port, contestant.cookies, None
        if scenario in TLS:
            gate, port, file = contestant.secured, contestant.secured.tls_port, secured_cookies(file)
            tls = ssl.create_default_context(cafile=certificate)
            if scenario == "h2-idle":
                tls.set_alpn_protocols(["h2"])
        cookies = file.read_text().splitlines()

        def open_one(number):
            line = cookies[number % len(cookies)]
            return connect(port, line, tls)

        held = [open_one(number) for number in range(WARM)]
        before, started = settled_memory(gate), time.monotonic()
        held += [open_one(number) for number in range(HELD[scenario])]
        took = time.monotonic() - started
        results[contestant.name] = (settled_memory(gate) - before) / HELD[scenario], before, took
        for connection in held:
            connection.close()
    return results


def settled_memory(gate):
    """Once what the last requests needed had time to go."""
    time.sleep(6)
    return memory(gate.ids())


def idle_connection(port, cookies, tls):
    request = f"GET /1k HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n"
    return opened(port, request, b"200", 1024, tls)


def idle_connection_in_http2(port, cookies, tls):
    connection = connected(port, tls)
    # The fields as RFC 7541 writes them: known ones (section 6.1), and new values of known names (section 6.2.2).
    block = b"\x82\x87" + b"\x04" + text(b"/1k") + b"\x01" + text(b"localhost") + b"\x0f\x11" + text(cookies.encode())
    settings, acknowledged, headers = frame(4, 0, 0), frame(4, 1, 0), frame(1, 0x5, 1, block)
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + acknowledged + headers)
    answers, length, is_whole = connection.makefile("rb"), 0, False
    while not is_whole:
        head = answers.read(9)
        payload = answers.read(int.from_bytes(head[:3]))
        # Closed, or told that the stream (RST_STREAM) or the connection (GOAWAY) ends.
        if len(head) < 9 or head[3] in (3, 7):
            raise RuntimeError(f"no such answer as expected: {head + payload}")
        if head[3] == 0:
            length, is_whole = length + len(payload), head[4] & 1 == 1
    if length != 1024:
        raise RuntimeError(f"an answer of {length} bytes")
    return connection


def frame(kind, flags, stream, payload=b""):
    """RFC 9113, section 4.1."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def text(value):
    """RFC 7541, section 5.2, without Huffman's code; up to 254 bytes."""
    length = bytes([len(value)]) if len(value) < 127 else bytes([127, len(value) - 127])
    return length + value


def live_connection(port, cookies, tls):
    connection = opened(port, f"GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n"
                        f"Origin: http://localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", b"101", 0, tls)
    word = b"\x81\x85\0\0\0\0hello"
    connection.sendall(word)
    if connection.recv(64) != word:
        raise RuntimeError("a WebSocket does not answer")
    return connection


def connected(port, tls):
    connection = socket.create_connection(("127.0.0.1", port), 10)
    return connection if tls is None else tls.wrap_socket(connection, server_hostname="localhost")


def opened(port, request, status, length, tls):
    connection = connected(port, tls)
    connection.sendall(request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < length:
        piece = connection.recv(65536)
        answer += piece
        if not piece or not answer.startswith(b"HTTP/1.1 " + status):
            raise RuntimeError(f"no such answer as expected: {answer[:300]}")
    return connection


def print_memory(scenario, results):
    print(f"\n### {scenario}\n")
    # The faster they come, the more of them are awake at once, and what those had between them stays in part.
    print("| gate | bytes per connection | against nginx | MiB before | opened in, s |")
    print("|---|---:|---:|---:|---:|")
    (base, *_), *_ = results.values()
    for name, (each, before, took) in results.items():
        print(f"| {name} | {each:.0f} | {each / base:.2f} | {before / 2**20:.1f} | {took:.1f} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
