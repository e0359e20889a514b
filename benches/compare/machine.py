"""Processes, their cores, ports and memory."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

GATE_CORE, LOAD_CORE = 0, 1
PATIENCE = 20.0


def free_port():
    """A port that nothing listens on right now."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


class Process:
    """A server of the comparison, on one core, ended with everything that it started."""

    def __init__(self, command, core, log, port):
        self.log = Path(log)
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
        try:
            self.wait_for(port)
        except Exception:
            self.stop()
            raise

    def wait_for(self, port):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.process.args[0]} does not listen: {self.log.read_text(errors='replace')[-500:]}")

    def ids(self):
        """The process and its descendants."""
        children = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found = [self.process.pid]
        for parent in found:
            found += children.get(parent, [])
        return found

    def stop(self):
        for kind in (signal.SIGTERM, signal.SIGKILL):
            for process in self.ids():
                try:
                    os.kill(process, kind)
                except ProcessLookupError:
                    pass
            try:
                self.process.wait(3)
                return
            except subprocess.TimeoutExpired:
                pass


def cpu_time(processes):
    """What these processes took so far, in user space and in the kernel, in nanoseconds."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def memory(processes):
    """What these processes hold, in bytes, shared pages divided among those who share them."""
    kilobytes = 0
    for process in processes:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024
