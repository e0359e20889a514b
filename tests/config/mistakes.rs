//! Mistakes: found all at once, each at its place, with what would be right.

use std::path::Path;

use vestibule::config::file::tables;
use vestibule::config::{find, load};

use crate::{SMALL, read, shipped, small_with};

#[test]
fn every_problem_is_reported_at_once_and_at_its_place() {
    let text = r#"title = "Acme"
[server]
listen = ["0.0.0.0:8080", "localhost:80", "127.0.0.1:9180"]
trusted-proxies = []
workers = 0

[operations]
listen = 9180

[session]
idle = "2 hours"
lifetime = "60d"

[totp]
issuer = "Acme: Insights"

[log]
level = "verbose"

[[site]]
name = "in sights"
hosts = ["a.example", "*"]
upstrem = "http://127.0.0.1:3000"
public = ["/static*", "/_2fa/verify"]
credentials = ["cookies"]
bind = "cookie:sid"

[site.identity]
url = "/api/me"
user = "id"
organization = { css = ".company", header = "x-company" }
admin = { pointer = "/role", any = [] }
cache = "10m"

[[site]]
name = "reports"
hosts = ["A.example.:8443", "b.example"]
upstream = "http://127.0.0.1:4000/app"
accent = "blue"

[site.identity]
url = "/api/me"
user = "/id"
email = { css = "p.email" }

[site.organization]
requirement = "yes"
"#;
    let expected = [
        (1, "title"),
        (3, "server.listen"),
        (3, "server.listen"),
        (4, "server.trusted-proxies"),
        (5, "server.workers"),
        (8, "operations.listen"),
        (11, "session.idle"),
        (12, "session.lifetime"),
        (15, "totp.issuer"),
        (18, "log.level"),
        (21, "site.name"),
        (22, "site.hosts"),
        (23, "site.upstrem"),
        (24, "site.public"),
        (24, "site.public"),
        (25, "site.credentials"),
        (30, "site.identity.user"),
        (31, "site.identity.organization"),
        (32, "site.identity.admin.any"),
        (33, "site.identity.cache"),
        (37, "site.hosts"),
        (38, "site.upstream"),
        (39, "site.accent"),
        (41, "site.identity.organization"),
        (44, "site.identity.email"),
        (47, "site.organization.requirement"),
    ];
    let problems = read(text).expect_err("all of it is wrong");
    let found: Vec<_> = problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    assert_eq!(found, expected, "{problems}");
    assert!(problems.to_string().ends_with("26 problems in /etc/vestibule/vestibule.toml"), "{problems}");
}

#[test]
fn a_problem_is_drawn_with_its_line_and_told_to_programs() {
    let problems = read(&small_with("[[site]]", "upstream = \"127.0.0.1:3000\"")).expect_err("no scheme");
    let drawn = problems.to_string();
    let expected = r#"error[site.upstream]: "127.0.0.1:3000" is no upstream
  --> /etc/vestibule/vestibule.toml:12:12
   |
12 | upstream = "127.0.0.1:3000"
   |            ^^^^^^^^^^^^^^^^ "http://host:port", "https://host:port" or "unix:/path", and nothing behind"#;
    assert!(drawn.starts_with(expected), "{drawn}");
    let json = problems.to_json();
    assert_eq!(json[0]["file"], "/etc/vestibule/vestibule.toml");
    assert_eq!((json[0]["line"].as_u64(), json[0]["column"].as_u64()), (Some(12), Some(12)));
    assert_eq!(json[0]["key"], "site.upstream");
    assert_eq!(json[0]["message"], "\"127.0.0.1:3000\" is no upstream");
    assert!(json[0]["help"].as_str().is_some_and(|help| help.contains("http://host:port")), "{json}");
}

#[test]
fn each_bad_value_is_named_with_what_would_be_right() {
    for &(header, lines, key, what, right) in BAD_VALUES {
        let text = small_with(header, lines);
        let problems = read(&text).err().unwrap_or_else(|| panic!("{lines:?} is taken"));
        let found: Vec<_> = problems.iter().collect();
        let [problem] = found[..] else { panic!("{lines:?} is not one problem:\n{problems}") };
        assert_eq!(problem.key, key, "{problems}");
        assert!(problem.message.contains(what), "{what:?} is not said of {lines:?}:\n{problems}");
        assert!(problem.help.contains(right), "{right:?} is not advised for {lines:?}:\n{problems}");
        assert!(text.lines().nth(problem.line - 1).is_some_and(|line| lines.contains(line)), "{problems}");
    }
}

