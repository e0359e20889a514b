//! Other words on who has logged in than the dashboard's: what the keys mean, and which mistakes are found.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use tempfile::TempDir;
use vestibule::config::problem::Problems;
use vestibule::config::{
    AdminRule, Algorithm, Bind, Config, Credential, Identity, Keys, Scalar, Site, Source, TokenPlace, UpstreamAddress,
    Value, parse,
};

/// A login in front, on another machine.
const BEHIND: &str = r#"
[server]
listen = ["127.0.0.1:8080"]
trusted_proxies = ["10.1.2.3"]

[[site]]
name = "insights"
hosts = ["insights.acme.example"]
upstream = "http://127.0.0.1:3000"

[site.identity]
source = "header"
user = "X-Forwarded-User"
organization = { fixed = "acme" }
secret_header = "X-Login-Secret"
secret_file = "long.secret"
"#;

/// A token that somebody else signs.
const SIGNED: &str = r#"
[server]
listen = ["127.0.0.1:8080"]

[[site]]
name = "insights"
hosts = ["insights.acme.example"]
upstream = "http://127.0.0.1:3000"

[site.identity]
source = "jwt"
token = "cookie:app_token"
algorithms = ["ES256"]
keys = "https://login.example/jwks.json"
issuer = "https://login.example"
audience = "insights"
user = "/sub"
organization = "/org"
"#;

const SECRET: &str = "a secret of 32 bytes or even more";
const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A folder with files that can be named, good and bad.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content, mode) in [
        ("long.secret", format!("{SECRET}\n"), 0o600),
        ("exact.secret", "x".repeat(32), 0o400),
        ("short.secret", "x".repeat(31), 0o600),
        ("line.secret", format!("{}\r\n", "x".repeat(31)), 0o600),
        ("open.secret", SECRET.to_owned(), 0o640),
        ("jwks.json", SET.to_owned(), 0o644),
        ("empty.json", "{\"keys\":[]}".to_owned(), 0o644),
        ("no.json", "<html>".to_owned(), 0o644),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    folder
}

fn read(text: &str) -> Result<Config, Problems> {
    parse(text, &folder().path().join("vestibule.toml"))
}

/// One of the two with these lines in place of those for the same keys, or at the end of the last table.
fn with(base: &str, lines: &str) -> String {
    let mut text = base.to_owned();
    for line in lines.lines() {
        let key = line.split(" = ").next().expect("a key");
        let old = text.lines().find(|old| old.split(" = ").next() == Some(key)).map(str::to_owned);
        text = match old {
            Some(old) => text.replace(&format!("\n{old}\n"), &format!("\n{line}\n")),
            None => format!("{text}{line}\n"),
        };
    }
    text
}

/// The same without these keys.
fn without(base: &str, keys: &[&str]) -> String {
    let stays = |line: &&str| !keys.iter().any(|key| line.starts_with(&format!("{key} = ")));
    base.lines().filter(stays).collect::<Vec<_>>().join("\n") + "\n"
}

fn site(text: &str) -> Site {
    Site::clone(&read(text).unwrap_or_else(|problems| panic!("{problems}")).sites[0])
}

fn identity(text: &str) -> Identity {
    site(text).identity
}

fn names(fields: &[&str]) -> Vec<HeaderName> {
    fields.iter().map(|name| name.parse().expect("a name")).collect()
}

#[test]
fn a_login_in_front_speaks_in_fields_that_nobody_else_may_use() {
    let lines = "organization = \"X-Company\"\nemail = \"X-Forwarded-Email\"\npass_headers = [\"X-Session\", \"X-Company\"]\n\
                 admin = { header = \"X-Forwarded-Groups\", any = [\"admins\"] }";
    let site = site(&with(BEHIND, lines));
    let Source::Header(login) = &site.identity.source else { panic!("a login in front") };
    let fields = ["x-session", "x-company", "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"];
    assert_eq!(login.fields, names(&fields));
    let secret = login.secret.as_ref().expect("a secret");
    assert_eq!(secret.field, "x-login-secret");
    assert!(secret.value.is(SECRET.as_bytes()), "without the line break");
    assert!(!format!("{login:?}").contains("32 bytes"));
    assert_eq!(site.identity.user, Value::Header(HeaderName::from_static("x-forwarded-user")));
    let any = vec![Scalar::Text("admins".into())];
    let groups = Value::Header(HeaderName::from_static("x-forwarded-groups"));
    assert_eq!(site.identity.admin, AdminRule::Marked { value: groups, any });
    assert_eq!(site.strip, names(&["x-login-secret", "authorization"]), "what the dashboard must not see");
    assert_eq!(site.credentials.len(), 6, "cookies and the five fields");
}

