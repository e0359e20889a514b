"""Node-RED: a bearer token that the editor's script holds, and a WebSocket that carries it inside."""

import unittest
from urllib.parse import urlencode

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
        self.assertEqual(alice.send("/auth/revoke", token=self.token_of(alice)).status, 200)
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

    def test_live_messages_arrive_until_the_token_is_revoked(self):
        alice = self.verified(self.in_front("required"), "alice")
        live = self.live(alice)
        self.assertEqual(live.status, 101)
        messages = live.messages()
        live.send({"auth": self.token_of(alice)})
        self.assertEqual(next(messages), {"auth": "ok"})
        live.send({"subscribe": "debug"})
        self.assertEqual(self.next_debug(messages)["msg"], "low tide")
        self.assertEqual(alice.send("/auth/revoke", token=self.token_of(alice)).status, 200)
        live.assert_ends()

    def test_live_messages_end_with_a_reset(self):
        gateway = self.in_front("required")
        alice, bob = self.verified(gateway, "alice"), self.verified(gateway, "bob")
        live = self.live(bob)
        messages = live.messages()
        live.send({"auth": self.token_of(bob)})
        self.assertEqual(next(messages), {"auth": "ok"})
        account = alice.open("/_2fa/settings/security").one(r'name="reset" value="(\d+)"')
        self.assertEqual(alice.submit("/_2fa/settings/security/reset", account=account).status, 303)
        live.assert_ends()
        self.assertEqual(self.live(bob).status, 401)

    def test_without_a_code_nothing_is_heard(self):
        gateway = self.in_front("required")
        carol = self.logged_in(gateway, "carol")
        self.assertEqual(self.live(carol).status, 401)
        self.assert_stopped(carol, "enrollment_required")
        self.assertEqual(self.live(carol).status, 401)
        self.assertEqual(self.live(Visitor(gateway)).status, 401)

    def test_the_scripts_of_nodes_come_with_the_session_alone(self):
        gateway = self.in_front("required")
        script = "/debug/view/debug-utils.js"
        alice, carol = self.verified(gateway, "alice"), self.logged_in(gateway, "carol")
        alice.script_fields = {}
        self.assertIn("RED.debug", alice.ask(script).text)
        self.assertEqual(carol.ask(script).status, 401)
        self.assertEqual(Visitor(gateway).ask(script).status, 401)
        self.assert_stopped(alice, "login_required")

    def test_a_token_in_the_address_is_asked_about_like_one_in_the_header(self):
        gateway = self.in_front("required")
        alice = self.verified(gateway, "alice")
        address = f"/flows?{urlencode({'access_token': self.token_of(alice)})}"
        answer = Visitor(gateway).ask(address)
        self.assertEqual((answer.status, answer.json()["reason"]), (401, "second_factor_required"))

    def test_a_new_token_needs_a_code_though_the_cookie_is_there(self):
        alice = self.verified(self.in_front("required"), "alice")
        self.dashboard.log_in(alice, "alice")
        self.assert_stopped(alice, "second_factor_required")

    def live(self, visitor):
        socket = WebSocket(visitor, "/comms")
        self.addCleanup(socket.close)
        return socket

    def token_of(self, visitor):
        return visitor.script_fields["authorization"].removeprefix("Bearer ")

    def next_debug(self, messages):
        several = next(each for each in messages if any(one["topic"] == "debug" for one in each))
        return next(one["data"] for one in several if one["topic"] == "debug")


if __name__ == "__main__":
    unittest.main()
