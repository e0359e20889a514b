//! What each outer server asks, and what is no question about a request.

use std::net::{IpAddr, Ipv4Addr};

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Version};

use super::{Asked, Denied, Question};
use crate::config::{self, Credential, OuterServer, Secret, SharedSecret, Site};
use crate::identity::client::{Client, Peer, Scheme};
use crate::listener::framing::{self, BadRequest, Host};
use crate::message::{RequestHead, Value};
use crate::site::sample;

type Fields = Vec<(&'static str, Vec<u8>)>;

/// A question as the outer server puts it: the target, and the fields beside those of the client.
#[derive(Clone)]
struct Sample {
    target: &'static str,
    method: &'static str,
    fields: Fields,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OuterLogin {
    Proved,
    Unproved,
}

const ALL: [&str; 5] = ["nginx", "traefik", "caddy", "haproxy", "envoy"];

/// About `POST /a%2Fb//c?x=1&y=%20` at `insights.example`, over TLS, from 203.0.113.9.
fn sample(server: &str) -> Sample {
    let forwarded = |target| {
        let said: [(&str, &str); 4] = [
            ("host", "vestibule:8080"),
            ("x-forwarded-method", "POST"),
            ("x-forwarded-uri", "/a%2Fb//c?x=1&y=%20"),
            ("x-forwarded-host", "insights.example"),
        ];
        (target, "GET", said.to_vec())
    };
    let (target, method, own) = match server {
        "nginx" => {
            let said = [
                ("host", "insights.example"),
                ("x-original-method", "POST"),
                ("x-original-uri", "/a%2Fb//c?x=1&y=%20"),
            ];
            ("/_2fa/auth/nginx", "GET", said.to_vec())
        }
        "traefik" => forwarded("/_2fa/auth/traefik"),
        "caddy" => forwarded("/_2fa/auth/caddy"),
        "haproxy" => forwarded("/_2fa/auth/haproxy"),
        _ => ("/_2fa/auth/envoy/a%2Fb//c?x=1&y=%20", "POST", vec![("host", "insights.example")]),
    };
    let way = [("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.9"), ("cookie", "sid=1;  b=2")];
    let fields = own.into_iter().chain(way).map(|(name, value)| (name, value.as_bytes().to_vec())).collect();
    Sample { target, method, fields }
}

impl Sample {
    fn without(mut self, name: &str) -> Self {
        let before = self.fields.len();
        self.fields.retain(|(field, _)| *field != name);
        assert!(self.fields.len() < before, "{name} was there");
        self
    }

    fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name, value.as_ref().to_vec()));
        self
    }

    fn head(&self) -> RequestHead {
        let mut request = Request::builder().method(self.method).uri(self.target);
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a field name");
            request = request.header(name, HeaderValue::from_bytes(value).expect("a field value"));
        }
        request.body(()).expect("a request").into_parts().0.into()
    }

    /// The head of the original request, if it is one that the outer server sends on as it is judged.
    fn restored(&self, site: &Site) -> Result<RequestHead, Denied> {
        self.restored_of(site, OuterLogin::Unproved)
    }

    /// The same, where a login in front of the site proved itself or not.
    fn restored_of(&self, site: &Site, login: OuterLogin) -> Result<RequestHead, Denied> {
        let peer = Peer::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let outer_login = login == OuterLogin::Proved;
        let client = Client { address: None, scheme: Scheme::Https, peer, trusted: true, outer_login };
        let prefixes = ["/_2fa".to_owned()];
        let mut head = self.head();
        let asked = Asked::by(head.uri.path(), &prefixes, &OuterServer::ALL).expect("the address of a question");
        let host = framing::check(&mut head).expect("a request");
        let before = head.clone();
        let judged = match asked.restore(&mut head, host) {
            Ok(original) => {
                original.is_sent_as_judged(&head, site, &client).and_then(|()| original.is_unambiguous(&head, site))
            }
            Err(denied) => {
                assert_eq!((&head.uri, &head.headers), (&before.uri, &before.headers), "nothing changed");
                Err(denied)
            }
        };
        judged.map(|()| head)
    }

    fn denied(&self) -> Denied {
        self.restored(&sample::site()).expect_err("denied")
    }
}

/// The fields by which a server says what the request is, and that it alone may set, beside the `Host` that every request
/// has to have.
fn own_fields(server: &str) -> Vec<&'static str> {
    let own: &[&str] = match server {
        "nginx" => &["x-original-method", "x-original-uri"],
        "envoy" => &[],
        _ => &["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host"],
    };
    own.iter().chain(&["x-forwarded-proto", "x-forwarded-for"]).copied().collect()
}

