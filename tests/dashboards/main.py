"""Runs the journeys in front of all three dashboards, or those in the modules that are named."""

import signal
import sys
import unittest

ALL = ["test_gradio", "test_rabbitmq", "test_node_red"]

# Whatever ends the tests ends what they have started.
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler)

suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:] or ALL)
result = unittest.TextTestRunner(verbosity=2).run(suite)
bad = len(result.failures) + len(result.errors)
print(f"# pass {result.testsRun - bad}\n# fail {bad}", flush=True)
sys.exit(not result.wasSuccessful())
