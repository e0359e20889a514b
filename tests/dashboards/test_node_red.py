"""Node-RED: a bearer token that the editor's script holds, and a WebSocket that carries it inside."""

import unittest

from dashboards import NodeRed
from journeys import Journeys
from visitor import Visitor
from websocket import WebSocket


class TestNodeRed(Journeys, unittest.TestCase):
    Dashboard = NodeRed

    def test_flows_are_deployed_through_the_gateway(self):
        alice = self.verified(self.in_front("required"), "alice")
        flows = alice.ask("/flows").json()
        self.addCleanup(alice.ask, "/flows", "POST", flows)
        long = {"id": "note", "type": "comment", "z": "tab", "name": "x" * 200_000, "info": "", "x": 50, "y": 50, "wires": []}
        self.assertEqual(alice.ask("/flows", "POST", [*flows, long]).status, 204)
        self.assertEqual(alice.ask("/flows").json()[-1], long)

    def test_revoking_the_token_ends_the_session(self):
        gateway = self.in_front("required")
        alice = self.verified(gateway, "alice")
        old = dict(alice.script_fields)
        token = old["authorization"].removeprefix("Bearer ")
        self.assertEqual(alice.send("/auth/revoke", token=token).status, 200)
        self.assert_stopped(alice, "login_required")
        self.dashboard.log_in(alice, "alice")
        self.assert_stopped(alice, "second_factor_required")
        self.assertEqual(alice.give_code().status, 303)
        self.assert_inside(alice)

    def test_an_administrator_by_name_is_known_in_a_navigation_too(self):
        gateway = self.in_front("required")
        alice, bob = self.verified(gateway, "alice"), self.verified(gateway, "bob")
        account = alice.open("/_2fa/settings/security").one(r'name="reset" value="(\d+)"')
        done = alice.submit("/_2fa/settings/security/reset", account=account)
        self.assertIn("bob", alice.open(done.location).one(r'role="status"[^>]*>(.*?)</p>'))
        self.assert_stopped(bob, "enrollment_required")

    def test_a_new_token_needs_a_code_though_the_cookie_is_there(self):
        alice = self.verified(self.in_front("required"), "alice")
        self.dashboard.log_in(alice, "alice")
        self.assert_stopped(alice, "second_factor_required")


if __name__ == "__main__":
    unittest.main()