#[test]
fn a_login_in_front_is_known_by_a_secret_or_on_this_machine() {
    let local = without(BEHIND, &["secret_header", "secret_file"]);
    for proxies in ["[\"127.0.0.1\"]", "[\"10.0.0.0/8\", \"::1\"]", "[\"unix\"]", "[\"127.0.0.0/8\"]"] {
        identity(&with(&local, &format!("trusted_proxies = {proxies}")));
    }
    identity(&with(BEHIND, "secret_file = \"exact.secret\""));
    let proxied =
        with(BEHIND, "trusted_proxies = [\"127.0.0.1\"]\nlisten = [\"127.0.0.1:8080\"]\nproxy_protocol = true");
    assert!(read(&proxied).is_err(), "the key is in the wrong table");
    let proxied = BEHIND.replace("[\"10.1.2.3\"]", "[\"127.0.0.1\"]\nproxy_protocol = true");
    identity(&proxied);
}

#[test]
fn a_token_is_where_the_operator_says_and_checked_with_what_the_operator_says() {
    let token = |lines: &str| match identity(&with(SIGNED, lines)).source {
        Source::Token(token) => token,
        other => panic!("{other:?}"),
    };
    let plain = token("algorithms = [\"ES256\", \"EdDSA\", \"PS512\"]");
    assert_eq!(plain.place, TokenPlace::Cookie("app_token".into()));
    assert_eq!(plain.algorithms, [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ps512]);
    assert_eq!((plain.issuer.as_deref(), plain.audience.len()), (Some("https://login.example"), 1));
    assert_eq!(plain.leeway, Duration::from_secs(10));
    let Keys::Address(address) = plain.keys else { panic!("an address") };
    let server = UpstreamAddress::Https { host: "login.example".into(), port: 443, name: None, authorities: None };
    assert_eq!((address.server, address.host.as_str()), (server, "login.example"));
    assert_eq!((address.target.as_str(), address.refresh), ("/jwks.json", Duration::from_mins(5)));

    assert_eq!(token("token = \"authorization\"").place, TokenPlace::Bearer);
    let header = token("token = \"header:X-Token\"\naudience = [\"a\", \"b\"]\nleeway = \"0\"");
    assert_eq!(header.place, TokenPlace::Header(HeaderName::from_static("x-token")));
    assert_eq!((header.audience, header.leeway), (vec!["a".into(), "b".into()], Duration::ZERO));
    let address = |keys: &str| match token(&format!("keys = {keys:?}")).keys {
        Keys::Address(address) => (address.server, address.host, address.target),
        other => panic!("{other:?}"),
    };
    let local = UpstreamAddress::Http { host: "::1".into(), port: 8081 };
    assert_eq!(address("http://[::1]:8081/k?v=1"), (local, "[::1]:8081".into(), "/k?v=1".into()));
    let socket = UpstreamAddress::Unix("/run/login.sock".into());
    assert_eq!(address("unix:/run/login.sock:/keys"), (socket, "localhost".into(), "/keys".into()));
}

#[test]
fn keys_are_read_when_the_configuration_is() {
    let own = without(SIGNED, &["keys", "issuer", "audience"]);
    let Source::Token(token) = identity(&with(&own, "secret_file = \"long.secret\"\nalgorithms = [\"HS256\"]")).source
    else {
        panic!("a token")
    };
    assert!(matches!(token.keys, Keys::Secret(secret) if secret.is(SECRET.as_bytes())));
    assert!(token.issuer.is_none() && token.audience.is_empty());
    let from_file = with(&without(SIGNED, &["keys"]), "keys_file = \"jwks.json\"\nalgorithms = [\"EdDSA\"]");
    let Source::Token(token) = identity(&from_file).source else { panic!("a token") };
    assert_eq!(token.keys, Keys::Text(SET.into()));
}

#[test]
fn credentials_are_what_the_source_names() {
    let token = |place: &str| site(&with(SIGNED, &format!("token = {place:?}")));
    assert_eq!(token("cookie:a").credentials, [Credential::Cookie]);
    assert_eq!(token("cookie:a").strip, [AUTHORIZATION], "nobody looks at it");
    assert_eq!(token("authorization").credentials, [Credential::Header(AUTHORIZATION)]);
    assert!(token("authorization").strip.is_empty());
    assert_eq!(token("header:x-a").credentials, [Credential::Header(HeaderName::from_static("x-a"))]);
    let bound =
        |base: &str, bind: &str| site(&base.replace("upstream =", &format!("bind = {bind:?}\nupstream ="))).bind;
    assert_eq!(bound(SIGNED, "claim:/sid"), Some(Bind::Claim("/sid".into())));
    assert_eq!(bound(SIGNED, "cookie:sid"), Some(Bind::Cookie("sid".into())));
    assert_eq!(bound(BEHIND, "cookie:_oauth2_proxy"), Some(Bind::Cookie("_oauth2_proxy".into())));
    let session = with(BEHIND, "pass_headers = [\"X-Session\"]");
    assert_eq!(bound(&session, "header:x-session"), Some(Bind::Header(HeaderName::from_static("x-session"))));
}

