"""Starts the programs that a journey needs, waits until they are ready, and ends them."""

import atexit
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("VESTIBULE_TEST_CACHE") or Path.home() / ".cache/vestibule-tests")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")

LOOK_AGAIN = 0.05


class Program:
    """A program that runs until it is stopped; what it prints goes to a file."""

    def __init__(self, name, command, folder, **environment):
        self.name = name
        self.log = Path(folder) / f"{name}.log"
        with self.log.open("ab") as log:
            # A session of its own, so that its children can be ended with it.
            self.process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **{key: str(value) for key, value in environment.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        atexit.register(self.stop)

    def output(self):
        return self.log.read_text(errors="replace")

    def until(self, what, condition, patience=120):
        """Waits for what `condition` returns, if it is something."""

        def alive():
            assert self.process.poll() is None, f"{self.name} has ended:\n{self.output()}"
            return condition()

        return until(f"{self.name} {what}", alive, patience)

    def stop(self, patience=30):
        atexit.unregister(self.stop)
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number):
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


def until(what, condition, patience):
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {patience} s: {what}"
        time.sleep(LOOK_AGAIN)
    return found


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