#[test]
fn every_server_says_the_same_request_byte_for_byte() {
    for server in ALL {
        let head = sample(server).restored(&sample::site()).expect(server);
        let host = head.headers.get_all(HOST).collect::<Vec<_>>();
        assert_eq!((head.method, head.uri.to_string()), (Method::POST, "/a%2Fb//c?x=1&y=%20".to_owned()), "{server}");
        assert_eq!(host, ["insights.example"], "{server}");
        assert_eq!(head.headers.get(COOKIE).expect("one"), "sid=1;  b=2", "{server}");
    }
}

#[test]
fn a_field_that_is_missing_empty_or_doubled_denies() {
    for server in ALL {
        for name in own_fields(server) {
            let field = HeaderName::from_static(name);
            let (missing, several) = (Denied::Missing(field.clone()), Denied::Several(field));
            assert_eq!(sample(server).without(name).denied(), missing, "{server}");
            assert_eq!(sample(server).without(name).with(name, "").denied(), missing, "{server}");
            let value = sample(server).fields.iter().find(|(field, _)| *field == name).expect("there").1.clone();
            assert_eq!(sample(server).with(name, &value).denied(), several, "{server}, twice the same");
            assert!(matches!(sample(server).with(name, "x").denied(), Denied::Several(_) | Denied::Contradiction(_)));
        }
    }
}

#[test]
fn a_malformed_field_denies() {
    let targets: &[&[u8]] = &[
        b"*",
        b"a",
        b"?x",
        b"#",
        b"/#",
        b"/x#y",
        b"http://insights.example/x",
        b"/a b",
        b"/a	b",
        b"insights.example:443",
        b"/\xff",
        b"/x, /y ",
    ];
    let methods: &[&[u8]] = &[b"G T", b"GET /", b"GET,POST", b"\xff", b"G\tT", b"GET:", b"(", b"\"GET\""];
    let hosts: &[&[u8]] =
        &[b"a, b", b"a/b", b"user@a", b"a:b", b"a:99999", b"http://a", b"\xff", b"a b", b"[::1", b"a..b", b"a\tb"];
    let schemes: &[&[u8]] = &[b"gopher", b"https, http", b"http,https", b"HTTP/1.1", b"\xff", b"https "];
    let clients: &[&[u8]] = &[b"garbage", b"203.0.113.9, unknown", b",", b"203.0.113.9,", b"::1::", b"\xff", b"a:1"];
    for server in ALL {
        let own = own_fields(server);
        let rows = [
            (own.iter().find(|name| name.ends_with("-uri")), targets),
            (own.iter().find(|name| name.ends_with("-method")), methods),
            (own.iter().find(|name| name.ends_with("host")), hosts),
            (Some(&"x-forwarded-proto"), schemes),
            (Some(&"x-forwarded-for"), clients),
        ];
        for (name, values) in rows.into_iter().filter_map(|(name, values)| Some((name?, values))) {
            for value in values {
                let denied = sample(server).without(name).with(name, value).denied();
                let text = String::from_utf8_lossy(value);
                assert_eq!(denied, Denied::Malformed(HeaderName::from_static(name)), "{server}, {text:?}");
            }
        }
    }
}

#[test]
fn what_is_refused_of_every_request_is_refused_of_an_original() {
    let rows: [(&str, &[u8], BadRequest); 4] = [
        ("x-original-uri", b"//insights.example\\@evil", BadRequest::Target),
        ("x-original-uri", b"/caf\xc3\xa9", BadRequest::Target),
        ("x-original-method", b"CONNECT", BadRequest::Method),
        ("x-original-method", b"TRACE", BadRequest::Method),
    ];
    for (name, value, expected) in rows {
        let mut head = sample("nginx").without(name).with(name, value).head();
        let prefixes = ["/_2fa".to_owned()];
        let asked = Asked::by(head.uri.path(), &prefixes, &OuterServer::ALL).expect("a question");
        let host = framing::check(&mut head).expect("a request");
        let original = asked.restore(&mut head, host).expect("restored");
        assert_eq!(original.check(&head).expect_err("refused"), expected);
    }
}

