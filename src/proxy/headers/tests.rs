use super::*;
use crate::config;
use crate::identity::client::{Peer, Scheme};
use crate::message::{Fields, Name, Value};
use crate::proxy::introduction::tests::traveler;
use crate::second_factor::Timestamp;
use crate::second_factor::policy::Verified;
use crate::second_factor::session::VerifiedBy;
use crate::site::sample;

fn site() -> Site {
    Site { strip: vec![HeaderName::from_static("remote-user")], ..sample::site() }
}

fn visitor() -> Client {
    Client { address: None, scheme: Scheme::Http, peer: Peer::Unix, trusted: false, outer_login: false }
}

fn received(fields: &[(&str, &str)]) -> Fields {
    let mut headers = Fields::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn head(fields: &[(&str, &str)]) -> RequestHead {
    RequestHead { headers: received(fields), ..RequestHead::default() }
}

/// What the dashboard gets of such a request of [`visitor`]'s.
fn outgoing(fields: &[(&str, &str)], site: &Site) -> Fields {
    let (mut head, client) = (head(fields), visitor());
    let request = strip(&mut head, site, &client).take_request(Body::empty());
    let introduction = Introduction { traveler: None, client: &client };
    let request = make_outgoing(request, site, &introduction, &mut LastOutgoing::default()).expect("made");
    request.headers().clone()
}

fn stripped(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut head = head(fields);
    let headers = &strip(&mut head, &site(), &visitor()).headers;
    let text = |value: Value<'_>| value.to_str().expect("text").to_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn survives(name: &str) -> bool {
    !stripped(&[(name, "v")]).is_empty()
}

#[test]
fn no_spelling_of_what_only_the_gateway_may_say_survives() {
    let spellings = [
        "X-Vestibule-User",
        "x-vestibule-user",
        "X-VESTIBULE-USER",
        "X_Vestibule_User",
        "x_vestibule_user",
        "X-Vestibule_User",
        "X_Vestibule-User",
        "X.Vestibule.User",
        "X~Vestibule~User",
        "X-Vestibule.User",
        "X!Vestibule!User",
        "X#Vestibule#User",
        "X$Vestibule$User",
        "X%Vestibule%User",
        "X&Vestibule&User",
        "X'Vestibule'User",
        "X*Vestibule*User",
        "X+Vestibule+User",
        "X^Vestibule^User",
        "X`Vestibule`User",
        "X|Vestibule|User",
        "_X-Vestibule-User",
        "X-Vestibule-User_",
        "X-Vestibule-User.",
        "X-Vestibule",
        "x_vestibule",
        "X-Vestibule-",
        "X-VestibuleUser",
        "X-Vestibule-Anything",
        "X-Vestibule-Factor",
        "X_Vestibule_Factor",
        "X-Vestibule-Organization",
        "X_VESTIBULE_ORGANIZATION",
        "X-Vestibule-Verified-At",
        "X_Vestibule_Verified_At",
        "Remote-User",
        "REMOTE_USER",
        "remote.user",
        "Remote_User",
        "remote-user",
    ];
    assert_eq!(spellings.len(), 40);
    for name in spellings {
        assert!(!survives(name), "{name}");
    }
}

#[test]
fn where_a_request_comes_from_is_for_the_gateway_to_say() {
    let dropped = [
        "Forwarded",
        "X-Forwarded",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded-Server",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X.Forwarded.Proto",
        "X_FORWARDED_HOST",
        "X-Forwarded-For_",
        "X-Real-IP",
        "x_real_ip",
        "X-Original-URL",
        "X-Original-Host",
        "X_Original_URI",
        "X-Rewrite-URL",
        "True-Client-IP",
        "X-Client-IP",
        "Client-IP",
        "CF-Connecting-IP",
        "X-Cluster-Client-IP",
        "Fastly-Client-IP",
        "X-Envoy-External-Address",
    ];
    for name in dropped {
        assert!(!survives(name), "{name}");
    }
    for name in ["X-Forwarded-For", "x-forwarded-proto", "X-FORWARDED-HOST"] {
        assert!(survives(name), "{name} is replaced later");
    }
}

#[test]
fn what_belongs_to_the_dashboard_passes() {
    let passes = [
        "Accept",
        "Cookie",
        "Authorization",
        "Content-Type",
        "Content-Length",
        "Host",
        "Origin",
        "User-Agent",
        "X-Requested-With",
        "X-CSRF-Token",
        "X-Api-Key",
        "X",
        "Tracestate",
        "Cache-Control",
        "From",
        "If-None-Match",
        "Range",
        "Sec-WebSocket-Key",
        "Vestibule",
        "XVestibule-User",
        "Y-Vestibule-User",
    ];
    for name in passes {
        assert!(survives(name), "{name}");
    }
}

#[test]
fn a_usual_name_is_dropped_wherever_a_look_at_its_letters_would_have_it_dropped() {
    let fields: Vec<HeaderName> = USUAL.iter().map(|name| HeaderName::from_static(name)).collect();
    let login = |fields| config::OuterLogin { fields, secret: None };
    let fronted = |source| Site { identity: config::Identity { source, ..sample::identity() }, ..sample::site() };
    let sites = [
        site(),
        Site { strip: fields.clone(), ..sample::site() },
        fronted(Source::Header(login(fields.clone()))),
        Site { strip: fields.clone(), ..fronted(Source::Header(login(fields.clone()))) },
    ];
    for (site, outer_login) in sites.iter().flat_map(|site| [(site, false), (site, true)]) {
        let client = Client { trusted: outer_login, outer_login, ..visitor() };
        let usual: Fields = fields.iter().map(|name| (name, HeaderValue::from_static(""))).collect();
        for name in usual.keys() {
            assert!(is_plain(&name) && !is_misleading(&name) && !is_for_this_hop(&name), "{name}");
            assert!(is_usual(name), "{name}");
            assert_eq!(stays(name, site, &client), passes(&name, site, &client), "{name}");
        }
    }
}

#[test]
fn what_is_for_one_hop_stays_on_it() {
    let left = stripped(&[
        ("host", "a"),
        ("connection", "keep-alive, X-Hop, x-api-key"),
        ("connection", "another"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("te", "trailers"),
        ("trailer", "X-Sum"),
        ("expect", "100-continue"),
        ("http2-settings", "AAMAAABk"),
        ("x-hop", "1"),
        ("x-api-key", "key"),
        ("another", "1"),
        ("accept", "*/*"),
    ]);
    assert_eq!(left, [("host".into(), "a".into()), ("accept".into(), "*/*".into())]);
}

#[test]
fn connection_can_not_take_away_what_is_meant_for_the_dashboard() {
    let fields = [
        ("host", "a"),
        ("cookie", "sid=1"),
        ("authorization", "Bearer x"),
        ("content-type", "text/plain"),
        ("content-length", "3"),
        ("x-forwarded-for", "192.0.2.1"),
        ("via", "1.1 outer"),
    ];
    let mut sent = fields.to_vec();
    let named: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let connection = named.join(" ,");
    sent.push(("connection", &connection));
    assert_eq!(stripped(&sent), fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn an_upgrade_passes_only_to_a_websocket_that_connection_means() {
    let asked = |upgrade: &[&str], connection: &str| {
        let mut fields = vec![("connection", connection)];
        fields.extend(upgrade.iter().map(|protocol| ("upgrade", *protocol)));
        stripped(&fields).iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
    };
    let websocket = "connection: upgrade\nupgrade: websocket";
    assert_eq!(asked(&["websocket"], "Upgrade"), websocket);
    assert_eq!(asked(&["WebSocket"], "keep-alive, Upgrade"), websocket);
    for (upgrade, connection) in [
        (&["websocket"][..], "keep-alive"),
        (&["h2c"], "Upgrade, HTTP2-Settings"),
        (&["websocket, h2c"], "Upgrade"),
        (&["websocket", "h2c"], "Upgrade"),
        (&["TLS/1.0"], "Upgrade"),
        (&[], "Upgrade"),
    ] {
        assert_eq!(asked(upgrade, connection), "", "{upgrade:?}, {connection}");
    }
}

#[test]
fn an_operator_who_strips_upgrades_has_no_websockets() {
    for name in [UPGRADE, CONNECTION] {
        let site = Site { strip: vec![name], ..sample::site() };
        let mut head = head(&[("connection", "upgrade"), ("upgrade", "websocket"), ("cookie", "a=b")]);
        assert_eq!(strip(&mut head, &site, &visitor()).headers, received(&[("cookie", "a=b")]));
    }
}

#[test]
fn stripping_again_changes_nothing() {
    let mut head =
        head(&[("connection", "upgrade, x-hop"), ("upgrade", "websocket"), ("x-hop", "1"), ("cookie", "a=b")]);
    let once = strip(&mut head, &site(), &visitor()).headers.clone();
    assert_eq!(strip(&mut head, &site(), &visitor()).headers, once);
}

#[test]
fn the_dashboard_can_not_set_the_gateways_cookie() {
    for own in [
        "__Host-vestibule=x; Path=/",
        "vestibule=x",
        " vestibule =x",
        "=vestibule=x",
        "= __Host-vestibule=x",
        "vestibule",
        "__HOST-Vestibule=x",
        "\tvestibule\t=x",
        "vestibule; Path=/",
    ] {
        let mut headers =
            received(&[("set-cookie", "sid=1"), ("set-cookie", own), ("set-cookie", "other=2"), ("x", "y")]);
        assert!(make_incoming(&mut headers), "{own:?}");
        let left: Vec<_> = headers.get_all("set-cookie").collect();
        assert_eq!(left, ["sid=1", "other=2"], "{own:?}");
    }
    for other in ["vestibule2=x", "my-vestibule=x", "sid=vestibule", "sid=1; Path=/vestibule", "", "="] {
        let mut headers = received(&[("set-cookie", other)]);
        assert!(!make_incoming(&mut headers), "{other:?}");
        assert_eq!(headers.get("set-cookie").expect("it stays"), other);
    }
}

#[test]
fn an_answer_loses_what_was_for_the_gateway_and_nothing_else() {
    let mut headers = received(&[
        ("connection", "close, x-hop, content-type, set-cookie"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("content-type", "text/html"),
        ("set-cookie", "sid=1"),
        ("trailer", "x-sum"),
        ("x-vestibule-user", "the dashboard may say what it likes"),
    ]);
    assert!(!make_incoming(&mut headers));
    let mut left: Vec<&str> = headers.keys().map(Name::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-type", "set-cookie", "trailer", "x-vestibule-user"]);
}

#[test]
fn what_connection_names_is_looked_for_once_however_often_it_is_named() {
    let many = "x-hop, , X-Hop, absent, cookie,".repeat(1000);
    let headers = received(&[("connection", &many), ("x-hop", "1"), ("x-hop", "2"), ("cookie", "a=1")]);
    assert_eq!(named_in_connection(&headers), ["x-hop"]);
}

#[test]
fn the_dashboard_gets_nothing_that_only_the_gateway_may_say() {
    let fields = [
        ("host", "a"),
        ("x-vestibule-user", "root"),
        ("x_vestibule_user", "root"),
        ("remote_user", "root"),
        ("x-forwarded-for", "203.0.113.1"),
        ("connection", "x-vestibule-factor"),
    ];
    let headers = outgoing(&fields, &site());
    let mut left: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    left.sort_unstable();
    let expected = [
        "host: a",
        "via: 1.1 vestibule",
        "x-forwarded-host: a",
        "x-forwarded-proto: http",
        "x-vestibule-factor: none",
        "x-vestibule-organization: ",
        "x-vestibule-user: ",
        "x-vestibule-verified-at: ",
    ];
    assert_eq!(left, expected);
}

#[test]
fn the_dashboard_is_told_the_host_that_the_operator_names() {
    let mut site = site();
    site.upstream.host = Some(HeaderValue::from_static("dashboard.internal"));
    let headers = outgoing(&[("host", "a.example")], &site);
    assert_eq!(headers.get(HOST).expect("one"), "dashboard.internal");
    assert_eq!(headers.get("x-forwarded-host").expect("one"), "a.example");
}

#[test]
fn whatever_the_last_request_was_the_dashboard_gets_what_is_said_of_this_one() {
    let heads = [&[("host", "a"), ("x-other", "1")][..], &[("host", "b")]].map(|fields| {
        let mut head = head(fields);
        head.headers.share();
        head
    });
    let verified_at = |seconds| {
        let Traveler { verified, .. } = traveler("42", Some(VerifiedBy::Totp));
        let verified = verified.map(|verified| Verified { at: Timestamp::from_secs(seconds), ..verified });
        Traveler { verified, ..traveler("42", None) }
    };
    let travelers =
        [Some(verified_at(1)), Some(verified_at(2)), Some(traveler("43", None)), None, Some(traveler(" 43", None))];
    let peers = [Peer::Unix, Peer::Tcp([192, 0, 2, 7].into()), Peer::Tcp([192, 0, 2, 8].into())];
    let named = ["dashboard.internal", "dashboard.other"].map(|host| Some(HeaderValue::from_static(host)));
    let sites = [None].into_iter().chain(named).map(|host| {
        let mut site = site();
        site.upstream.host = host;
        site
    });
    let sites: Vec<_> = sites.collect();
    let mut requests = Vec::new();
    for head in &heads {
        for traveler in &travelers {
            for peer in peers {
                for site in &sites {
                    for version in [Version::HTTP_11, Version::HTTP_10] {
                        requests.push((RequestHead { version, ..head.clone() }, traveler, peer, site));
                    }
                }
            }
        }
    }
    let make = |(head, traveler, peer, site): &(RequestHead, &Option<Traveler>, Peer, &Site),
                last: &mut LastOutgoing| {
        let client = Client { peer: *peer, ..visitor() };
        let introduction = Introduction { traveler: traveler.as_ref(), client: &client };
        let request = Stripped(&mut head.clone()).take_request(Body::empty());
        make_outgoing(request, site, &introduction, last).map(|request| request.headers().clone()).ok()
    };
    // Every one after every other that differs in one thing, and after itself.
    let mut last = LastOutgoing::default();
    for step in [1, 2, 6, 18, 90] {
        for (index, request) in requests.iter().enumerate() {
            for request in [&requests[(index + step) % requests.len()], request, request] {
                assert_eq!(make(request, &mut last), make(request, &mut LastOutgoing::default()));
            }
        }
    }
    assert_eq!(format!("{last:?}"), "LastOutgoing(Some(Made))");
}

#[test]
fn what_the_dashboard_gets_is_not_made_again() {
    let (mut head, mut last, site) = (head(&[("host", "a")]), LastOutgoing::default(), site());
    head.headers.share();
    let mut make = |head: &RequestHead| {
        let request = Stripped(&mut head.clone()).take_request(Body::empty());
        let introduction = Introduction { traveler: None, client: &visitor() };
        make_outgoing(request, &site, &introduction, &mut last).expect("made").headers().clone()
    };
    let first = make(&head);
    assert!(make(&head).is_copy_of(&first));
    head.headers.insert("x-other", HeaderValue::from_static("1"));
    let other = make(&head);
    assert!(!other.is_copy_of(&first) && other.contains_key("x-other"));
}
