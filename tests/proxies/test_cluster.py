"""The example of two gateways on one database behind HAProxy, started by its one command; and one of them killed."""

import os
import re
import signal
import socket
import tempfile
import unittest
from pathlib import Path

from programs import ROOT, TARGET, Program, until
from visitor import Visitor

# What counts from the first port: see the example.
PORTS = [0, 1, 2, 3, 1001, 1002]


class Cluster:
    """The example, as its reader starts it, at other ports."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cluster-")
        self.port = free_ports()
        self.origin = f"http://127.0.0.1:{self.port}"
        command = ["bash", ROOT / "examples/cluster/run"]
        environment = {"PROFILE": "dev", "PORT": self.port, "CARGO_TARGET_DIR": TARGET}
        self.program = Program("cluster", command, self.folder.name, **environment)
        self.program.until("says how to use it", lambda: "Ctrl-C stops." in self.program.output(), 900)

    def told(self, pattern):
        return re.search(pattern, self.program.output())[1]

    def stop(self):
        self.program.stop()
        self.folder.cleanup()


def free_ports():
    """The first of ports that were all free a moment ago."""
    for first in range(18500, 28500, 10):
        listeners = [socket.socket() for _ in PORTS]
        try:
            for listener, port in zip(listeners, PORTS):
                listener.bind(("127.0.0.1", first + port))
            return first
        except OSError:
            continue
        finally:
            for listener in listeners:
                listener.close()
    raise AssertionError("no free ports")


class TestCluster(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.stop)

    def visitor(self):
        """Bob, who has logged in at the dashboard in a browser of his."""
        bob = Visitor(self.cluster)
        answer = bob.submit("/login", user="bob", password="bob-pass")
        self.assertEqual(answer.status, 303, answer)
        return bob

    def opens(self, bob):
        answer = bob.open("/reports")
        self.assertEqual(answer.status, 200, answer)
        self.assertIn("Bob Baker", answer.text)

    def test_a_visitor_notices_nothing_of_a_gateway_that_is_killed(self):
        bob = self.visitor()
        bob.enroll()
        elsewhere = self.visitor()
        elsewhere.authenticator = bob.authenticator
        self.is_challenged(elsewhere)
        os.kill(int(self.cluster.told(r"kill -9 (\d+)")), signal.SIGKILL)
        # Whoever is being answered at that moment is cut off. HAProxy looks once a second; it sends those who come before
        # that to the other one, since no connection can be made.
        until("nobody listens there", lambda: self.is_refused(self.cluster.port + 1), 30)
        for _ in range(50):
            self.opens(bob)
        answer = elsewhere.give_code(next="/reports")
        self.assertEqual((answer.status, answer.location), (303, "/reports"), answer)
        self.opens(elsewhere)
        used = bob.authenticator.code_at(bob.authenticator.step)
        thief = self.visitor()
        self.is_challenged(thief)
        self.assertEqual(thief.submit("/_2fa/verify", code=used).status, 403)

    def is_refused(self, port):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) != 0

    def is_challenged(self, browser):
        answer = browser.open("/reports")
        self.assertEqual((answer.status, answer.location), (303, "/_2fa/verify?next=/reports"), answer)
        self.assertEqual(browser.open(answer.location).status, 200)

    def test_nothing_of_it_is_left(self):
        folder = Path(self.cluster.told(r"cd (/tmp/vestibule-cluster-\S+)"))
        process = int(self.cluster.told(r"the other is process (\d+)"))
        self.assertTrue(folder.is_dir())
        self.cluster.program.stop()
        self.assertFalse(folder.exists())
        self.assertRaises(ProcessLookupError, os.kill, process, 0)
