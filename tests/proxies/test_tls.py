"""Every server with a certificate, as its lines to adapt say, for visitors in HTTP/1.1 and in HTTP/2."""

import http.client
import socket
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

import http2
import servers
from raw import HOST
from recorder import INSIDE, Recorder
from test_bytes import OURS, TRICKS, TwoSites
from visitor import Visitor


class Certificate:
    """For both sites, signed by an authority of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="certificate-")
        folder = Path(self.folder.name)
        folder.chmod(0o755)
        files = [folder / name for name in ["certificate.pem", "key.pem", "both.pem", "authority.pem"]]
        self.certificate, self.key, self.both, self.authority = files
        names = "subjectAltName=DNS:insights.acme.example,DNS:other.acme.example"
        (folder / "extensions").write_text(f"basicConstraints=CA:FALSE\n{names}\n")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        signed = ["-CA", self.authority, "-CAkey", folder / "authority.key", "-CAcreateserial"]
        for command in [
            ["req", "-x509", *key, "-subj", "/CN=authority", "-keyout", folder / "authority.key", "-out", self.authority],
            ["req", "-new", *key, "-subj", "/CN=dashboards", "-keyout", self.key, "-out", folder / "request"],
            ["x509", "-req", "-in", folder / "request", *signed, "-extfile", folder / "extensions", "-out", self.certificate],
        ]:
            subprocess.run(["openssl", *command], check=True, capture_output=True)
        self.both.write_text(self.certificate.read_text() + self.key.read_text())

    def context(self, protocol):
        context = ssl.create_default_context(cafile=self.authority)
        context.set_alpn_protocols([protocol])
        return context


    def of_a_server(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class SecureDashboard(TwoSites):
    """With a dashboard that has that certificate."""

    def configured(self, dashboard, requirement):
        text = super().configured(dashboard, requirement)
        plain = f'upstream = "http://127.0.0.1:{dashboard.port}"'
        assert text.count(plain) == 1
        keys = f'upstream_name = "{HOST.decode()}"\nupstream_authorities = "{dashboard.certificate.authority}"'
        return text.replace(plain, f"{plain.replace('http:', 'https:')}\n{keys}")


class SecureVisitor(Visitor):
    """One who comes by TLS, by the site's name."""

    def __init__(self, front, context):
        super().__init__(front)
        self.context = context

    def _own(self):
        return {"origin": f"https://{HOST.decode()}:{self.gateway.port}", "sec-fetch-site": "same-origin"}

    def _connect(self):
        connection = http.client.HTTPSConnection(HOST.decode(), self.gateway.port, timeout=60)
        plain = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=60)
        connection.sock = self.context.wrap_socket(plain, server_hostname=HOST.decode())
        return connection

    def _keep(self, cookie):
        assert "; secure" in cookie.lower(), cookie
        super()._keep(cookie.replace("; Secure", ""))


