"""Every server takes what is printed for it from configurations with everything in them, without a warning."""

import subprocess
import tempfile
import unittest
from pathlib import Path

import servers
from gateway import BINARY
from programs import ROOT, Program, free_port

SITE = """
[[site]]
name = "{name}"
hosts = {hosts}
upstream = {upstream}
{more}
[site.identity]
url = "/api/me"
user = "/id"
organization = "/company/slug"
"""

SECURE = """
upstream_host = "insights.internal:3443"
upstream_name = "insights.internal"
public = ["/login", "/static/*"]
public_until_login = ["/"]
login = "/"
credentials = ["cookie", "authorization", "header:x-api-key"]
strip_headers = ["x-debug-user", "x_odd"]
strip_query = ["auth"]
prefix = "/~second-factor/of.acme"
"""

SEVERAL = SITE.format(
    name="Insights.1",
    hosts='["insights.acme.example", "[2001:db8::1]", "192.0.2.7", "in_side.acme.example"]',
    upstream='["https://127.0.0.1:3443", "https://localhost:3444", "https://[::1]:3445"]',
    more=SECURE,
) + SITE.format(
    name="rest",
    hosts='["*"]',
    upstream='"http://localhost:3000"',
    more='prefix = "/~second-factor/of.acme"\nidle_timeout = "0"',
)

SOCKETS = SITE.format(name="socket", hosts='["insights.acme.example"]', upstream='"unix:/run/insights.sock"', more="")


def configuration(sites, listen=("127.0.0.1:8080", "127.0.0.1")):
    return f'[server]\nlisten = ["{listen[0]}"]\ntrusted_proxies = ["{listen[1]}"]\n{servers.MAY_ASK}\n{sites}'


EXAMPLE = (ROOT / "config/forward-auth.toml").read_text()
CONFIGURATIONS = {
    "the example": EXAMPLE.replace('forward_auth = ["nginx"]', servers.MAY_ASK),
    "several sites": configuration(SEVERAL),
    "sockets": configuration(SOCKETS, ("unix:/run/vestibule.sock", "unix")),
    "any address": configuration(SEVERAL, ("0.0.0.0:8080", "127.0.0.1")),
    "another machine": configuration(SEVERAL, ("[2001:db8::5]:8080", "2001:db8::/64")),
}


def loads(server, folder):
    """What the server says of the files in that folder, if it is not content."""
    checks = {
        "nginx": ["-t", "-q", "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", f"pid {folder / 'pid'};"],
        "caddy": ["validate", "--adapter", "caddyfile", "--config", folder / "Caddyfile"],
        "haproxy": ["-c", "-q", "-dW", "-f", folder / "haproxy.cfg"],
        "envoy": ["--mode", "validate", "-l", "warning", "-c", folder / "envoy.yaml"],
    }
    done = subprocess.run([server.binary, *checks[server.server]], capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    # What newer versions of Caddy have another name for, Debian's knows by the old one alone.
    warned = [line for line in said.splitlines() if "warn" in line.lower() and "deprecated" not in line]
    return said if done.returncode != 0 or warned else None


class TestRendered(unittest.TestCase):
    def rendered(self, server, text):
        folder = tempfile.TemporaryDirectory(prefix="rendered-")
        self.addCleanup(folder.cleanup)
        folder = Path(folder.name)
        (folder / "logs").mkdir()
        (folder / "vestibule.toml").write_text(text)
        for name, arguments in server.files.items():
            command = [BINARY, "--config", folder / "vestibule.toml", "render", *arguments]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            (folder / name).write_text(printed.replace("/etc/haproxy/", f"{folder}/"))
        return folder

    def test_what_is_printed_loads(self):
        for server in servers.ALL:
            if server.server == "traefik":
                continue
            for name, text in CONFIGURATIONS.items():
                with self.subTest(server=server.name, configuration=name):
                    self.assertIsNone(loads(server, self.rendered(server, text)))

    def test_traefik_takes_what_is_printed(self):
        """It has no command that checks: it starts, and says what it does not like."""
        for name, text in CONFIGURATIONS.items():
            if name == "sockets":
                continue
            with self.subTest(configuration=name):
                folder = self.rendered(servers.Traefik, text)
                static = (folder / "traefik.yml").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{free_port()}")
                static = static.replace("/etc/traefik/", f"{folder}/") + "log: { level: DEBUG, noColor: true }\n"
                (folder / "traefik.yml").write_text(static)
                traefik = Program("traefik", [servers.Traefik.binary, f"--configFile={folder / 'traefik.yml'}"], folder)
                self.addCleanup(traefik.stop)
                built = "Creating load-balancer"
                traefik.until("has taken it all", lambda: traefik.output().count(built) >= text.count("[[site]]"))
                traefik.stop()
                bad = [line for line in traefik.output().splitlines() if " ERR " in line or " WRN " in line]
                self.assertEqual(bad, [])


if __name__ == "__main__":
    unittest.main()