#[test]
fn what_only_looks_odd_is_restored() {
    let rows = [
        ("x-original-method", "PROPFIND"),
        ("x-original-method", "get"),
        ("x-original-method", "M-SEARCH"),
        ("x-original-uri", "/"),
        ("x-original-uri", "//evil.example/x"),
        ("x-original-uri", "/?"),
        ("x-original-uri", "/../%2e%2e/;x?y?z"),
        ("host", "INSIGHTS.example.:8443"),
        ("host", "[2001:db8::1]:8443"),
        ("x-forwarded-proto", "wss"),
        ("x-forwarded-proto", "HTTPS"),
        ("x-forwarded-for", "garbage, 2001:db8::9"),
        ("x-forwarded-for", "198.51.100.1, 203.0.113.9:4711"),
    ];
    for (name, value) in rows {
        let asked = sample("nginx").without(name).with(name, value);
        let head = asked.restored(&sample::site()).unwrap_or_else(|denied| panic!("{name}: {value}: {denied}"));
        match name {
            "x-original-method" => assert_eq!(head.method.as_str(), value),
            "x-original-uri" => assert_eq!(head.uri.to_string(), value),
            _ => assert_eq!(head.headers.get(name).expect("one"), value),
        }
    }
}

#[test]
fn another_field_that_says_something_else_is_a_denial_and_no_choice() {
    let contradictions = [
        ("x-original-method", "GET"),
        ("x-forwarded-method", "post"),
        ("x-original-uri", "/login"),
        ("x-forwarded-uri", "/a%2fb//c?x=1&y=%20"),
        ("x-rewrite-url", "/login"),
        ("x-original-url", "https://other.example/a%2Fb//c?x=1&y=%20"),
        ("x-original-url", "http://insights.example/a%2Fb//c?x=1&y=%20"),
        ("x-forwarded-url", ""),
        ("x-envoy-original-path", "/"),
        ("x-original-host", "other.example"),
        ("x-forwarded-host", "insights.example:8443"),
        ("x-host", "other.example"),
        ("x-forwarded-scheme", "http"),
        ("x-scheme", "gopher"),
        ("x-original-proto", "http"),
        ("forwarded", "for=192.0.2.1;host=other.example"),
        ("forwarded", "proto=http"),
        ("forwarded", "for=a, for=b;Host=\"insights.example\", HOST = other"),
    ];
    let agreeing = [
        ("x-original-method", "POST"),
        ("x-forwarded-uri", "/a%2Fb//c?x=1&y=%20"),
        ("x-original-url", "https://insights.example/a%2Fb//c?x=1&y=%20"),
        ("x-rewrite-url", "/a%2Fb//c?x=1&y=%20"),
        ("x-forwarded-host", "Insights.EXAMPLE"),
        ("x-forwarded-scheme", "wss"),
        ("forwarded", "for=\"[2001:db8::1]:4711\";proto=https;host=\"insights.example\", by=x"),
        ("x-forwarded-port", "443"),
    ];
    for server in ALL {
        for (name, value) in contradictions.into_iter().filter(|(name, _)| !own_fields(server).contains(name)) {
            let denied = sample(server).with(name, value).denied();
            assert_eq!(denied, Denied::Contradiction(HeaderName::from_static(name)), "{server}, {value}");
        }
        for (name, value) in agreeing.into_iter().filter(|(name, _)| !own_fields(server).contains(name)) {
            assert!(sample(server).with(name, value).restored(&sample::site()).is_ok(), "{server}, {name}: {value}");
        }
    }
}

