"""Runs the tests in front of every server, or those in the modules, classes or tests that are named."""

import signal
import sys
import unittest
from pathlib import Path

# The dashboards, their visitors and the gateway are those of the other tests.
sys.path.append(str(Path(__file__).resolve().parent.parent / "dashboards"))

ALL = ["test_rendered", "test_bytes", "test_tls", "test_by_hand", "test_cluster", "test_journeys"]

# Whatever ends the tests ends what they have started.
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler)

suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:] or ALL)
result = unittest.TextTestRunner(verbosity=2).run(suite)
# Several parts of one test may have failed.
bad = len({getattr(test, "test_case", test).id() for test, _ in [*result.failures, *result.errors]})
print(f"# pass {result.testsRun - bad}\n# fail {bad}", flush=True)
sys.exit(not result.wasSuccessful())
