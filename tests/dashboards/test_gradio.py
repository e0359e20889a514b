"""Gradio: a cookie whose name changes with each start, an answer that is nothing but the user's name."""

import unittest

from dashboards import Gradio
from journeys import Journeys
from visitor import Visitor


class TestGradio(Journeys, unittest.TestCase):
    Dashboard = Gradio

    def test_the_front_page_has_what_is_inside_for_those_alone_who_gave_a_code(self):
        gateway = self.in_front("required")
        carol = self.logged_in(gateway, "carol")
        stopped = carol.open("/")
        self.assertEqual((stopped.status, stopped.location), (303, "/_2fa/enroll"))
        self.assertEqual(carol.open("/?deep_link=x").location, "/_2fa/enroll?next=/%3Fdeep_link%3Dx")
        self.assertNotIn(self.dashboard.inside, Visitor(gateway).open("/").text)
        carol.enroll()
        self.assertIn(self.dashboard.inside, carol.open("/").text)

    def test_events_arrive_while_the_app_is_still_at_work(self):
        alice = self.verified(self.in_front("required"), "alice")
        functions = {each["api_name"]: each["id"] for each in alice.ask("/config").json()["dependencies"]}

        def call(name, session, *data):
            joining = {"fn_index": functions[name], "session_hash": session, "data": data}
            answer = alice.ask("/gradio_api/queue/join?", "POST", joining)
            self.assertEqual(answer.status, 200, answer)
            return alice.listen(f"/gradio_api/queue/data?session_hash={session}")

        greetings = call("greet_twice", "one")
        self.assertEqual(self.next_of(greetings, "process_generating")["output"]["data"], ["hello alice"])
        self.next_of(call("nudge", "two"), "process_completed")
        self.next_of(greetings, "process_generating")
        self.assertTrue(self.next_of(greetings, "process_completed")["success"])

    def test_a_file_arrives_whole(self):
        alice = self.verified(self.in_front("required"), "alice")
        content = bytes(range(256)) * 4096 * 4
        answer = alice.upload("/gradio_api/upload", "files", "tide.bin", content)
        self.assertEqual(answer.status, 200, answer)
        (path,) = answer.json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        answer = alice.ask("/gradio_api/run/size_of", "POST", {"data": [file]})
        self.assertEqual(answer.json()["data"], [f"{len(content)} bytes"], answer)
        back = alice.ask(f"/gradio_api/file={path}")
        self.assertEqual((back.status, back.fields["content-length"]), (200, str(len(content))))

    def test_a_file_of_somebody_without_a_code_never_arrives(self):
        carol = self.logged_in(self.in_front("required"), "carol")
        answer = carol.upload("/gradio_api/upload", "files", "tide.bin", b"low")
        self.assertEqual(answer.status, 401, answer)

    def test_after_the_logout_the_next_login_needs_a_code(self):
        gateway = self.in_front("required")
        carol = self.verified(gateway, "carol")
        session = carol.cookies["vestibule"]
        self.assertEqual(carol.open("/logout").status, 302)
        self.dashboard.log_in(carol, "carol")
        carol.cookies["vestibule"] = session
        self.assert_stopped(carol, "second_factor_required")
        self.assertEqual(carol.give_code().status, 303)
        self.assert_inside(carol)

    def next_of(self, events, kind):
        return next(event for event in events if event["msg"] == kind)


if __name__ == "__main__":
    unittest.main()
