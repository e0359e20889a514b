"""What reaches the dashboard through each server, byte for byte, and what never does."""

import json
import os
import signal
import unittest
from urllib.parse import parse_qs, urlsplit

import servers
from programs import ROOT, free_port
from raw import HOST, WebSocket, exchange, head
from recorder import INSIDE, Recorder
from visitor import Visitor

NAVIGATION = [b"Accept: text/html", b"Sec-Fetch-Mode: navigate"]
SCRIPT = [b"Accept: */*", b"Sec-Fetch-Mode: cors"]
OURS = ["x-vestibule-user", "x-vestibule-organization", "x-vestibule-factor", "x-vestibule-verified-at"]
SERVERS = ["nginx", "traefik", "caddy", "haproxy", "envoy"]

# What forms of one path servers have been talked into taking for another.
TRICKS = [
    b"/reports",
    b"//reports",
    b"/./reports",
    b"/x/../reports",
    b"/%2e%2e/reports",
    b"/%2e/reports",
    b"/..;/reports",
    b"/;/reports",
    b"/reports;.css",
    b"/%72eports",
    b"/login/../reports",
    b"/login/%2e%2e/reports",
    b"/login%2f..%2freports",
    b"/static/../reports",
    b"/static/%2e%2e/reports",
    b"/static/..%2freports",
    b"/static/%2e%2e%2freports",
    b"/static/..;/reports",
    b"/static//../reports",
    b"/static/..\\reports",
    b"/static/..%5creports",
    b"/static/%252e%252e/reports",
    b"/_2fa/../reports",
    b"/_2fa/..;/reports",
    b"/_2fa/%2e%2e/reports",
    b"/_2fa/..%2freports",
    b"/_2fa//../reports",
    b"/_2fa/./../reports",
    b"/_2fa/assets/../../reports",
    b"/_2fa%2f..%2freports",
    b"/_2fa/auth/../../reports",
    b"/_2fa/auth/nginx/../../../reports",
    b"/_2FA/../reports",
    b"/%5f2fa/../reports",
    b"/x/..%2f_2fa/../reports",
    b"//_2fa/../reports",
    b"http://insights.acme.example/reports",
    b"http://insights.acme.example/_2fa/../reports",
    b"/reports?x=/_2fa/verify",
    b"/reports?/login",
    b"/reports%3f/login",
    b"/reports#/login",
    b"/reports%23/login",
    b"/reports%00/login",
    b"/reports\x85",
    b"/caf\xc3\xa9",
]

CONFIGURATION = """
[operations]
listen = "127.0.0.1:0"
[site.organization]
requirement = "required"
[[site]]
name = "other"
hosts = ["{host}"]
upstream = "http://127.0.0.1:{other}"
upstream_host = "inside.other.example:8443"
strip_headers = ["x-api-key"]
bind = "cookie:session"
[site.identity]
url = "/api/me"
user = "/id"
organization = "/company/slug"
"""


class TwoSites(servers.Asked):
    """The example of a gateway that is asked, with a second site at which nobody needs a code."""

    host = HOST.decode()
    other_host = "other.acme.example"

    def configured(self, dashboard, requirement):
        text = (ROOT / "config/forward-auth.toml").read_text()
        for written, present in [
            ('listen = ["127.0.0.1:8080"]', f'listen = ["127.0.0.1:{free_port()}"]'),
            ('forward_auth = ["nginx"]', servers.MAY_ASK),
            ('hosts = ["insights.acme.example"]', 'hosts = ["insights.acme.example", "127.0.0.1"]'),
            ('upstream = "http://127.0.0.1:3000"', f'upstream = "http://127.0.0.1:{dashboard.port}"'),
        ]:
            assert text.count(written) == 1, written
            text = text.replace(written, present)
        return text + CONFIGURATION.format(other=dashboard.other.port, host=self.other_host)


class OneForAnyHost(TwoSites):
    other_host = "*"


