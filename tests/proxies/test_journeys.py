"""Every server in front of real dashboards: people's journeys are those that they are in front of Vestibule itself."""

import functools
import unittest

import servers
from test_gradio import TestGradio
from test_node_red import TestNodeRed


def behind(base, server):
    """The test case with that server in front of the gateway."""

    class Behind(base):
        # Vestibule can't end what another server holds open.
        test_live_messages_end_with_a_reset = None
        test_live_messages_arrive_until_the_token_is_revoked = None

        @classmethod
        def setUpClass(cls):
            cls.dashboard = shared(base.Dashboard)

        def in_front(self, requirement):
            gateway = servers.Asked(self.dashboard, requirement)
            front = server(gateway)
            self.addCleanup(front.stop)
            return front

    if base is TestNodeRed:
        Behind.test_live_messages_arrive = live_messages_arrive
    Behind.__name__ = Behind.__qualname__ = f"{base.__name__}Behind{server.__name__}"
    return Behind


def live_messages_arrive(self):
    alice = self.verified(self.in_front("required"), "alice")
    live = self.live(alice)
    self.assertEqual(live.status, 101)
    messages = live.messages()
    live.send({"auth": self.token_of(alice)})
    self.assertEqual(next(messages), {"auth": "ok"})
    live.send({"subscribe": "debug"})
    self.assertEqual(self.next_debug(messages)["msg"], "low tide")
    alice.cookies.pop("vestibule")
    self.assertEqual(self.live(alice).status, 401)


@functools.cache
def shared(dashboard):
    """One of each is enough for all servers."""
    running = dashboard()
    unittest.addModuleCleanup(running.stop)
    return running


def load_tests(loader, _standard, _pattern):
    cases = [behind(base, server) for server in servers.ALL for base in (TestGradio, TestNodeRed)]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