/// Header, lines under it, and the one problem: its key, what is wrong, what would be right.
type BadValue = (&'static str, &'static str, &'static str, &'static str, &'static str);

const BAD_VALUES: &[BadValue] = &[
    ("[server]", "listen = []", "server.listen", "is empty", "127.0.0.1:8080"),
    ("[server]", "listen = [\":8080\"]", "server.listen", "no address to listen on", "an IP address and a port"),
    ("[server]", "listen = [\"unix:\"]", "server.listen", "names no socket", "unix:/run/vestibule.sock"),
    ("[server]", "listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "server.listen", "already listens", "once"),
    ("[server]", "listen = [\"0.0.0.0:8080\"]", "server.listen", "in the clear", "[server.tls]"),
    ("[server]", "proxy_protocol = true", "server.proxy_protocol", "there are none", "trusted_proxies"),
    ("[server]", "listen = [\"[::]:8080\"]", "server.listen", "in the clear", "trusted_proxies"),
    ("[server]", "listen = [\"[::ffff:10.0.0.1]:80\"]", "server.listen", "in the clear", "loopback"),
    ("[server]", "listen = \"127.0.0.1:8080\"", "server.listen", "wrong type: string", "an array"),
    ("[server]", "trusted_proxies = [\"10.0.0.0/33\"]", "server.trusted_proxies", "no network", "10.0.0.0/8"),
    (
        "[server]",
        "trusted_proxies = [\"0.0.0.0/0\"]",
        "server.trusted_proxies",
        "believes everybody",
        "servers in front",
    ),
    ("[server]", "trusted_proxies = [\"::/0\"]", "server.trusted_proxies", "believes everybody", "servers in front"),
    ("[server]", "trusted_proxies = [\"::ffff:10.0.0.1\"]", "server.trusted_proxies", "never matches", "as IPv4"),
    ("[server]", "forward_auth = [\"nginx\"]", "server.forward_auth", "there are none", "trusted_proxies"),
    (
        "[server]",
        "forward_auth = [\"Nginx\"]",
        "server.forward_auth",
        "no server that can ask",
        "\"nginx\", \"traefik\"",
    ),
    ("[server]", "forward_auth = \"nginx\"", "server.forward_auth", "wrong type: string", "an array"),
    ("[server]", "workers = 0", "server.workers", "0 workers", "1 to 1024"),
    ("[server]", "connections = 0", "server.connections", "0 connections", "1 to 1000000"),
    ("[server]", "connections_per_client = -1", "server.connections_per_client", "-1 connections", "1 to 1000000"),
    ("[server]", "h2c = 1", "server.h2c", "wrong type: integer", "true or false"),
    ("[server]", "workers = \"2\"", "server.workers", "wrong type: string", "a whole number"),
    ("[operations]", "listen = \"127.0.0.1:8080\"", "operations.listen", "visitors come in here", "of its own"),
    ("[operations]", "listen = \"unix:/run/x\"", "operations.listen", "no address", "an IP address and a port"),
    ("[store]", "url = \"postgres://db/vestibule\"", "store.url", "no user", "postgres://user@host"),
    ("[store]", "url = \"postgres://v@/vestibule\"", "store.url", "no host", "postgres://user@host"),
    ("[store]", "url = \"postgres://v@db:x/vestibule\"", "store.url", "port is none", "postgres://user@host"),
    ("[store]", "url = \"postgres://v@db:0\"", "store.url", "port is none", "postgres://user@host"),
    ("[store]", "url = \"postgres://v@d b\"", "store.url", "host is none", "postgres://user@host"),
    ("[store]", "url = \"postgres://v@db,\"", "store.url", "host is none", "postgres://user@host"),
    ("[store]", "url = \"postgres://v@[::1\"", "store.url", "without a \"]\"", "postgres://user@host"),
    ("[store]", "url = \"postgres://v%ff@db\"", "store.url", "no character", "postgres://user@host"),
    ("[store]", "url = \"postgres://v@db?sslmode=prefer\"", "store.url", "switch off", "verify-full"),
    ("[store]", "url = \"postgres://v@db?sslmode=verify-ca\"", "store.url", "any server", "verify-full"),
    ("[store]", "url = \"postgres://v@db?sslmode=on\"", "store.url", "no sslmode", "verify-full"),
    ("[store]", "url = \"postgres://v@db?timeout=1\"", "store.url", "parameter \"timeout\"", "sslrootcert"),
    ("[store]", "url = \"postgres://v@db?sslrootcert=no.pem\"", "store.url", "can't be read", "relative paths"),
    ("[store]", "url = \"postgres://v@/v?host=/run&sslmode=require\"", "store.url", "Unix socket", "postgres://"),
    ("[store]", "url = \"postgres://v@db/v?host=/run\"", "store.url", "a host twice", "postgres://user@host"),
    ("[store]", "connections = 4", "store.connections", "SQLite has none", "postgres://user@host"),
    ("[store]", "password_file = \"no\"", "store.password_file", "can't be read", "relative paths"),
    ("[store]", "url = \"postgres://v@db\"\nconnections = 0", "store.connections", "0 connections", "1 to 1000"),
    ("[store]", "url = \"vestibule.db\"", "store.url", "no place to keep data", "sqlite:vestibule.db"),
    ("[store]", "url = \"sqlite::memory:\"", "store.url", "lost", "sqlite:vestibule.db"),
    ("[store]", "url = \"sqlite:\"", "store.url", "names no file", "a path"),
    ("[store]", "key_file = \"\"", "store.key_file", "names no file", "a path"),
    ("[store]", "audit_retention = \"29d\"", "store.audit_retention", "too short", "at least \"30d\""),
    ("[session]", "idle = \"0\"", "session.idle", "no time at all", "at most \"1d\""),
    ("[session]", "idle = \"25h\"", "session.idle", "too long", "at most \"1d\""),
    ("[session]", "idle = \"1h30m\"", "session.idle", "no duration", "\"30s\", \"15m\", \"12h\" or \"30d\""),
    ("[session]", "idle = \"-1h\"", "session.idle", "no duration", "a whole number and a unit"),
    ("[session]", "idle = \"h\"", "session.idle", "no duration", "a whole number and a unit"),
    ("[session]", "idle = \"5µ\"", "session.idle", "no duration", "a whole number and a unit"),
    ("[session]", "idle = 3600", "session.idle", "wrong type: integer", "a duration in quotes"),
    ("[session]", "idle = \"13h\"", "session.idle", "longer than lifetime, which is \"12h\"", "at most as long"),
    ("[session]", "lifetime = \"31d\"", "session.lifetime", "too long", "at most \"30d\""),
    ("[session]", "lifetime = \"99999999999999999999d\"", "session.lifetime", "too long", "at most \"30d\""),
    ("[totp]", "issuer = \" \"", "totp.issuer", "is empty", "1 to 64 characters"),
    ("[totp]", "issuer = \"a:b\"", "totp.issuer", "before a colon", "no colon"),
    ("[totp]", "issuer = \"a\\nb\"", "totp.issuer", "control character", "1 to 64 characters"),
    ("[log]", "format = \"xml\"", "log.format", "no log format", "\"text\""),
    ("[log]", "level = \"Info\"", "log.level", "no log level", "\"info\""),
    ("[[site]]", "name = \"\"", "site.name", "no name", "1 to 64 letters"),
    ("[[site]]", "realm = \"a b\"", "site.realm", "no name", "1 to 64 letters"),
    ("[[site]]", "hosts = []", "site.hosts", "is empty", "\"*\" for any"),
    ("[[site]]", "hosts = [\"*.acme.example\"]", "site.hosts", "no host", "\"*\" alone"),
    ("[[site]]", "hosts = [\"a\", \"*\"]", "site.hosts", "those beside it included", "alone"),
    ("[[site]]", "hosts = [\"http://a\"]", "site.hosts", "no host", "without scheme"),
    ("[[site]]", "hosts = [\"::1\"]", "site.hosts", "no host", "[2001:db8::1]"),
    ("[[site]]", "hosts = [\"büro.example\"]", "site.hosts", "no host", "xn--"),
    ("[[site]]", "hosts = [\"a.example:x\"]", "site.hosts", "no host", "a name"),
    ("[[site]]", "hosts = [\"256.0.0.1\"]", "site.hosts", "no host", "a name"),
    ("[[site]]", "hosts = [\"a.example\", \"A.Example.:80\"]", "site.hosts", "claimed on line", "once"),
    ("[[site]]", "upstream = \"ftp://a\"", "site.upstream", "no upstream", "http://host:port"),
    ("[[site]]", "upstream = \"http://a/\"", "site.upstream", "no path", "nothing behind"),
    ("[[site]]", "upstream = \"http://a?b\"", "site.upstream", "no path", "nothing behind"),
    ("[[site]]", "upstream = \"http://me:pw@a\"", "site.upstream", "no user or password", "http://host:port"),
    ("[[site]]", "upstream = \"http://a:99999\"", "site.upstream", "no host and port", "http://host:port"),
    ("[[site]]", "upstream = \"http://a:0\"", "site.upstream", "no host and port", "http://host:port"),
    ("[[site]]", "upstream = \"http://127.0.0.1:8080\"", "site.upstream", "the gateway itself", "dashboard behind"),
    ("[[site]]", "upstream = \"http://localhost:8080\"", "site.upstream", "the gateway itself", "dashboard behind"),
    ("[[site]]", "upstream = []", "site.upstream", "is empty", "at least one"),
    (
        "[[site]]",
        "upstream = [\"http://a\", \"https://b\"]",
        "site.upstream",
        "different schemes",
        "\"http://\" for all",
    ),
    ("[[site]]", "upstream = [\"http://a\", \"http://A:80\"]", "site.upstream", "twice", "once"),
    ("[[site]]", "upstream = [\"http://a\", \"http://b/x\"]", "site.upstream", "no path", "nothing behind"),
    ("[[site]]", "upstream = [\"http://a\", 3]", "site.upstream", "integer", "text"),
    ("[[site]]", "upstream = 3", "site.upstream", "integer", "or an array"),
    (
        "[[site]]",
        "upstream = [\"http://a\", \"http://127.0.0.1:8080\"]",
        "site.upstream",
        "the gateway itself",
        "behind",
    ),
    ("[[site]]", "upstream_host = \"a b\"", "site.upstream_host", "no value for \"Host\"", "dashboard:3000"),
    ("[[site]]", "upstream_name = \"a.example\"", "site.upstream_name", "not https", "leave it out"),
    ("[[site]]", "connect_timeout = \"0\"", "site.connect_timeout", "no time at all", "more than 0"),
    ("[[site]]", "answer_timeout = \"2h\"", "site.answer_timeout", "too long", "\"1h\""),
    ("[[site]]", "upstream_http = \"2.0\"", "site.upstream_http", "no version of HTTP", "\"1.1\" or \"2\""),
    ("[[site]]", "idle_timeout = \"11m\"", "site.idle_timeout", "too long", "\"10m\""),
    ("[[site]]", "public = [\"login\"]", "site.public", "does not begin with \"/\"", "from the root"),
    ("[[site]]", "public = [\"/*\"]", "site.public", "nothing would be protected", "\"/static/*\""),
    ("[[site]]", "public = [\"//*\"]", "site.public", "empty segment", "plain"),
    ("[[site]]", "public = [\"/a*\"]", "site.public", "not its whole last segment", "\"/static/*\""),
    ("[[site]]", "public = [\"/*/a\"]", "site.public", "not its whole last segment", "\"/static/*\""),
    ("[[site]]", "public = [\"/a/../b\"]", "site.public", "dot segment", "plain"),
    ("[[site]]", "public = [\"/a//b\"]", "site.public", "empty segment", "plain"),
    ("[[site]]", "public = [\"/a%2Fb\"]", "site.public", "encoded character, \"%2F\"", "without it"),
    ("[[site]]", "public = [\"/a%5cb\"]", "site.public", "encoded character", "without it"),
    ("[[site]]", "public = [\"/%2e%2e/b\"]", "site.public", "encoded character", "without it"),
    ("[[site]]", "public = [\"/a%00\"]", "site.public", "encoded character", "without it"),
    ("[[site]]", "public = [\"/a%zz\"]", "site.public", "no escape", "two hex digits"),
    ("[[site]]", "public = [\"/%41\"]", "site.public", "no plain spelling", "escapes only where one is needed"),
    ("[[site]]", "public = [\"/a;b\"]", "site.public", "has a ';'", "plain"),
    ("[[site]]", "public = [\"/a#b\"]", "site.public", "has a '#'", "plain"),
    ("[[site]]", "public = [\"/a\\\\b\"]", "site.public", "has a '\\\\'", "plain"),
    ("[[site]]", "public = [\"/ä\"]", "site.public", "has a 'ä'", "plain"),
    ("[[site]]", "public = [\"/a?b=*\"]", "site.public", "byte for byte", "one target"),
    ("[[site]]", "public = [\"/a?b=c d\"]", "site.public", "has a ' '", "escaped"),
    ("[[site]]", "public = [\"/_2fa\"]", "site.public", "the gateway's own pages", "of the dashboard"),
    ("[[site]]", "public = [\"/_2fa/profile?a\"]", "site.public", "the gateway's own pages", "of the dashboard"),
    (
        "[[site]]",
        "prefix = \"/app/2fa\"\npublic = [\"/app/*\"]",
        "site.public",
        "own pages, /app/2fa",
        "another prefix",
    ),
    ("[[site]]", "logout = [\"/*\"]", "site.logout", "every path", "\"/static/*\""),
    ("[[site]]", "login = \"/hidden?next={next}\"", "site.login", "not open to everybody", "`public`"),
    ("[[site]]", "login = \"https://sso.example/\"", "site.login", "does not begin", "from the root"),
    ("[[site]]", "login = \"//evil.example/\"", "site.login", "empty segment", "plain"),
    ("[[site]]", "login = \"/_2fa/verify\"", "site.login", "own pages", "a page of the dashboard"),
    ("[[site]]", "login = \"/in/{next}\"", "site.login", "in the path", "/login?next={next}"),
    ("[[site]]", "login = \"/in?a={path}\"", "site.login", "has a '{'", "escaped"),
    ("[[site]]", "after_logout = \"/out?next={next}\"", "site.after_logout", "has a '{'", "escaped"),
    ("[[site]]", "prefix = \"/2fa/\"", "site.prefix", "no prefix", "no \"/\" at the end"),
    ("[[site]]", "prefix = \"/\"", "site.prefix", "no prefix", "as \"/_2fa\""),
    ("[[site]]", "prefix = \"2fa\"", "site.prefix", "no prefix", "as \"/_2fa\""),
    ("[[site]]", "strip_headers = [\"x user\"]", "site.strip_headers", "no header name", "x-user"),
    ("[[site]]", "strip_headers = [\"Cookie\"]", "site.strip_headers", "is a credential", "do without"),
    ("[[site]]", "strip_headers = [\"Host\"]", "site.strip_headers", "a request needs", "do without"),
    ("[[site]]", "strip_query = [\"a=b\"]", "site.strip_query", "no name of a parameter", "access_token"),
    (
        "[[site]]",
        "strip_query = [\"T\"]\ncredentials = [\"query:t\"]",
        "site.strip_query",
        "is a credential",
        "another",
    ),
    ("[[site]]", "credentials = []", "site.credentials", "is empty", "\"cookie\""),
    ("[[site]]", "credentials = [\"basic\"]", "site.credentials", "no credential", "\"authorization\""),
    ("[[site]]", "credentials = [\"header:\"]", "site.credentials", "no header name", "x-user"),
    ("[[site]]", "credentials = [\"header:cookie\"]", "site.credentials", "a word of its own", "\"cookie\""),
    ("[[site]]", "credentials = [\"header:x-vestibule-user\"]", "site.credentials", "strips it", "recognizes"),
    ("[[site]]", "credentials = [\"query:a=b\"]", "site.credentials", "no name of a parameter", "access_token"),
    ("[[site]]", "credentials = [\"cookie\", \"cookie\"]", "site.credentials", "named twice", "once"),
    ("[[site]]", "by_session = [\"/live\"]", "site.by_session", "carries the dashboard's cookies", "leave it out"),
    ("[[site]]", "bind = \"sid\"", "site.bind", "nothing to bind to", "\"cookie:NAME\""),
    ("[[site]]", "bind = \"cookie:*\"", "site.bind", "no cookie name", "\"cookie:NAME\""),
    ("[[site]]", "bind = \"cookie:a;b\"", "site.bind", "no cookie name", "\"cookie:NAME\""),
    ("[[site]]", "bind = \"cookie:__Host-vestibule\"", "site.bind", "gateway's own", "dashboard's session cookie"),
    ("[[site]]", "bind = \"header:x-token\"", "site.bind", "none of the site's credentials", "add it"),
    ("[[site]]", "title = \"\"", "site.title", "no title", "1 to 64"),
    ("[[site]]", "accent = \"#12345\"", "site.accent", "no color", "\"#rrggbb\""),
    ("[[site]]", "accent = \"#ggg\"", "site.accent", "no color", "\"#rrggbb\""),
    ("[[site]]", "logo = \"none.png\"", "site.logo", "can't be read", "may read"),
    ("[site.identity]", "source = \"ldap\"", "site.identity.source", "no identity source", "or \"jwt\""),
    ("[site.identity]", "url = \"http://a/me\"", "site.identity.url", "does not begin with \"/\"", "from the root"),
    ("[site.identity]", "user = \"data.id\"", "site.identity.user", "no JSON pointer", "\"/data/id\""),
    ("[site.identity]", "user = \"/a~2\"", "site.identity.user", "no escape", "\"~0\""),
    ("[site.identity]", "user = { fixed = \"a\" }", "site.identity.user", "same for everybody", "\"/id\""),
    ("[site.identity]", "user = { css = [1] }", "site.identity.user.css", "wrong type: an array", "text in quotes"),
    ("[site.identity]", "user = { hedder = \"a\" }", "site.identity.user.hedder", "unknown key", "\"header\"?"),
    ("[site.identity]", "user = {}", "site.identity.user", "no place", "{ css = \"selector\" }"),
    ("[site.identity]", "user = 7", "site.identity.user", "wrong type: integer", "a JSON pointer"),
    ("[site.identity]", "user = { pointer = \"/a\", header = \"b\" }", "site.identity.user", "several", "one of"),
    ("[site.identity]", "user = { header = \"x y\" }", "site.identity.user.header", "no header name", "x-user"),
    ("[site.identity]", "name = { attribute = \"b\" }", "site.identity.name.attribute", "part of a css", "beside it"),
    ("[site.identity]", "name = { css = \"b\" }", "site.identity.name", "JSON or HTML", "every place in JSON"),
    (
        "[site.identity]",
        "user = { css = \"b[\" }\norganization = { fixed = \"a\" }",
        "site.identity.user.css",
        "no CSS",
        "a selector",
    ),
    ("[site.identity]", "organization = { fixed = \" \" }", "site.identity.organization.fixed", "nobody", "\"acme\""),
    ("[site.identity]", "admin = { users = [] }", "site.identity.admin.users", "is empty", "leave admin out"),
    ("[site.identity]", "admin = { pointer = \"/a\" }", "site.identity.admin.any", "missing key \"any\"", "any = ["),
    ("[site.identity]", "admin = { any = [1] }", "site.identity.admin", "no place", "/pointer"),
    ("[site.identity]", "admin = { header = \"a\", any = [1] }", "site.identity.admin.any", "text only", "quotes"),
    ("[site.identity]", "admin = { users = [\"a\"], any = [1] }", "site.identity.admin.users", "two rules", "one of"),
    (
        "[site.identity]",
        "admin = { pointer = \"/a\", any = [1.5] }",
        "site.identity.admin.any",
        "floating",
        "whole number",
    ),
    ("[site.identity]", "cache = \"61s\"", "site.identity.cache", "too long", "at most \"1m\""),
    ("[site.identity]", "timeout = \"0\"", "site.identity.timeout", "no time at all", "more than 0"),
    (
        "[site.identity.anonymous]",
        "status = [200]",
        "site.identity.anonymous.status",
        "200 does not prove",
        "300 to 499",
    ),
    (
        "[site.identity.anonymous]",
        "status = [503]",
        "site.identity.anonymous.status",
        "503 does not prove",
        "300 to 499",
    ),
    ("[site.identity.anonymous]", "redirect = [\"/a?b\"]", "site.identity.anonymous.redirect", "query", "path alone"),
    ("[site.identity.anonymous]", "css = \"#login\"", "site.identity.anonymous.css", "JSON or HTML", "in JSON"),
    (
        "[site.identity.anonymous]",
        "without_user = 1",
        "site.identity.anonymous.without_user",
        "integer",
        "true or false",
    ),
    ("[site.organization]", "requirement = \"on\"", "site.organization.requirement", "no requirement", "\"required\""),
    ("[site.enrollment]", "guard = \"password\"", "site.enrollment.guard", "no guard", "\"none\", or \"ticket\""),
    ("[site.enrollment]", "ticket_lifetime = \"0\"", "site.enrollment.ticket_lifetime", "no time at all", "\"30d\""),
    (
        "[site.enrollment]",
        "ticket_lifetime = \"31d\"",
        "site.enrollment.ticket_lifetime",
        "too long",
        "at most \"30d\"",
    ),
];

#[test]
fn sites_with_the_same_accounts_guard_them_alike() {
    let first = SMALL.replace("[[site]]\n", "[[site]]\nrealm = \"acme\"\n");
    let second = &first[first.find("[[site]]").expect("a site")..];
    let second = second.replace("insights", "reports");
    let both = |guard: &str, other: &str| read(&format!("{first}{guard}\n{second}{other}\n"));
    let ticket = "guard = \"ticket\"";
    both(ticket, "guard = \"ticket\"\nticket_lifetime = \"24h\"").expect("the same");
    both("", "guard = \"none\"\nticket_lifetime = \"1h\"").expect("none is none");
    let rows = [
        (ticket, "", "guard = \"ticket\" and ticket_lifetime = \"1d\", as there"),
        (ticket, "guard = \"none\"", "guard = \"ticket\" and"),
        (ticket, "guard = \"ticket\"\nticket_lifetime = \"1h\"", "ticket_lifetime = \"1d\", as there"),
        ("", ticket, "or \"ticket\" there too"),
    ];
    for (guard, other, right) in rows {
        let problems = both(guard, other).expect_err("one is guarded otherwise");
        let [problem] = &problems.iter().collect::<Vec<_>>()[..] else { panic!("{problems}") };
        assert_eq!(problem.key, "site.enrollment.guard");
        assert!(problem.message.contains("\"insights\" has the same accounts (realm \"acme\")"), "{problems}");
        assert!(problems.to_string().contains(right), "{problems}");
    }
    let apart = second.replace("\"acme\"", "\"other\"");
    read(&format!("{first}{ticket}\n{apart}")).expect("other accounts");
}

#[test]
fn two_sites_share_neither_name_nor_host() {
    let second = SMALL.replace("[server]\nlisten = [\"127.0.0.1:8080\"]", "");
    let second = &second[second.find("[[site]]").expect("a site")..];
    let problems = read(&format!("{SMALL}{second}")).expect_err("twice the same");
    let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{problems}");
    assert!(messages[0].contains("is called \"insights\" already"), "{problems}");
    assert!(messages[1].contains("\"insights.acme.example\" is claimed on line 13 already"), "{problems}");
    let any = format!("{SMALL}{second}").replace("insights.acme.example", "*");
    let problems = read(&any).expect_err("two for any host");
    assert!(problems.iter().any(|problem| problem.message == "any host is claimed on line 13 already"), "{problems}");
}

#[test]
fn what_is_missing_is_named_where_it_belongs() {
    let missing = |text: &str| -> Vec<(usize, String)> {
        let problems = read(text).expect_err("something is missing");
        assert!(problems.iter().all(|problem| problem.message.starts_with("missing key")), "{problems}");
        problems.iter().map(|problem| (problem.line, problem.key.clone())).collect()
    };
    let at = |line, key: &str| (line, key.to_owned());
    assert_eq!(missing(""), [at(1, "server"), at(1, "site")]);
    let empty = read("site = []\n[server]\nlisten = [\"127.0.0.1:1\"]\n").expect_err("no site");
    assert_eq!(empty.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(), ["\"site\" is empty"]);
    assert_eq!(missing("[server]\n"), [at(1, "site"), at(1, "server.listen")]);
    let site = missing("[server]\nlisten = [\"127.0.0.1:1\"]\n[[site]]\n");
    assert_eq!(site, ["name", "hosts", "upstream", "identity"].map(|key| at(3, &format!("site.{key}"))));
    let identity = missing(&SMALL.replace("url = \"/api/me\"\nuser = \"/id\"\norganization = \"/company\"\n", ""));
    assert_eq!(identity, ["url", "user", "organization"].map(|key| at(16, &format!("site.identity.{key}"))));
}

#[test]
fn a_misspelled_key_is_told_the_right_one_and_that_one_is_not_called_missing() {
    for (table, keys) in tables() {
        for key in keys {
            let wrong = format!("{}{key}", &key[..1]);
            let text = match table {
                "" => format!("{wrong} = 1\n{SMALL}"),
                "server.tls" => small_with("[server]", &format!("tls = {{ {wrong} = 1 }}")),
                "server.tls.more" => small_with("[server]", &format!("tls = {{ more = [{{ {wrong} = 1 }}] }}")),
                "site" => small_with("[[site]]", &format!("{wrong} = 1")),
                table => match table.strip_prefix("site.identity.").filter(|key| *key != "anonymous") {
                    Some(value) => small_with("[site.identity]", &format!("{value} = {{ {wrong} = 1 }}")),
                    None => small_with(&format!("[{table}]"), &format!("{wrong} = 1")),
                },
            };
            let problems = read(&text).expect_err("a misspelled key");
            let unknown: Vec<_> =
                problems.iter().filter(|problem| problem.message.starts_with("unknown key")).collect();
            let [problem] = unknown[..] else { panic!("{wrong} in [{table}]:\n{problems}") };
            assert_eq!(problem.message, format!("unknown key {wrong:?}"));
            assert_eq!(problem.help, format!("did you mean {key:?}?"));
            assert_eq!(problem.key, format!("{table}.{wrong}").trim_start_matches('.'));
        }
    }
    let problems = read(&SMALL.replace("upstream =", "upstrem =")).expect_err("a misspelled key");
    assert_eq!(problems.iter().count(), 1, "{problems}");
}

#[test]
fn a_key_in_the_wrong_table_is_told_the_right_one() {
    let problems = read(&small_with("[site.identity]", "after_logout = \"/\"")).expect_err("a key too late");
    assert_eq!(problems.iter().next().expect("one").help, "it belongs in [[site]], before the tables that follow it");
    let problems = read(&small_with("[[site]]", "key_file = \"x\"")).expect_err("a key in the wrong table");
    assert_eq!(problems.iter().next().expect("one").help, "it belongs in [store]");
}

#[test]
fn syntax_errors_hide_no_other_problems_and_start_no_avalanche() {
    let text = SMALL
        .replace("[\"127.0.0.1:8080\"]", "[\"127.0.0.1:8080\",\n  \"127.0.0.1:8081\"")
        .replace("[totp]", "[totp]\nissuer = Acme")
        .replace("[log]", "[log]\nlevel = \"loud\"\nformat = \"text")
        .replace("\"/id\"", "3");
    let problems = read(&text).expect_err("no TOML");
    let found: Vec<_> = problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect();
    let expected = [
        (3, "a bracket is opened here and never closed"),
        (9, "string values must be quoted"),
        (11, "\"loud\" is no log level"),
        (12, "invalid basic string"),
        (22, "wrong type: integer `3`"),
    ];
    assert_eq!(found, expected, "{problems}");
}

#[test]
fn an_array_is_no_table() {
    for (key, text) in [
        ("site", SMALL.replace("[[site]]", "[site]")),
        ("operations", SMALL.replace("[operations]", "[[operations]]")),
        ("site.organization", SMALL.replace("[site.organization]", "[[site.organization]]")),
        ("log", SMALL.replace("[log]", "").replacen('\n', "log = [\"text\", \"info\"]\n", 1)),
    ] {
        let problems = read(&text).expect_err("the wrong brackets");
        let found: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(found, [key], "{problems}");
    }
    let problems = read(&small_with("[server]", "tls = { more = {} }")).expect_err("the wrong brackets");
    let more = problems.iter().find(|problem| problem.key == "server.tls.more").expect("the table is named");
    assert_eq!(more.help, "here should be two brackets, [[server.tls.more]]: there may be several");
}

#[test]
fn files_that_are_named_must_be_there_and_hold_what_they_should() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in [("empty.pem", ""), ("big.png", &"x".repeat(300_000)), ("text.png", "hello")] {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let text = small_with("[server]", "tls = { certificate = \"empty.pem\", key = \"none.pem\" }");
    let config = folder.path().join("vestibule.toml");
    for (text, messages) in [
        (text.replace("tls =", "h2c = true\ntls ="), vec!["the handshake says", "no certificate", "can't be read"]),
        (text, vec!["has no certificate", "can't be read"]),
        (
            small_with("[server]", "tls = { certificate = \"none.pem\", key = \"empty.pem\" }"),
            vec!["read", "no private key"],
        ),
        (
            small_with("[server]", "tls = { more = [{ certificate = \"empty.pem\" }, { key = \"none.pem\" }] }"),
            vec!["\"certificate\"", "\"key\"", "\"key\"", "has no certificate", "\"certificate\"", "can't be read"],
        ),
        (small_with("[[site]]", "logo = \"big.png\""), vec!["too big"]),
        (small_with("[[site]]", "logo = \"text.png\""), vec!["no picture"]),
    ] {
        std::fs::write(&config, text).expect("a file");
        let problems = load(&config).expect_err("files are missing");
        assert_eq!(problems.iter().count(), messages.len(), "{problems}");
        for (problem, message) in problems.iter().zip(messages) {
            assert!(problem.message.contains(message), "{problems}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_like_others() {
    let problems = load(Path::new("/nowhere/vestibule.toml")).expect_err("no such file");
    let drawn = problems.to_string();
    assert!(drawn.contains("can't be read") && drawn.contains("/nowhere/vestibule.toml"), "{drawn}");
    assert_eq!(problems.to_json()[0]["line"], 0);
    assert_eq!(find(Some(Path::new("/nowhere/x.toml"))).expect("as given"), Path::new("/nowhere/x.toml"));
    let folder = tempfile::tempdir().expect("a folder");
    let binary = folder.path().join("vestibule.toml");
    std::fs::write(&binary, [0xff, 0xfe, 0]).expect("a file");
    assert!(load(&binary).expect_err("no text").to_string().contains("UTF-8"));
}

#[test]
fn a_broken_reference_is_refused_wherever_it_breaks() {
    let whole = std::fs::read_to_string(shipped().join("reference.toml")).expect("the reference");
    let lines: Vec<_> = whole.lines().collect();
    let mut broken = 0;
    for (number, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        let before = whole.lines().take(number).map(|line| line.len() + 1).sum::<usize>();
        for (what, edit) in [
            ("twice", format!("{line}\n{line}")),
            ("a float", format!("{key} = 7.5")),
            ("a date", format!("{key} = 1979-05-27")),
            ("a table", format!("{key} = {{ surely_unknown = {value} }}")),
            ("misspelled", format!("{key}_ = {value}")),
            ("no value", format!("{key} =")),
            ("a colon", format!("{key}: {value}")),
            ("open", format!("{key} = [{value}")),
            ("open quote", format!("{key} = \"\"\"")),
            ("control", format!("{key} = \"\u{1}\u{7f}é\"")),
        ] {
            let text = format!("{}{edit}\n{}", &whole[..before], lines[number + 1..].join("\n"));
            let problems = read(&text).err().unwrap_or_else(|| panic!("{key}, {what}: taken"));
            assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1), "{problems}");
            assert!(problems.to_string().contains("vestibule.toml:"), "{problems}");
            broken += 1;
        }
    }
    assert!(broken >= 100, "only {broken} were tried");
}

#[test]
fn a_file_that_ends_anywhere_never_panics() {
    let whole = std::fs::read_to_string(shipped().join("reference.toml")).expect("the reference");
    for end in (0..whole.len()).step_by(41) {
        let text = &whole[..whole.floor_char_boundary(end)];
        if let Err(problems) = read(text) {
            assert!(!problems.to_string().is_empty());
        }
    }
}

#[test]
fn a_password_in_a_url_that_is_wrong_is_not_shown() {
    for url in
        ["postgres://v:horse@db?sslmode=on", "postgres://v:horse/v", "postgres://v:ho%ffrse@db", "mysql://v:horse@db"]
    {
        let problems = read(&small_with("[store]", &format!("url = \"{url}\""))).expect_err("a problem");
        for shown in [problems.to_string(), problems.to_json().to_string()] {
            assert!(!shown.contains("rse"), "{shown}");
        }
    }
}