class Bytes:
    """Mixed into the test case of one server, which runs for all of them, as do the two dashboards."""

    @classmethod
    def setUpClass(cls):
        cls.dashboard, cls.other = Recorder(), Recorder("Nothing secret")
        cls.dashboard.other = cls.other
        cls.addClassCleanup(cls.dashboard.stop)
        cls.addClassCleanup(cls.other.stop)
        cls.front = cls.Server(TwoSites(cls.dashboard, "required"))
        cls.addClassCleanup(cls.front.stop)
        alice = cls.enrolled(cls.front, "alice")
        cls.verified = cls.cookie(alice)
        # Alice's next login, and the code's page is open.
        cls.authenticator = alice.authenticator
        again = Visitor(cls.front)
        again.cookies = {"session": "alice"}
        assert again.ask("/reports").status == 401
        cls.pending = cls.cookie(again)

    @staticmethod
    def enrolled(front, person):
        visitor = Visitor(front)
        visitor.cookies = {"session": person}
        assert visitor.ask("/reports").status == 401
        visitor.enroll()
        return visitor

    @staticmethod
    def cookie(visitor):
        pairs = [f"{name}={value}" for name, value in visitor.cookies.items()]
        assert len(pairs) == 2, pairs
        return f"Cookie: {'; '.join(pairs)}".encode()

    def setUp(self):
        self.dashboard.take()
        self.other.take()

    def ask(self, target, *fields, **more):
        return exchange(self.front.port, head(target, *fields, **more))

    def arrived(self):
        (request,) = self.dashboard.take()
        return request

    def assert_nothing_passed(self, reply, what):
        self.assertNotIn(INSIDE.encode(), reply.body, what)
        self.assertEqual([request.head for request in self.dashboard.take()], [], what)

    def assert_introduced(self, request, *expected):
        """Each of the four fields is there once, whatever a client had put there, and in no other spelling."""
        self.assertEqual([request.values(name) for name in OURS[:3]], [[each] for each in expected], request.head)
        self.assertEqual(len(request.values(OURS[3])), 1, request.head)
        folded = ["".join(c if c.isalnum() else "-" for c in name) for name, _ in request.fields]
        self.assertEqual(sum(name.startswith("x-vestibule") for name in folded), 4, request.head)

    def test_a_request_of_somebody_verified_arrives_as_it_was_sent(self):
        targets = [
            b"/reports?x=%2F..&y=a%20b&&z=%c3%a9",
            b"/a%2Fb%2fc",
            b"/a;v=1/b;c",
            b"//twice//",
            b"/a/./b/../c",
            b"/x/%2e%2e/up",
            b"/caf%C3%A9/%E6%97%A5",
            b"/[x]/{y}".replace(b"{", b"%7B").replace(b"}", b"%7D"),
            b"/?",
            b"/a?b?c=/d//e/../f",
        ]
        for target in targets:
            reply = self.ask(target, self.verified)
            self.assertEqual(reply.status, 200, (target, reply))
            self.assertIn(INSIDE.encode(), reply.body)
            request = self.arrived()
            self.assertEqual(request.target, self.Server.as_it_sends(target))
            self.assert_introduced(request, b"alice", b"acme", b"totp")
            self.assertEqual(request.values("host"), [HOST])

    def test_a_body_arrives_whole(self):
        body = bytes(range(256)) * 1024
        length, kind = f"Content-Length: {len(body)}".encode(), b"Content-Type: application/octet-stream"
        expecting = head(b"/upload", self.verified, length, kind, b"Expect: 100-continue", method=b"POST")
        reply = exchange(self.front.port, expecting + body)
        self.assertEqual(reply.status, 200, reply)
        request = self.arrived()
        self.assertEqual((request.method, request.value("content-type")), (b"POST", b"application/octet-stream"))
        self.assertTrue(request.body == body, len(request.body))
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        start = head(b"/upload", self.verified, b"Transfer-Encoding: chunked", method=b"PUT")
        reply = exchange(self.front.port, start + chunked)
        self.assertEqual(reply.status, 200, reply)
        self.assertTrue(self.arrived().body == body)

    def test_a_body_of_somebody_without_a_code_does_not_arrive(self):
        body = b"x" * 300_000
        length = f"Content-Length: {len(body)}".encode()
        for cookie in [self.pending, b"Cookie: session=alice", b"Cookie: a=b"]:
            reply = exchange(self.front.port, head(b"/upload", cookie, length, *SCRIPT, method=b"POST") + body)
            self.assertEqual(reply.status, 401, reply)
            self.assert_nothing_passed(reply, cookie)

    def test_methods_are_what_they_are(self):
        for method in [b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PATCH"]:
            reply = self.ask(b"/reports", self.verified, method=method)
            self.assertEqual(reply.status, 200, (method, reply))
            self.assertEqual(self.arrived().method, method)
            denied = self.ask(b"/reports", self.pending, *SCRIPT, method=method)
            self.assertEqual(denied.status, 401, (method, denied))
            self.assert_nothing_passed(denied, method)

    def test_a_page_leads_to_the_code_and_back_to_where_somebody_wanted_to_go(self):
        target = b"/reports/caf%C3%A9%20%26?q=a%20b&r=%2Fx%3D1&&s"
        reply = self.ask(target, self.pending, *NAVIGATION)
        self.assertEqual(reply.status, 303, reply)
        self.assert_nothing_passed(reply, target)
        there = urlsplit(reply.fields["location"])
        self.assertEqual((there.netloc, there.path), ("", "/_2fa/verify"))
        self.assertEqual(parse_qs(there.query)["next"], [target.decode()])
        visitor = Visitor(self.front)
        visitor.cookies = {"session": "alice"}
        visitor.authenticator = self.authenticator
        page = visitor.open(target.decode())
        self.assertEqual(visitor.open(page.location).status, 200)
        back = visitor.give_code(next=parse_qs(urlsplit(page.location).query)["next"][0])
        self.assertEqual((back.status, back.location), (303, target.decode()))
        self.assertEqual(visitor.open(back.location).status, 200)
        self.assertEqual(self.arrived().target, target)
        # Whoever has been let in is a credential for nobody else.
        self.assertEqual(self.ask(b"/reports", b"Cookie: session=alice", *NAVIGATION).status, 303)

    def test_a_program_gets_401_and_where_to_go(self):
        for cookie, reason in [(self.pending, "second_factor_required"), (b"Cookie: a=b", "login_required")]:
            reply = self.ask(b"/reports?x=1", cookie, *SCRIPT)
            self.assertEqual((reply.status, reply.fields["content-type"]), (401, "application/problem+json"), reply)
            self.assertEqual(json.loads(reply.body)["reason"], reason)
            self.assertIn("no-store", reply.fields["cache-control"])
            self.assert_nothing_passed(reply, cookie)

    def test_nobody_is_sent_to_the_login_and_sees_it_as_nobody(self):
        reply = self.ask(b"/reports", *NAVIGATION)
        self.assertEqual((reply.status, reply.fields["location"]), (303, "/login"))
        self.assert_nothing_passed(reply, "nobody")
        reply = self.ask(b"/login?x=1", b"X-Vestibule-User: evil", *NAVIGATION)
        self.assertEqual(reply.status, 200, reply)
        request = self.arrived()
        self.assertEqual(request.target, b"/login?x=1")
        self.assert_introduced(request, b"", b"", b"none")
        self.assertNotIn(b"evil", request.head)

    def test_nobody_can_say_who_they_are(self):
        names = ["X-Vestibule-User", "X-Vestibule-Organization", "X-Vestibule-Factor", "X-Vestibule-Verified-At"]
        names += ["x-vestibule-user", "X-VESTIBULE-USER", "X-Vestibule-Anything", "X-Vestibule"]
        names += [name.replace("-", mark) for name in names[:4] for mark in "_.~!"]
        names += ["X-Vestibule_User", "X_Vestibule-User", "x_vestibule_anything"]
        for name in names:
            spoof = f"{name}: evil".encode()
            for fields in [[spoof], [spoof, spoof]]:
                self.assert_without(b"evil", self.ask(b"/reports", self.verified, *fields), name)
                reply = self.ask(b"/reports", self.pending, *fields, *SCRIPT)
                self.assertNotEqual(reply.status, 200, name)
                self.assert_nothing_passed(reply, name)

    def assert_without(self, evil, reply, what):
        """Either it passes without that, or not at all."""
        received = self.dashboard.take()
        if reply.status == 200:
            (request,) = received
            self.assert_introduced(request, b"alice", b"acme", b"totp")
            self.assertNotIn(evil, request.head, what)
        else:
            self.assertIn(reply.status, [0, 400, 401, 403, 500], (what, reply))
            self.assertEqual(received, [], what)

    def test_the_spellings_that_are_ours_are_overwritten(self):
        fields = [f"{name}: evil".encode() for name in OURS]
        reply = self.ask(b"/reports", self.verified, *fields)
        self.assertEqual(reply.status, 200, reply)
        request = self.arrived()
        self.assert_introduced(request, b"alice", b"acme", b"totp")
        self.assertNotIn(b"evil", request.head)

    def test_nobody_can_say_what_they_ask_for_or_where_they_come_from(self):
        claims = {
            "X-Original-URI": "/login",
            "X-Original-URL": "/login",
            "X-Original-Method": "OPTIONS",
            "X-Original-Host": "other.acme.example",
            "X-Forwarded-Uri": "/login",
            "X-Forwarded-Method": "OPTIONS",
            "X-Forwarded-Host": "other.acme.example",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "203.0.113.66",
            "X-Forwarded-Prefix": "/login",
            "X-Forwarded-Port": "60066",
            "X-Forwarded-Server": "evil.example",
            "X-Rewrite-URL": "/login",
            "X-Script-Name": "/evil",
            "X-Traversal-Path": "/evil",
            "X-Scheme": "https",
            "X-Sendfile-Type": "evil",
            "X-Accel-Mapping": "/=/evil",
            "X-Real-IP": "203.0.113.66",
            "X-Envoy-Original-Path": "/login",
            "X-Envoy-External-Address": "203.0.113.66",
            "X-Envoy-Internal": "true",
            "True-Client-IP": "203.0.113.66",
            "Forwarded": "for=203.0.113.66;host=other.acme.example;proto=https",
        }
        together = [f"{name}: {value}".encode() for name, value in claims.items()]
        each = [[field] for field in together]
        spellings = [[field.replace(b"-", b"_", field.split(b":")[0].count(b"-"))] for field in together]
        for fields in [*each, *spellings, together]:
            reply = self.ask(b"/reports", b"Cookie: session=alice", *fields, *SCRIPT)
            self.assertNotEqual(reply.status, 200, fields)
            self.assert_nothing_passed(reply, fields)
            reply = self.ask(b"/reports", self.verified, *fields)
            for evil in [b"/login", b"OPTIONS", b"other.acme", b"https", b"203.0.113.66", b": 60066", b"evil"]:
                received = list(self.dashboard.received)
                self.assert_without(evil, reply, fields)
                self.dashboard.received = received
            for request in self.dashboard.take():
                self.assertEqual(request.values("x-forwarded-for"), [b"127.0.0.1"], request.head)
                self.assertEqual(request.values("x-forwarded-proto"), [b"http"], request.head)
                self.assertEqual(request.values("x-forwarded-host"), [HOST], request.head)
            # Said by itself in its own spelling, it does no harm and is not held against anybody.
            if fields in each:
                self.assertEqual(reply.status, 200, (fields, reply))

    def test_no_answer_sends_a_request_elsewhere_that_was_judged_by_another_target(self):
        # As Rack's is made to by X-Sendfile-Type, where it is left to clients.
        for elsewhere in [b"/reports", b"/_2fa/auth/nginx", b"@vestibule"]:
            self.dashboard.fields = b"X-Accel-Redirect: " + elsewhere + b"\r\nX-Sendfile: " + elsewhere + b"\r\n"
            reply = self.ask(b"/static/app.css", b"Cookie: session=alice", *SCRIPT)
            self.dashboard.fields = b""
            self.assertEqual(reply.status, 200, (elsewhere, reply))
            self.assertEqual([request.target for request in self.dashboard.take()], [b"/static/app.css"], elsewhere)

    def test_the_own_cookie_never_reaches_the_dashboard_and_the_others_do_as_they_are(self):
        # Somebody of their own: one of these requests ends the session, since it is of no single login.
        dave = self.enrolled(self.front, "dave")
        self.dashboard.take()
        verified = self.cookie(dave)
        own = verified.removeprefix(b"Cookie: ").split(b"; ")
        (session,) = [pair for pair in own if pair.startswith(b"vestibule=")]
        for sent, expected in [
            (b"session=dave; " + session, b"session=dave"),
            (session + b"; session=dave", b"session=dave"),
            (b"a=1; " + session + b"; session=dave; b=\"2, 3\"; c", b"a=1; session=dave; b=\"2, 3\"; c"),
        ]:
            reply = self.ask(b"/reports", b"Cookie: " + sent)
            self.assertEqual(reply.status, 200, reply)
            request = self.arrived()
            self.assertEqual(request.values("cookie"), [expected])
            self.assertNotIn(session.split(b"=")[1], request.head)
        for fields in [[b"Cookie: " + pair for pair in own], [verified, b"Cookie: session=bob"]]:
            reply = self.ask(b"/reports", *fields)
            for request in self.dashboard.take():
                self.assertEqual((reply.status, request.value("cookie")), (200, b"session=dave"), fields)
                self.assertNotIn(session.split(b"=")[1], request.head)

    def test_what_the_operator_strips_does_not_arrive(self):
        fields = [b"Cookie: session=alice", b"X-Api-Key: evil"]
        reply = self.ask(b"/reports", *fields, host=b"other.acme.example")
        self.assertEqual(reply.status, 200, reply)
        (request,) = self.other.take()
        self.assertNotIn(b"evil", request.head)
        self.assertEqual(request.values("host"), [b"inside.other.example:8443"])
        self.assertEqual(request.values("x-forwarded-host"), [b"other.acme.example"])
        for name in [b"X_Api_Key", b"X.Api.Key", b"x-api_key"]:
            self.ask(b"/reports", b"Cookie: session=alice", name + b": evil", host=b"other.acme.example")
            for request in self.other.take():
                self.assertNotIn(b"evil", request.head, name)

    def test_no_field_of_the_connection_takes_the_others_away(self):
        """Neither in front nor at the dashboard, where whoever reads `Connection` drops what it names."""
        others = [b"X-Vestibule-User", b"Cookie", b"X-Forwarded-For", b"X-Vestibule-Factor, Cookie, Authorization"]
        handshake = [b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"]
        handshake += [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        for named in others:
            for start in [b"close, ", b"keep-alive, ", b"upgrade\r\nConnection: ", b""]:
                reply = self.ask(b"/reports", self.verified, b"Connection: " + start + named, b"Authorization: x")
                for request in self.assert_on_its_own(reply, 200, b"alice", b"acme", b"totp"):
                    self.assertEqual(request.values("cookie"), [b"session=alice"])
                    self.assertEqual(request.values("authorization"), [b"x"])
                reply = self.ask(b"/login", b"Connection: " + start + named)
                self.assert_on_its_own(reply, 200, b"", b"", b"none")
            in_two = named + b"\r\nConnection: keep-alive, Upgrade"
            for connection in [b"Upgrade, " + named, named + b", upgrade", in_two]:
                reply = self.ask(b"/live", self.verified, b"Connection: " + connection, *handshake)
                self.assert_on_its_own(reply, 101, b"alice", b"acme", b"totp")

    def assert_on_its_own(self, reply, status, *expected):
        """What has arrived, if anything has: nothing in it is said to be of the connection alone."""
        received = self.dashboard.take()
        self.assertEqual(len(received), int(reply.status == status), reply)
        for request in received:
            self.assert_introduced(request, *expected)
            self.assertEqual(request.values("x-forwarded-for"), [b"127.0.0.1"])
            named = {token.strip().lower() for token in request.value("connection").split(b",")}
            self.assertLessEqual(named, {b"", b"close", b"keep-alive", b"upgrade"}, request.head)
        return received

    def test_nothing_arrives_that_begins_like_what_servers_in_front_say(self):
        for name in ["X-Forwarded-Anything", "X-Original-Anything", "X-Envoy-Anything", "X-Vestibule-Anything"]:
            for spelled in [name, name.lower(), name.replace("-", "_")]:
                reply = self.ask(b"/reports", self.verified, f"{spelled}: evil".encode())
                if self.Server.matches_beginnings or "vestibule" in spelled.lower():
                    self.assert_without(b"evil", reply, spelled)
                self.dashboard.take()

    def test_no_form_of_a_path_gets_past(self):
        for target in TRICKS:
            for who in [[], [b"Cookie: session=alice"], [self.pending]]:
                for kind in [NAVIGATION, SCRIPT]:
                    reply = self.ask(target, *who, *kind)
                    self.assertNotEqual(reply.status, 200, (target, who))
                    self.assert_nothing_passed(reply, (target, who))

    def test_no_host_gets_past_what_its_site_asks_for(self):
        self.assert_no_host_gets_past(self.front)

    def test_no_host_gets_past_where_another_site_takes_any(self):
        front = self.Server(OneForAnyHost(self.dashboard, "required"))
        self.addCleanup(front.stop)
        self.assert_no_host_gets_past(front)

    def assert_no_host_gets_past(self, front):
        """At the other site nobody needs a code, and Alice has logged in there."""
        reply = exchange(front.port, head(b"/reports", b"Cookie: session=alice", host=b"other.acme.example"))
        self.assertEqual((reply.status, len(self.other.take())), (200, 1), reply)
        rows = [
            (b"/reports", [b"Host: insights.acme.example", b"Host: other.acme.example"]),
            (b"/reports", [b"Host: other.acme.example", b"Host: insights.acme.example"]),
            (b"http://insights.acme.example/reports", [b"Host: other.acme.example"]),
            (b"http://other.acme.example/reports", [b"Host: insights.acme.example"]),
            (b"http://insights.acme.example/reports", []),
            (b"http://other.acme.example@insights.acme.example/reports", [b"Host: other.acme.example"]),
            (b"http://insights.acme.example@other.acme.example/reports", [b"Host: insights.acme.example"]),
            (b"/reports", [b"Host: other.acme.example:80@insights.acme.example"]),
            (b"/reports", [b"Host: INSIGHTS.acme.example"]),
            (b"/reports", [b"Host: insights.acme.example."]),
            (b"/reports", [b"Host: insights.acme.example:80"]),
            (b"/reports", [b"Host: nobody.example"]),
            (b"/reports", [b"Host: insights.acme.example, other.acme.example"]),
            (b"/reports", [b"Host: other.acme.example#insights.acme.example"]),
            (b"/reports", [b"Host: "]),
            (b"/reports", []),
        ]
        for version in [b"1.1", b"1.0"]:
            for target, fields in rows:
                fields = [*fields, b"Cookie: session=alice", *SCRIPT]
                reply = exchange(front.port, head(target, *fields, host=None, version=version))
                received = self.other.take()
                self.assert_nothing_passed(reply, (target, fields))
                for request in received:
                    self.assertNotIn(HOST, request.value("host"), request.head)

    def test_the_question_is_nobody_elses_to_ask(self):
        spoof = [b"X-Original-URI: /login", b"X-Original-Method: GET", b"X-Forwarded-Uri: /login"]
        spoof += [b"X-Forwarded-Method: GET", b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http"]
        for name in SERVERS:
            for rest in ["", "/", "/answer", "/login", "?x", "/../envoy/login"]:
                for fields in [[], spoof]:
                    target = f"/_2fa/auth/{name}{rest}".encode()
                    reply = self.ask(target, self.verified, *fields)
                    self.assertEqual(reply.status, 404, (target, reply))
                    self.assert_nothing_passed(reply, target)
        others = [b"", b"/", b"/anything", b"%2fnginx"]
        for target in [*(b"/_2fa/auth" + rest for rest in others), b"/_2fa/%61uth/nginx"]:
            reply = self.ask(target, b"Cookie: session=alice", *spoof)
            self.assertNotEqual(reply.status, 200, (target, reply))
            self.assertNotIn("x-vestibule-user", reply.fields)
            self.assert_nothing_passed(reply, target)

    def test_a_websocket_is_opened_by_those_alone_who_pass(self):
        for origin in [b"Origin: http://insights.acme.example", b"X-Nothing: said"]:
            live = WebSocket(self.front.port, self.verified, origin)
            self.addCleanup(live.close)
            self.assertEqual(live.status, 101)
            self.assertEqual(live.echo(b"low tide"), b"low tide")
            self.assertEqual(live.echo(b"high tide"), b"high tide")
            request = self.arrived()
            self.assert_introduced(request, b"alice", b"acme", b"totp")
            self.assertEqual(request.values("cookie"), [b"session=alice"])
        for cookie in [self.pending, b"Cookie: session=alice", b"Cookie: a=b"]:
            live = WebSocket(self.front.port, cookie)
            live.close()
            self.assertEqual(live.status, 401)
            self.assertEqual(self.dashboard.take(), [])
        live = WebSocket(self.front.port, self.verified, b"Origin: http://evil.example")
        live.close()
        self.assertIn(live.status, [401, 403])
        self.assertEqual(self.dashboard.take(), [])

    def test_no_connection_becomes_anything_but_a_websocket(self):
        """One that became HTTP/2 with the dashboard would carry requests that nobody is asked about."""
        settings = [b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"]
        both = [[b"websocket", b"h2c"], [b"h2c", b"websocket"], [b"websocket, h2c"], [b"h2c, websocket"]]
        for names in [[b"h2c"], [b"H2C"], [b"TLS/1.0"], [b"websockets"], [b"x"], *both]:
            for target, who in [(b"/reports", self.verified), (b"/login", b"Cookie: a=b")]:
                for connection in [settings, [b"Connection: Upgrade"]]:
                    reply = self.ask(target, who, *(b"Upgrade: " + name for name in names), *connection)
                    upgrades = [request.values("upgrade") for request in self.dashboard.take()]
                    # Of several names the first may be taken, if it is this one.
                    is_websocket = reply.status == 101 and names[0] == b"websocket"
                    self.assertIn(upgrades, [[[b"websocket"]]] if is_websocket else [[], [[]]], (names, reply))
                    self.assertTrue(is_websocket or reply.status != 101, (names, reply))

    def test_a_cookie_may_be_long(self):
        reply = self.ask(b"/reports", self.verified + b"; long=" + b"x" * 7000)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(self.arrived().value("cookie"), b"session=alice; long=" + b"x" * 7000)

    def test_a_session_that_is_another_logins_does_not_pass(self):
        carol = self.enrolled(self.front, "carol")
        session = f"vestibule={carol.cookies['vestibule']}".encode()
        self.assertEqual(self.ask(b"/reports", self.cookie(carol)).status, 200)
        self.dashboard.take()
        made_up = b"vestibule=v" + b"A" * 43 + b"; session=carol"
        for cookies in [made_up, session + b"; " + session + b"; session=carol", session, session + b"; session=bob"]:
            reply = self.ask(b"/reports", b"Cookie: " + cookies, *SCRIPT)
            self.assertEqual(reply.status, 401, (cookies, reply))
            self.assert_nothing_passed(reply, cookies)

    def test_without_vestibule_nobody_gets_anything(self):
        front = self.Server(TwoSites(self.dashboard, "required"))
        self.addCleanup(front.stop)
        alice = self.enrolled(front, "alice")
        self.assertEqual(alice.ask("/reports").status, 200)
        os.kill(front.gateway.program.process.pid, signal.SIGKILL)
        front.gateway.program.process.wait()
        self.dashboard.take()
        # Not many: some of the servers try for seconds.
        targets = [b"/reports", b"/login", b"/static/a.css", b"/_2fa/verify", b"/static/../reports", b"/_2fa/..;/x"]
        requests = [(target, [self.cookie(alice), *NAVIGATION]) for target in targets]
        requests += [(b"/reports", [cookie, *SCRIPT]) for cookie in [b"Cookie: session=alice", b"Cookie: a=b"]]
        for target, fields in requests:
            reply = exchange(front.port, head(target, *fields))
            self.assertTrue(reply.status in [0, 400, 403] or reply.status >= 500, (target, reply))
            self.assert_nothing_passed(reply, target)
        live = WebSocket(front.port, self.cookie(alice))
        live.close()
        self.assertGreaterEqual(live.status, 500)
        self.assertEqual(self.dashboard.take(), [])


def load_tests(loader, _standard, _pattern):
    bases = (Bytes, unittest.TestCase)
    cases = [type(f"BytesThrough{server.__name__}", bases, {"Server": server}) for server in servers.ALL]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