#[test]
fn what_the_gateway_would_drop_and_the_outer_server_passes_on_is_a_denial() {
    let site = Site {
        strip: vec![HeaderName::from_static("remote-user")],
        strip_query: vec!["auth".into()],
        ..sample::site()
    };
    let rows = [
        "x_vestibule_user",
        "x.vestibule.user",
        "x-vestibule_user",
        "x~vestibule~user",
        "x-vestibule-admin",
        "x-vestibule",
        "x-vestibuleuser",
        "remote_user",
        "remote.user",
        "x_original_uri",
        "x_forwarded_for",
        "cookie_",
        "x_api_key",
        "authorization.",
        "proxy-authorization",
        "x'y",
        "x!",
        "_",
        "x_forwarded_host",
        "remote-user",
        "x-forwarded-user",
        "x-forwarded-email",
        "x-forwarded-access-token",
        "x-forwarded-preferred-username",
        "x-forwarded-client-cert",
        "x-original-user",
        "x-original-remote-user",
        "x-script-name",
        "x-traversal-path",
        "x-sendfile-type",
        "x-accel-mapping",
    ];
    for server in ALL {
        for name in rows {
            let denied = sample(server).with(name, "x").restored(&site).expect_err(name);
            assert_eq!(denied, Denied::Unstripped(HeaderName::from_static(name)), "{server}");
        }
        for name in ["x-vestibule-user", "x-vestibule-verified-at", "x-real-ip", "te", "keep-alive", "authorization"] {
            assert!(sample(server).with(name, "x").restored(&site).is_ok(), "{server}, {name}");
        }
        for name in ["port", "server", "prefix", "ssl"] {
            let name = ["x-forwarded-", name].concat().leak();
            assert!(sample(server).with(name, "x").restored(&site).is_ok(), "{server}, {name}");
        }
        for (name, adds_it) in [
            ("x-envoy-internal", "envoy"),
            ("x-envoy-external-address", "envoy"),
            ("x-forwarded-tls-client-cert", "traefik"),
            ("x-forwarded-tls-client-cert-info", "traefik"),
        ] {
            assert_eq!(sample(server).with(name, "x").restored(&site).is_ok(), server == adds_it, "{server}, {name}");
        }
        for connection in ["x-api-key", "close, cookie", "keep-alive, Authorization", "upgrade;x", "\"close\""] {
            let denied = sample(server).with("connection", connection).denied();
            assert_eq!(denied, Denied::Unstripped(CONNECTION), "{server}, {connection}");
        }
        for connection in ["close", "keep-alive, Upgrade", "", "TE, close", "Upgrade, HTTP2-Settings"] {
            assert!(sample(server).with("connection", connection).restored(&site).is_ok(), "{server}, {connection}");
        }
    }
    for target in ["/?auth=1", "/?x=1&AUTH[]=2", "/x?a;%61uth"] {
        let asked = sample("nginx").without("x-original-uri").with("x-original-uri", target);
        assert_eq!(asked.restored(&site).expect_err(target), Denied::UnstrippedQuery);
        assert!(asked.restored(&sample::site()).is_ok(), "nothing is stripped from {target} there");
    }
}

#[test]
fn what_a_login_in_front_says_is_a_denial_from_anybody_else() {
    let fields = vec![HeaderName::from_static("x-forwarded-user"), HeaderName::from_static("x-name")];
    let secret = HeaderName::from_static("x-login-secret");
    let shared = SharedSecret { field: secret.clone(), value: Secret::new("s".into()) };
    let source = config::Source::Header(config::OuterLogin { fields, secret: Some(shared) });
    let identity = config::Identity { source, ..sample::identity() };
    let site = Site { identity, strip: vec![secret, AUTHORIZATION], ..sample::site() };
    for server in ALL {
        for name in ["x-forwarded-user", "x-name", "x-login-secret"] {
            let asked = sample(server).with(name, "x");
            let denied = asked.restored(&site).expect_err(name);
            assert_eq!(denied, Denied::Unstripped(HeaderName::from_static(name)), "{server}");
            assert!(asked.restored_of(&site, OuterLogin::Proved).is_ok(), "{server}, {name}");
        }
        for login in [OuterLogin::Proved, OuterLogin::Unproved] {
            assert!(sample(server).restored_of(&site, login).is_ok());
            for name in ["authorization", "x-forwarded-email"] {
                assert!(sample(server).with(name, "x").restored_of(&site, login).is_err(), "{server}, {name}");
            }
        }
    }
}

#[test]
fn of_several_values_of_a_credential_none_counts() {
    let key = HeaderName::from_static("x-api-key");
    let site = Site { credentials: vec![Credential::Cookie, Credential::Header(key)], ..sample::site() };
    for name in ["cookie", "authorization", "x-api-key"] {
        let once = sample("caddy").without("cookie").with(name, "a=1");
        assert!(once.restored(&site).is_ok());
        let twice = once.with(name, "b=2").restored(&site).expect_err("twice");
        assert_eq!(twice, Denied::Several(HeaderName::from_static(name)));
    }
}

#[test]
fn a_handshake_is_one_for_a_websocket_though_its_upgrade_was_cleared() {
    let get = || sample("nginx").without("x-original-method").with("x-original-method", "GET");
    let handshake = [("sec-websocket-key", "x"), ("sec-websocket-version", "13"), ("upgrade", "WebSocket")];
    for (name, value) in handshake {
        let head = get().with(name, value).restored(&sample::site()).expect("restored");
        assert_eq!(
            [CONNECTION, UPGRADE].map(|name| head.headers.get(name).expect("one")),
            ["upgrade", "websocket"],
            "{name}"
        );
    }
    let others = [get().with("upgrade", "h2c"), sample("nginx").with("upgrade", "websocket"), get()];
    for other in others {
        let head = other.restored(&sample::site()).expect("restored");
        assert!(!head.headers.contains_key(UPGRADE) && !head.headers.contains_key(CONNECTION));
    }
}

