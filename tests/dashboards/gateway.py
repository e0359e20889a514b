"""Vestibule in front of one dashboard, configured as `examples/dashboards` shows."""

import re
import subprocess
import tempfile
from pathlib import Path

from programs import ROOT, TARGET, Program

BINARY = TARGET / "debug" / "vestibule"


class Gateway:
    """`vestibule serve` with a store of its own."""

    def __init__(self, dashboard, requirement):
        self.folder = tempfile.TemporaryDirectory(prefix="vestibule-")
        configuration = Path(self.folder.name) / "vestibule.toml"
        configuration.write_text(self.configured(dashboard, requirement))
        assert BINARY.exists(), f"{BINARY} is missing: cargo build"
        self.command = [BINARY, "--config", configuration]
        self.program = Program("vestibule", [*self.command, "serve"], self.folder.name, NO_COLOR=1)
        pattern = r"listening address=127\.0\.0\.1:(\d+)"
        found = self.program.until("listens", lambda: re.search(pattern, self.program.output()))
        self.port = int(found[1])
        self.origin = f"http://127.0.0.1:{self.port}"

    def configured(self, dashboard, requirement):
        example = ROOT / "examples/dashboards" / f"{dashboard.name}.toml"
        return adapted(example.read_text(), dashboard.port, requirement)

    def run(self, *arguments):
        """One of the operator's commands."""
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self):
        self.program.stop()
        self.folder.cleanup()


def adapted(example, port, requirement):
    """The example with this test's addresses and requirement in it, and nothing else changed."""
    for pattern, present in [
        (r'^listen = \["127\.0\.0\.1:\d+"\]', 'listen = ["127.0.0.1:0"]'),
        (r'^listen = "127\.0\.0\.1:\d+"', 'listen = "127.0.0.1:0"'),
        (r'^upstream = "http://127\.0\.0\.1:\d+"', f'upstream = "http://127.0.0.1:{port}"'),
        (r'^requirement = "\w+"', f'requirement = "{requirement}"'),
    ]:
        example, count = re.subn(pattern, present, example, flags=re.MULTILINE)
        assert count == 1, f"{pattern} is there {count} times"
    return example
