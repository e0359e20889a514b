"""What is the same in front of every dashboard."""

import re
from urllib.parse import urljoin

from gateway import Gateway
from visitor import Visitor


class Journeys:
    """Mixed into the test case of one dashboard, which stays up for all of them."""

    Dashboard = None

    @classmethod
    def setUpClass(cls):
        cls.dashboard = cls.Dashboard()
        cls.addClassCleanup(cls.dashboard.stop)

    def in_front(self, requirement):
        """A gateway with a store of its own, in an organization with this requirement."""
        gateway = Gateway(self.dashboard, requirement)
        self.addCleanup(gateway.stop)
        return gateway

    def logged_in(self, gateway, person):
        visitor = Visitor(gateway)
        self.dashboard.log_in(visitor, person)
        return visitor

    def verified(self, gateway, person):
        """Somebody who has enrolled in this very login."""
        visitor = self.logged_in(gateway, person)
        self.assert_stopped(visitor, "enrollment_required")
        visitor.enroll()
        self.assert_inside(visitor)
        return visitor

    def switch_on(self, visitor):
        """By a script, which follows the redirect as it came, and then in the page that it led to."""
        page = visitor.send("/_2fa/profile/enable").location
        self.assertEqual(visitor.ask(page).status, 200)
        visitor.enroll(page)

    def assert_inside(self, visitor):
        answer = visitor.ask(self.dashboard.protected)
        self.assertEqual(answer.status, 200, answer)
        self.assertIn(self.dashboard.inside, answer.text)

    def assert_stopped(self, visitor, reason, **request):
        """Returns where the visitor is sent."""
        answer = visitor.ask(self.dashboard.protected, **request)
        self.assertEqual(answer.status, 401, answer)
        self.assertEqual(answer.fields["content-type"], "application/problem+json")
        self.assertEqual(answer.json()["reason"], reason)
        self.assertNotIn(self.dashboard.inside, answer.text)
        return answer.json().get("verify_url")

    def test_somebody_who_has_not_logged_in_gets_the_login_page_and_nothing_else(self):
        gateway = self.in_front("required")
        visitor = Visitor(gateway)
        self.assert_stopped(visitor, "login_required")
        page = visitor.open(self.dashboard.protected)
        self.assertEqual((page.status, page.location), (303, "/"))
        front = visitor.open("/")
        self.assertEqual(front.status, 200)
        self.assertNotIn(self.dashboard.inside, front.text)
        for address in {urljoin(gateway.origin, each) for each in re.findall(r'\b(?:src|href)="([^"]+)"', front.text)}:
            if address.startswith(gateway.origin):
                loaded = visitor.ask(address.removeprefix(gateway.origin))
                self.assertEqual(loaded.status, 200, (address, loaded))
        self.assertEqual(visitor.open("/_2fa/verify").status, 303)
        self.assertEqual(visitor.ask("/_2fa/status").status, 401)
        self.assertNotIn("vestibule", visitor.cookies)

    def test_a_required_organization_shows_nothing_before_enrollment_and_every_login_needs_a_code(self):
        gateway = self.in_front("required")
        first = self.logged_in(gateway, "carol")
        page = self.assert_stopped(first, "enrollment_required")
        self.assertEqual(first.open("/_2fa/verify").location, "/_2fa/enroll")
        first.enroll(page)
        self.assert_inside(first)

        second = self.logged_in(gateway, "carol")
        page = self.assert_stopped(second, "second_factor_required")
        self.assertEqual(second.open("/_2fa/enroll").status, 303)
        self.assertEqual(second.open(page).status, 200)
        used = first.authenticator.code_at(first.authenticator.step)
        self.assertEqual(second.submit("/_2fa/verify", code=used).status, 403)
        self.assert_stopped(second, "second_factor_required")
        second.authenticator = first.authenticator
        self.assertEqual(second.give_code(next="/somewhere").location, "/somewhere")
        self.assert_inside(second)
        status = second.ask("/_2fa/status").json()
        self.assertEqual((status["user"], status["verified"]), ("carol", True))
        self.assert_inside(first)

    def test_either_cookie_alone_is_useless(self):
        gateway = self.in_front("required")
        carol = self.verified(gateway, "carol")
        only_the_login, only_the_session = Visitor(gateway), Visitor(gateway)
        only_the_login.script_fields = carol.script_fields
        only_the_login.cookies = {name: value for name, value in carol.cookies.items() if name != "vestibule"}
        only_the_session.cookies = {"vestibule": carol.cookies["vestibule"]}
        self.assert_stopped(only_the_login, "second_factor_required")
        self.assert_stopped(only_the_session, "login_required")

        other = self.logged_in(gateway, "bob")
        other.cookies["vestibule"] = self.verified(gateway, "alice").cookies["vestibule"]
        self.assert_stopped(other, "enrollment_required")

    def test_whoever_is_somebody_else_by_now_ends_the_session(self):
        gateway = self.in_front("required")
        carol = self.verified(gateway, "carol")
        session = carol.cookies["vestibule"]
        thief = self.logged_in(gateway, "bob")
        thief.cookies["vestibule"] = session
        self.assert_stopped(thief, "enrollment_required")
        self.assertEqual(carol.cookies["vestibule"], session)
        self.assert_stopped(carol, "second_factor_required")

    def test_an_optional_organization_lets_its_users_through_until_they_switch_it_on(self):
        gateway = self.in_front("optional")
        carol = self.logged_in(gateway, "carol")
        self.assert_inside(carol)
        self.assertEqual(carol.ask("/_2fa/status").json()["enrolled"], False)
        self.switch_on(carol)
        self.assert_inside(carol)
        self.assert_inside(self.logged_in(gateway, "bob"))
        self.assert_stopped(self.logged_in(gateway, "carol"), "second_factor_required")

    def test_an_administrator_requires_it_of_everybody(self):
        gateway = self.in_front("optional")
        alice, carol = self.logged_in(gateway, "alice"), self.logged_in(gateway, "carol")
        self.assert_inside(carol)
        self.assertEqual(alice.send("/_2fa/settings/requirement", requirement="required").status, 403)
        self.switch_on(alice)
        done = alice.send("/_2fa/settings/requirement", requirement="required")
        self.assertEqual(done.status, 303, done)
        self.assert_stopped(carol, "enrollment_required")
        locked = carol.send("/_2fa/profile/disable")
        self.assertEqual(locked.status, 401, locked)

    def test_a_reset_leads_to_enrollment_and_ends_what_was_open(self):
        gateway = self.in_front("required")
        carol, alice = self.verified(gateway, "carol"), self.verified(gateway, "alice")
        listed = alice.ask("/_2fa/settings/security")
        self.assertEqual(listed.status, 200, listed)
        account = listed.one(r'name="reset" value="(\d+)"')
        question = alice.ask(f"/_2fa/settings/security?reset={account}")
        self.assertIn("carol", question.one(r'<h2 id="dialog-title">(.*?)</h2>'))
        done = alice.send("/_2fa/settings/security/reset", account=account)
        self.assertEqual(done.status, 303, done)
        self.assertIn("carol", alice.ask(done.location).one(r'role="status"[^>]*>(.*?)</p>'))

        page = self.assert_stopped(carol, "enrollment_required")
        self.assertIn("An administrator reset", carol.open(page).text)
        carol.enroll(page)
        self.assert_inside(carol)
        self.assertEqual(alice.ask("/_2fa/settings/security?reset=999999").status, 404)

    def test_whoever_is_no_administrator_has_limited_access(self):
        carol = self.verified(self.in_front("required"), "carol")
        for answer in [
            carol.ask("/_2fa/settings"),
            carol.ask("/_2fa/settings/security"),
            carol.send("/_2fa/settings/security/reset", account="1"),
            carol.open("/_2fa/settings/audit"),
        ]:
            self.assertEqual(answer.status, 403, answer)
            self.assertIn('role="alertdialog"', answer.text)

    def test_a_recovery_code_stands_in_for_the_authenticator_once(self):
        gateway = self.in_front("required")
        codes = self.verified(gateway, "carol").recovery_codes
        for code, works in [(codes[0], True), (codes[0], False), (codes[9], True)]:
            visitor = self.logged_in(gateway, "carol")
            self.assert_stopped(visitor, "second_factor_required")
            self.assertEqual(visitor.open("/_2fa/recover").status, 200)
            visitor.submit("/_2fa/recover", recovery_code=code)
            if works:
                self.assert_inside(visitor)
            else:
                self.assert_stopped(visitor, "second_factor_required")
