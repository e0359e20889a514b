"""nginx with a login of its own, set up as the guide says: what `vestibule render` prints, with the guide's lines."""

import base64
import json
import re
import subprocess
import textwrap
import unittest

import servers
from programs import ROOT, free_port
from raw import HOST, exchange, head
from recorder import INSIDE, Recorder
from test_bytes import NAVIGATION, OURS, SCRIPT
from visitor import Visitor

SECRET = "what-nginx-alone-knows-besides-vestibule"
LOGIN = """[site.identity]
source = "header"
user = "X-Forwarded-User"
organization = { fixed = "acme" }
secret_header = "X-Login-Secret"
secret_file = "login.secret"
"""


class WithLogin(servers.Asked):
    """The example of a gateway that is asked, with a login in front of the dashboard."""

    host = HOST.decode()

    def configured(self, dashboard, requirement):
        text = (ROOT / "config/forward-auth.toml").read_text()
        for written, present in [
            ('listen = ["127.0.0.1:8080"]', f'listen = ["127.0.0.1:{free_port()}"]'),
            ('hosts = ["insights.acme.example"]', 'hosts = ["insights.acme.example", "127.0.0.1"]'),
            ('upstream = "http://127.0.0.1:3000"', f'upstream = "http://127.0.0.1:{dashboard.port}"'),
            ('bind = "cookie:session"', "#"),
        ]:
            assert text.count(written) == 1, written
            text = text.replace(written, present)
        text += f'[site.organization]\nrequirement = "{requirement}"\n[operations]\nlisten = "127.0.0.1:0"\n'
        # What the configuration of the server in front is printed from.
        self.path("asking.toml").write_text(text)
        self.path("login.secret").write_text(SECRET)
        self.path("login.secret").chmod(0o600)
        return re.sub(r"\[site\.identity\]\n.*?(?=^\[)", LOGIN, text, flags=re.DOTALL | re.MULTILINE)

    def path(self, name):
        return servers.Path(self.folder.name) / name

    def run(self, *arguments):
        command = [self.command[0], "--config", self.path("asking.toml"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def by_hand(server):
    """That server, set up by hand."""

    class ByHand(server):
        def write(self, name, text):
            guide = (ROOT / "docs/forward-auth.md").read_text()
            pieces = re.findall(r"^```nginx\n(.*?)^```", guide, flags=re.DOTALL | re.MULTILINE)
            whole, to_vestibule, to_dashboard = pieces
            text = put(text, r"server_name .*;\n", whole)
            for location in [r'~ "^/_2fa(/|$)"', "= /_2fa/auth/nginx", "@vestibule"]:
                text = put(text, re.escape(f"location {location} {{\n"), to_vestibule)
            text = put(text, r"location / {\n", to_dashboard)
            super().write(name, text.replace("/etc/nginx/", f"{self.folder.name}/"))
            hashed = ["openssl", "passwd", "-apr1", "a password"]
            users = [subprocess.run(hashed, capture_output=True, text=True, check=True).stdout for _ in range(2)]
            self.path("insights.users").write_text(f"alice:{users[0]}bob:{users[1]}")
            self.path("vestibule.secret").write_text(f'proxy_set_header X-Login-Secret "{SECRET}";\n')

    return ByHand


def put(text, place, lines):
    """The text with these lines in that block, and nothing else said there of the same fields."""
    (found,) = re.finditer(place, text)
    before, block, after = text[: found.end()], *re.split(r"(?=\n    *}\n)", text[found.end() :], maxsplit=1)
    for name in re.findall(r"proxy_set_header (\S+)", lines):
        block = re.sub(rf"^ *proxy_set_header {name} .*\n", "", block, flags=re.MULTILINE)
    return before + textwrap.indent(lines, "    ") + block + after


class Person(Visitor):
    """Somebody whose browser has been told the password."""

    def __init__(self, front, name, password="a password"):
        super().__init__(front)
        self.field = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    def _send(self, connection, method, path, fields, body):
        return super()._send(connection, method, path, {**fields, "authorization": self.field}, body)

    def lines(self):
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [f"Authorization: {self.field}".encode(), f"Cookie: {pairs}".encode()]


class ByHand:
    """Mixed into the test case of one server, which runs for both, as does the dashboard."""

    def setUp(self):
        self.dashboard = Recorder()
        self.addCleanup(self.dashboard.stop)
        self.front = self.Server(WithLogin(self.dashboard, "required"))
        self.addCleanup(self.front.stop)

    def enrolled(self, name):
        person = Person(self.front, name)
        self.assertEqual(person.open("/reports").location, "/_2fa/enroll?next=/reports")
        person.enroll()
        return person

    def test_whoever_has_the_password_is_asked_for_a_code_and_passes(self):
        alice = self.enrolled("alice")
        self.assertEqual(self.dashboard.take(), [])
        spoof = [b"X-Forwarded-User: bob", b"X-Login-Secret: x", b"X-Vestibule-User: bob"]
        for more in [[], spoof]:
            reply = exchange(self.front.port, head(b"/reports?x=%2F", *alice.lines(), *more))
            self.assertEqual(reply.status, 200, reply)
            (request,) = self.dashboard.take()
            self.assertEqual(request.target, b"/reports?x=%2F")
            self.assertEqual([request.values(name) for name in OURS[:3]], [[b"alice"], [b"acme"], [b"totp"]])
            self.assertEqual(request.values("x-forwarded-user"), [b"alice"])
            for secret in ["authorization", "x-login-secret", SECRET, alice.cookies["vestibule"]]:
                self.assertNotIn(secret.lower().encode(), request.head.lower())
            status = exchange(self.front.port, head(b"/_2fa/status", *alice.lines(), *more))
            said = json.loads(status.body)
            self.assertEqual((said["user"], said["verified"]), ("alice", True))

    def test_nobody_passes_without_the_password(self):
        alice = self.enrolled("alice")
        session, wrong = alice.lines()[1], Person(self.front, "alice", "another").lines()[0]
        said = [b"X-Forwarded-User: alice", b"X-Login-Secret: " + SECRET.encode()]
        for fields in [[session], [session, *said], [wrong, session], [wrong, session, *said]]:
            for target in [b"/reports", b"/login", b"/_2fa/profile", b"/_2fa/status"]:
                for kind in [NAVIGATION, SCRIPT]:
                    reply = exchange(self.front.port, head(target, *fields, *kind))
                    self.assertEqual(reply.status, 401, (target, fields, reply))
                    self.assertIn("www-authenticate", reply.fields)
                    self.assertEqual(self.dashboard.take(), [], fields)

    def test_nobody_passes_by_another_ones_code(self):
        alice, bob = self.enrolled("alice"), self.enrolled("bob")
        (password, session), (_, other) = alice.lines(), bob.lines()
        for fields in [[password], [password, other], [password, other, b"X-Forwarded-User: bob"]]:
            for kind, status in [(NAVIGATION, 303), (SCRIPT, 401)]:
                reply = exchange(self.front.port, head(b"/reports", *fields, *kind))
                self.assertEqual(reply.status, status, (fields, reply))
                self.assertNotIn(INSIDE.encode(), reply.body)
                self.assertEqual(self.dashboard.take(), [], fields)
        self.assertEqual(exchange(self.front.port, head(b"/reports", password, session)).status, 200)


def load_tests(loader, _standard, _pattern):
    both = [servers.NginxOfDebian, servers.NginxNew]
    cases = [type(f"{s.__name__}ByHand", (ByHand, unittest.TestCase), {"Server": by_hand(s)}) for s in both]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