class WithTls:
    """Mixed into the test case of one server, which runs for all of them."""

    @classmethod
    def setUpClass(cls):
        cls.certificate = Certificate()
        cls.addClassCleanup(cls.certificate.folder.cleanup)
        cls.dashboard, cls.other = Recorder(), Recorder("Nothing secret")
        cls.dashboard.other = cls.other
        cls.addClassCleanup(cls.dashboard.stop)
        cls.addClassCleanup(cls.other.stop)
        cls.front = cls.Server(TwoSites(cls.dashboard, "required"), cls.certificate)
        cls.addClassCleanup(cls.front.stop)
        cls.alice = SecureVisitor(cls.front, cls.certificate.context("http/1.1"))
        cls.alice.cookies = {"session": "alice"}
        assert cls.alice.ask("/reports").status == 401
        cls.alice.enroll()

    def setUp(self):
        self.dashboard.take()
        self.other.take()

    def test_a_visitor_gives_a_code_and_is_inside(self):
        self.assertEqual(set(self.alice.cookies), {"session", "__Host-vestibule"})
        answer = self.alice.ask("/reports?x=%2F")
        self.assertEqual((answer.status, answer.text), (200, INSIDE), answer)
        (request,) = self.dashboard.take()
        host = f"{HOST.decode()}:{self.front.port}".encode()
        self.assertEqual([request.values(name) for name in OURS[:3]], [[b"alice"], [b"acme"], [b"totp"]])
        self.assertEqual((request.target, request.values("host")), (b"/reports?x=%2F", [host]))
        self.assertEqual(request.values("cookie"), [b"session=alice"])
        self.assertEqual(request.values("x-forwarded-proto"), [b"https"])

    def test_a_dashboard_with_a_certificate_is_who_it_should_be(self):
        dashboard = Recorder(tls=self.certificate.of_a_server())
        self.addCleanup(dashboard.stop)
        dashboard.other, dashboard.certificate = self.other, self.certificate
        stranger = Certificate()
        self.addCleanup(stranger.folder.cleanup)

        class Mistaken(self.Server):
            def write(self, name, text):
                super().write(name, text.replace(str(dashboard.certificate.authority), str(stranger.authority)))

        for server, status in [(self.Server, [200]), (Mistaken, [500, 502, 503])]:
            front = server(SecureDashboard(dashboard, "required"))
            self.addCleanup(front.stop)
            alice = Visitor(front)
            alice.cookies = {"session": "alice"}
            self.assertEqual(alice.ask("/reports").status, 401)
            alice.enroll()
            dashboard.take()
            answer = alice.ask("/reports")
            self.assertIn(answer.status, status, answer)
            self.assertEqual(len(dashboard.take()), int(answer.status == 200))

    def ask(self, *fields, path=b"/reports", authority=HOST, server_name=HOST.decode()):
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", path), (b":authority", authority)]
        head = [(name, value) for name, value in head if value is not None]
        return http2.exchange(self.front.port, self.certificate.context("h2"), server_name, [*head, *fields])

    def own(self):
        return [(b"cookie", f"{name}={value}".encode()) for name, value in self.alice.cookies.items()]

    def test_cookies_in_pieces_are_one_to_vestibule_and_to_the_dashboard(self):
        body = self.ask((b"cookie", b"a=1"), *self.own(), (b"cookie", b"b=2"))
        (request,) = self.dashboard.take()
        self.assertEqual(body, INSIDE.encode())
        self.assertEqual(request.values("cookie"), [b"a=1; session=alice; b=2"])

    def test_nobody_can_say_who_they_are(self):
        for name in [b"x-vestibule-user", b"x_vestibule_user", b"x.vestibule.user", b"x-vestibule_user"]:
            self.ask(*self.own(), (name, b"evil"))
            for request in self.dashboard.take():
                self.assertNotIn(b"evil", request.head)
                self.assertEqual(request.values("x-vestibule-user"), [b"alice"])

    def test_no_form_of_a_path_gets_past(self):
        for path in [*TRICKS, b"", b"*", b"reports", b"/reports HTTP/1.1\r\nX-Vestibule-User: alice"]:
            body = self.ask((b"cookie", b"session=alice"), path=path)
            self.assertNotIn(INSIDE.encode(), body, path)
            self.assertEqual([request.head for request in self.dashboard.take()], [], path)

    def test_no_host_gets_past_what_its_site_asks_for(self):
        """At the other site nobody needs a code, and Alice has logged in there."""
        other, cookie = b"other.acme.example", (b"cookie", b"session=alice")
        self.assertEqual(self.ask(cookie, authority=other, server_name=other.decode()), b"Nothing secret")
        self.assertEqual(len(self.other.take()), 1)
        for server_name in [HOST.decode(), other.decode()]:
            for authority, hosts in [
                (HOST, [other]),
                (other, [HOST]),
                (None, [HOST, other]),
                (None, [other, HOST]),
                (HOST, [HOST, other]),
                (other, [HOST, other]),
                (HOST + b", " + other, []),
                (other + b", " + HOST, []),
                (other + b"@" + HOST, []),
                (HOST + b"@" + other, []),
                (None, [HOST]),
                (None, []),
                (HOST, []),
                (HOST.upper(), []),
                (HOST + b".", []),
            ]:
                fields = [(b"host", host) for host in hosts]
                body = self.ask(cookie, *fields, authority=authority, server_name=server_name)
                what = (server_name, authority, hosts)
                self.assertNotIn(INSIDE.encode(), body, what)
                self.assertEqual([request.head for request in self.dashboard.take()], [], what)


def load_tests(loader, _standard, _pattern):
    bases = (WithTls, unittest.TestCase)
    cases = [type(f"{server.__name__}WithTls", bases, {"Server": server}) for server in servers.ALL]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