#[test]
fn an_envoy_that_asks_in_http2_asks_about_a_request_in_http1() {
    let prefixes = ["/_2fa".to_owned()];
    let mut head = sample("envoy").head();
    head.version = Version::HTTP_2;
    let asked = Asked::by(head.uri.path(), &prefixes, &OuterServer::ALL).expect("a question");
    let host = Host::parse(Value::from(&HeaderValue::from_static("insights.example"))).expect("a host");
    asked.restore(&mut head, host).map(|_| ()).expect("restored");
    assert_eq!(head.version, Version::HTTP_11);
}

#[test]
fn addresses_are_questions_only_as_they_are_written() {
    let prefixes = ["/_2fa".to_owned(), "/account/2fa".to_owned()];
    let asked = |path: &str| {
        Asked::by(path, &prefixes, &OuterServer::ALL).map(|asked| (asked.adapter.server.name(), asked.question))
    };
    for server in ALL {
        for prefix in &prefixes {
            assert_eq!(asked(&format!("{prefix}/auth/{server}")), Some((server, Question::Leave)));
        }
    }
    assert_eq!(asked("/_2fa/auth/nginx/answer"), Some(("nginx", Question::Answer)));
    assert_eq!(asked("/_2fa/auth/envoy/"), Some(("envoy", Question::Leave)));
    assert_eq!(asked("/_2fa/auth/envoy/answer"), Some(("envoy", Question::Leave)));
    for path in [
        "/",
        "/_2fa",
        "/_2fa/auth",
        "/_2fa/auth/",
        "/_2fa/auth/apache",
        "/_2fa/auth/nginx/",
        "/_2fa/auth/nginx/answers",
        "/_2fa/auth/nginx/answer/",
        "/_2fa/auth/nginxx",
        "/_2fa/auth/traefik/answer",
        "/_2fa/auth/caddy/x",
        "/_2fa/auth/NGINX",
        "/_2FA/auth/nginx",
        "/%5f2fa/auth/nginx",
        "/_2fa//auth/nginx",
        "/_2fa/auth//nginx",
        "/_2fa/./auth/nginx",
        "/_2fa/auth/nginx;x",
        "/x/_2fa/auth/nginx",
        "/_2fax/auth/nginx",
        "/_2fa/auth/ng%69nx",
        "auth/nginx",
        "*",
        "",
    ] {
        assert_eq!(asked(path), None, "{path}");
    }
}

#[test]
fn nobody_asks_but_the_servers_that_the_operator_names() {
    let prefixes = ["/_2fa".to_owned()];
    for server in OuterServer::ALL {
        let target = sample(server.name()).target;
        assert!(Asked::by(target, &prefixes, &[server]).is_some(), "{target}");
        assert!(Asked::by(target, &prefixes, &[]).is_none(), "{target}");
        let others: Vec<_> = OuterServer::ALL.into_iter().filter(|other| *other != server).collect();
        assert!(Asked::by(target, &prefixes, &others).is_none(), "{target}");
    }
    assert!(Asked::by("/_2fa/auth/nginx/answer", &prefixes, &[OuterServer::Envoy]).is_none());
}

#[test]
fn what_follows_the_address_is_envoys_target_if_it_is_one() {
    for target in ["/_2fa/auth/envoy", "/_2fa/auth/envoy?x", "/_2fa/auth/envoyx/y", "/_2fa/auth/envoy%2f/x"] {
        assert_eq!(Sample { target, ..sample("envoy") }.denied(), Denied::NoTarget, "{target}");
    }
    for (target, rest) in [
        ("/_2fa/auth/envoy/", "/"),
        ("/_2fa/auth/envoy//evil.example", "//evil.example"),
        ("/_2fa/auth/envoy/_2fa/auth/envoy/x?y", "/_2fa/auth/envoy/x?y"),
        ("/_2fa/auth/envoy/../x", "/../x"),
        ("/_2fa/auth/envoy/?", "/?"),
    ] {
        let head = Sample { target, ..sample("envoy") }.restored(&sample::site()).expect(target);
        assert_eq!(head.uri.to_string(), rest);
    }
}

#[test]
fn a_site_is_asked_about_below_its_own_prefix() {
    let site = Site { prefix: "/account/2fa".into(), ..sample::site() };
    assert_eq!(sample("nginx").restored(&site).expect_err("denied"), Denied::AnotherPrefix);
}
