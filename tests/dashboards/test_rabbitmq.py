"""RabbitMQ: the page's script sends name and password with each of its questions, a navigation sends nothing."""

import unittest

from dashboards import RabbitMQ, basic
from journeys import Journeys
from visitor import Visitor


class TestRabbitMQ(Journeys, unittest.TestCase):
    Dashboard = RabbitMQ

    def test_a_navigation_after_a_stopped_script_knows_who_is_to_be_verified(self):
        gateway = self.in_front("required")
        alice = self.logged_in(gateway, "alice")
        page = self.assert_stopped(alice, "enrollment_required")
        self.assertIn(">alice<", alice.open(page).text)
        alice.enroll(page)
        self.assert_inside(alice)
        self.assertEqual(alice.ask("/api/whoami").json(), {"name": "alice", "tags": ["administrator"]})

        carol = self.logged_in(gateway, "carol")
        page = self.assert_stopped(carol, "enrollment_required")
        self.assertIn(">carol<", carol.open(page).text)
        # The page itself leads there: it can't get past its login, and whoever loads it again is asked for the code.
        self.assertEqual(carol.open("/").location, page)
        carol.enroll(page)
        self.assertEqual(carol.open("/").status, 200)
        self.assert_inside(carol)
        stranger = Visitor(gateway)
        self.assertEqual(stranger.open(page).location, "/")

    def test_a_navigation_says_nothing_and_ends_nothing(self):
        alice = self.verified(self.in_front("required"), "alice")
        self.assertEqual(alice.open("/").status, 200)
        self.assertEqual(alice.open("/api/overview").location, "/")
        self.assert_inside(alice)

    def test_the_header_alone_and_the_cookie_alone_are_stopped(self):
        gateway = self.in_front("required")
        alice = self.verified(gateway, "alice")
        self.assert_stopped(alice, "login_required", fields={"accept": "application/json"})
        script = Visitor(gateway)
        self.assert_stopped(script, "second_factor_required", fields={"authorization": basic("alice")})
        self.assert_inside(alice)

    def test_a_wrong_password_is_nobody(self):
        gateway = self.in_front("required")
        alice = self.verified(gateway, "alice")
        self.assert_stopped(alice, "login_required", fields={"authorization": "Basic YWxpY2U6d3Jvbmc="})
        self.assert_stopped(alice, "second_factor_required")

    def test_who_administers_is_in_the_answer_that_only_the_script_gets(self):
        alice = self.verified(self.in_front("required"), "alice")
        self.assertEqual(alice.ask("/_2fa/settings/security").status, 200)
        self.assertEqual(alice.open("/_2fa/settings/security").status, 403)
        self.assertEqual(alice.open("/_2fa/profile").status, 200)

    def test_a_password_in_the_address_gets_nobody_further(self):
        carol = self.verified(self.in_front("required"), "carol")
        password = basic("alice").removeprefix("Basic ")
        for address in [f"/api/definitions?auth={password}", f"/api/definitions?x=1&%61uth={password}"]:
            self.assertEqual(carol.ask(address).status, 401, address)
            self.assertEqual(carol.ask(address, "POST", {"users": []}).status, 401, address)
            self.assert_inside(carol)

    def test_the_page_uploads_definitions_though_it_puts_its_password_into_the_address(self):
        alice = self.verified(self.in_front("required"), "alice")
        address = f"/api/definitions?auth={basic('alice').removeprefix('Basic ')}"
        self.assertEqual(alice.ask(address, "POST", {"users": []}).status, 204)

    def test_queues_are_made_and_deleted_through_the_gateway(self):
        carol = self.verified(self.in_front("required"), "carol")
        queue = "/api/queues/harbor/a%2Fb"
        self.assertEqual(carol.ask(queue, "PUT", {"durable": True}).status, 201)
        self.assertEqual(carol.ask(queue).json()["name"], "a/b")
        self.assertEqual(carol.ask(queue, "DELETE").status, 204)
        self.assertEqual(carol.ask(queue).status, 404)
        self.assertEqual(carol.ask("/api/users").status, 401)
        self.assert_inside(carol)


if __name__ == "__main__":
    unittest.main()