/// A configuration, the key that is wrong, and words of what is wrong and what would be right.
type Row = (String, &'static str, &'static str, &'static str);

/// One with this line in its site.
fn with_line(base: &str, line: &str) -> String {
    base.replace("upstream =", &format!("{line}\nupstream ="))
}

fn are_named(rows: Vec<Row>) {
    for (text, key, message, help) in rows {
        let problems = read(&text).err().unwrap_or_else(|| panic!("{key}, {message}: taken\n{text}"));
        let all: Vec<_> = problems.iter().collect();
        let [problem] = all[..] else { panic!("not one problem:\n{problems}\n{text}") };
        let key = if key.starts_with("site.") { key.to_owned() } else { format!("site.identity.{key}") };
        assert_eq!(problem.key, key, "{problems}");
        assert!(problem.message.contains(message) && problem.help.contains(help), "{problems}");
    }
}

#[test]
fn mistakes_about_a_login_in_front_are_named_with_what_would_be_right() {
    let behind = |lines: &str| with(BEHIND, lines);
    let local = || without(BEHIND, &["secret_header", "secret_file"]);
    are_named(vec![
        (behind("trusted_proxies = []"), "source", "nobody is trusted", "server.trusted_proxies"),
        (local(), "source", "none of server.trusted_proxies is on this machine", "secret_file"),
        (
            local().replace("[\"10.1.2.3\"]", "[\"127.0.0.1\"]\nproxy_protocol = true"),
            "source",
            "what a balancer says",
            "secret_file",
        ),
        (without(BEHIND, &["secret_file"]), "secret_file", "missing key", "login.secret"),
        (without(BEHIND, &["secret_header"]), "secret_header", "missing key", "X-Login-Secret"),
        (behind("secret_file = \"short.secret\""), "secret_file", "shorter than 32 bytes", "openssl rand"),
        (behind("secret_file = \"line.secret\""), "secret_file", "shorter than 32 bytes", "openssl rand"),
        (behind("secret_file = \"open.secret\""), "secret_file", "open to others (mode 640)", "chmod 600"),
        (behind("secret_file = \"none.secret\""), "secret_file", "can't be read", "may read"),
        (behind("secret_header = \"X_Secret\""), "secret_header", "no name of a field", "letters, digits"),
        (behind("secret_header = \"X-Forwarded-User\""), "secret_header", "passed on to the dashboard", "of its own"),
        (behind("user = \"REMOTE_USER\""), "user", "no name of a field", "X-Forwarded-User"),
        (behind("user = \"/sub\""), "user", "no name of a field", "X-Forwarded-User"),
        (behind("user = \"Cookie\""), "user", "means something else", "X-Forwarded-User"),
        (behind("user = \"X-Forwarded-For\""), "user", "means something else", "X-Forwarded-User"),
        (behind("user = \"X-Vestibule-User\""), "user", "means something else", "X-Forwarded-User"),
        (behind("user = \"Authorization\""), "user", "holds a password", "X-Forwarded-User"),
        (behind("user = { pointer = \"/id\" }"), "user", "no such place", "X-Field-Of-The-Login"),
        (behind("user = { fixed = \"a\" }"), "user", "same for everybody", "X-Forwarded-User"),
        (behind("admin = { pointer = \"/a\", any = [\"b\"] }"), "admin", "no such place", "X-Field-Of-The-Login"),
        (behind("admin = { header = \"X-A\", any = [1] }"), "admin.any", "text only", "quotes"),
        (behind("pass_headers = [\"X Y\"]"), "pass_headers", "no name of a field", "letters"),
        (behind("url = \"/api/me\""), "url", "says nothing with source = \"header\"", "source = \"probe\""),
        (behind("cache = \"5s\""), "cache", "says nothing", "\"probe\""),
        (behind("timeout = \"5s\""), "timeout", "says nothing", "\"probe\" or \"jwt\""),
        (behind("algorithms = [\"ES256\"]"), "algorithms", "says nothing", "\"jwt\""),
        (behind("anonymous = { without_user = true }"), "anonymous", "says nothing", "\"probe\""),
        (with_line(BEHIND, "bind = \"claim:/sid\""), "site.bind", "only a token has claims", "\"jwt\""),
        (with_line(BEHIND, "bind = \"header:x-other\""), "site.bind", "none of the site's credentials", "bind to"),
        (with_line(BEHIND, "by_session = [\"/live\"]"), "site.by_session", "carries", "leave it out"),
    ]);
}

#[test]
fn mistakes_about_a_token_are_named_with_what_would_be_right() {
    let signed = |lines: &str| with(SIGNED, lines);
    are_named(vec![
        (signed("url = \"/api/me\""), "url", "says nothing with source = \"jwt\"", "source = \"probe\""),
        (signed("pass_headers = [\"X-A\"]"), "pass_headers", "says nothing", "\"header\""),
        (without(SIGNED, &["token"]), "token", "missing key", "cookie:NAME"),
        (signed("token = \"app_token\""), "token", "no place for a token", "\"header:NAME\""),
        (signed("token = \"cookie:a b\""), "token", "no cookie name", "cookie:NAME"),
        (signed("token = \"cookie:vestibule\""), "token", "the gateway's own", "dashboard's"),
        (signed("token = \"header:authorization\""), "token", "a word of its own", "\"authorization\""),
        (signed("token = \"header:x-forwarded-token\""), "token", "never comes by", "another name"),
        (without(SIGNED, &["algorithms"]), "algorithms", "missing key", "[\"ES256\"]"),
        (signed("algorithms = []"), "algorithms", "is empty", "ES256"),
        (signed("algorithms = [\"none\"]"), "algorithms", "no algorithm", "ES256, ES384"),
        (signed("algorithms = [\"HS256\"]"), "algorithms", "there is none", "secret_file"),
        (signed("refresh = \"0\""), "refresh", "no time at all", "more than 0"),
        (signed("refresh = \"25h\""), "refresh", "too long", "1d"),
        (signed("leeway = \"5m\""), "leeway", "too long", "2m"),
        (signed("issuer = \"\""), "issuer", "names nobody", "to the letter"),
        (without(SIGNED, &["issuer"]), "issuer", "missing key", "issuer ="),
        (without(SIGNED, &["audience"]), "audience", "missing key", "audience ="),
        (signed("user = \"sub\""), "user", "no JSON pointer", "\"/sub\""),
        (signed("user = { header = \"x-a\" }"), "user", "no such place", "into the claims"),
        (signed("organization = { css = \"#a\" }"), "organization", "no such place", "into the claims"),
        (with_line(SIGNED, "bind = \"claim:sid\""), "site.bind", "no JSON pointer", "\"/sid\""),
    ]);
}

#[test]
fn mistakes_about_keys_are_named_with_what_would_be_right() {
    let signed = |lines: &str| with(SIGNED, lines);
    are_named(vec![
        (without(SIGNED, &["keys"]), "keys", "missing key", "keys_file or secret_file"),
        (signed("keys_file = \"jwks.json\""), "keys", "several ways", "one of"),
        (signed("keys = \"login.example/keys\""), "keys", "no address of keys", "https://host/path"),
        (signed("keys = \"https://login.example\""), "keys", "no address of keys", "https://host/path"),
        (signed("keys = \"http://login.example/keys\""), "keys", "exchange the keys", "https://host/path"),
        (signed("keys = \"https://a:b@login.example/keys\""), "keys", "no user or password", "https://host/path"),
        (signed("keys = \"unix:/run/login.sock\""), "keys", "no address of keys", "unix:/socket:/path"),
        (signed("keys_authorities = \"none.pem\""), "keys_authorities", "can't be read", "may read"),
        (with(&without(SIGNED, &["keys"]), "keys_file = \"empty.json\""), "keys_file", "no public key", "PEM"),
        (with(&without(SIGNED, &["keys"]), "keys_file = \"no.json\""), "keys_file", "neither", "PEM"),
        (with(&without(SIGNED, &["keys"]), "keys_file = \"jwks.json\""), "keys_file", "no public key", "algorithms"),
        (
            with(&without(SIGNED, &["keys"]), "secret_file = \"long.secret\""),
            "algorithms",
            "secret_file is none",
            "\"HS256\"",
        ),
        (
            with(&without(SIGNED, &["keys"]), "secret_file = \"short.secret\"\nalgorithms = [\"HS256\"]"),
            "secret_file",
            "shorter than 32 bytes",
            "openssl rand",
        ),
        (
            with(
                &without(SIGNED, &["keys"]),
                "secret_file = \"long.secret\"\nalgorithms = [\"HS256\"]\nrefresh = \"1m\"",
            ),
            "refresh",
            "no keys are fetched",
            "leave it out",
        ),
        (
            with_line(SIGNED, "credentials = [\"cookie\"]"),
            "site.credentials",
            "only a dashboard that is asked",
            "leave it",
        ),
    ]);
}
