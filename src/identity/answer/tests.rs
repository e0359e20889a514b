use http::HeaderValue;

use super::*;
use crate::message::Fields;
use crate::site::sample;

const ASKED: Asked<'_> = Asked { path: "/api/me", hosts: ["insights.example:8443", "outer.example"] };

const ALICE: &str = r#"{"id":"u7","email":"alice@acme.example","name":"Alice","company":{"slug":"acme"}}"#;

/// What is said, in one line: `user|email|name|organization`, with `*` before an administrator.
fn said(identity: &config::Identity, status: u16, fields: &[(&'static str, &str)], body: impl AsRef<[u8]>) -> String {
    let mut headers = Fields::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a field value"));
    }
    let status = StatusCode::from_u16(status).expect("a status");
    match Reader::new(identity).read(ASKED, Answer { status, headers: &headers, body: body.as_ref() }) {
        Ok(Said::Anonymous) => "anonymous".into(),
        Ok(Said::Identified(Identity { user, email, name, organization, admin })) => {
            let mark = if admin { "*" } else { "" };
            format!("{mark}{user}|{}|{}|{organization}", email.unwrap_or_default(), name.unwrap_or_default())
        }
        Err(reason) => format!("{reason:?}"),
    }
}

fn probe(identity: &mut config::Identity) -> &mut config::Probe {
    let Source::Probe(probe) = &mut identity.source else { panic!("the dashboard is asked") };
    probe
}

fn pointer(text: &str) -> config::Value {
    config::Value::Pointer(text.into())
}

fn css(selector: &str) -> config::Value {
    config::Value::Css { selector: selector.into(), attribute: None }
}

fn fixed(text: &str) -> config::Value {
    config::Value::Fixed(text.into())
}

/// By a pointer to the user alone, everybody in one organization.
fn user_at(user: config::Value) -> config::Identity {
    config::Identity { user, email: None, name: None, organization: fixed("acme"), ..sample::identity() }
}

fn check_bodies(identity: &config::Identity, rows: &[(&str, &str)]) {
    for (body, expected) in rows {
        assert_eq!(said(identity, 200, &[], body), *expected, "{body}");
    }
}

#[test]
fn a_status_is_success_or_proof_or_says_nothing() {
    let identity = sample::identity();
    for status in [200, 201, 203, 299] {
        assert_eq!(said(&identity, status, &[], ALICE), "u7|alice@acme.example|Alice|acme", "{status}");
    }
    for status in [401, 403] {
        assert_eq!(said(&identity, status, &[], ALICE), "anonymous", "{status}");
        assert_eq!(said(&identity, status, &[], "<html>"), "anonymous", "{status}");
    }
    for status in [100, 101, 400, 404, 407, 418, 419, 429, 440, 499, 500, 502, 503, 504, 599, 600, 999] {
        assert_eq!(said(&identity, status, &[], ALICE), "Status", "{status}");
    }
    for status in [204, 205] {
        assert_eq!(said(&identity, status, &[], ""), "NoJson", "{status}");
    }
    let mut strict = sample::identity();
    probe(&mut strict).anonymous.statuses = vec![404];
    assert_eq!(said(&strict, 404, &[], ""), "anonymous");
    assert_eq!(said(&strict, 401, &[], ""), "Status");
}

#[test]
fn a_redirect_proves_something_only_if_it_leads_to_a_configured_path_on_the_site() {
    let mut identity = sample::identity();
    probe(&mut identity).anonymous.redirects = vec!["/login".into(), "/api/sign-in".into()];
    let rows = [
        ("/login", "anonymous"),
        ("/login?next=/api/me", "anonymous"),
        ("/login#top", "anonymous"),
        ("/x/../login", "anonymous"),
        ("sign-in", "anonymous"),
        ("./sign-in?x", "anonymous"),
        ("../login", "anonymous"),
        ("https://insights.example/login", "anonymous"),
        ("http://INSIGHTS.example:3000/login?x=1", "anonymous"),
        ("HTTPS://outer.example/login", "anonymous"),
        ("//insights.example:8443/login", "anonymous"),
        ("https://sso.example/login", "Redirect"),
        ("//sso.example/login", "Redirect"),
        ("/\\sso.example/../login", "Redirect"),
        ("/\t/sso.example/../../login", "Redirect"),
        ("https://insights.example@sso.example/login", "Redirect"),
        ("https://insights.example.sso.example/login", "Redirect"),
        ("ftp://insights.example/login", "Redirect"),
        ("https:/login", "Redirect"),
        ("javascript:/login", "Redirect"),
        ("javascript:/../sign-in", "Redirect"),
        ("https://insights.example:x/login", "Redirect"),
        ("/login/", "Redirect"),
        ("/login/.", "Redirect"),
        ("/login/x/..", "Redirect"),
        ("/Login", "Redirect"),
        ("/%6cogin", "Redirect"),
        ("/", "Redirect"),
        ("", "Redirect"),
        ("?next=/login", "Redirect"),
        ("https://insights.example", "Redirect"),
        ("login", "Redirect"),
        ("\u{e9}", "Redirect"),
    ];
    for (location, expected) in rows {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(said(&identity, status, &[("location", location)], ""), expected, "{status} to {location:?}");
        }
    }
    assert_eq!(said(&identity, 302, &[], ALICE), "Redirect");
    probe(&mut identity).anonymous.redirects = vec!["/login".into(), "/api/me".into()];
    for itself in ["", "?again", "#top", "me", "./me?again", "/api/me"] {
        assert_eq!(said(&identity, 302, &[("location", itself)], ""), "anonymous", "{itself:?}");
    }
    assert_eq!(said(&identity, 302, &[("location", "/login"), ("location", "/login")], ""), "Redirect");
    assert_eq!(said(&identity, 304, &[], ""), "Redirect");
    assert_eq!(said(&sample::identity(), 302, &[("location", "/login")], ""), "Redirect");
    assert_eq!(said(&identity, 200, &[("location", "/login")], ALICE), "u7|alice@acme.example|Alice|acme");
}

#[test]
fn a_json_answer_names_its_user_by_text_or_whole_number() {
    let long = format!(r#"{{"id":"{}"}}"#, "é".repeat(256));
    let longer = format!(r#"{{"id":"{}"}}"#, "x".repeat(257));
    assert_eq!(said(&user_at(pointer("/id")), 200, &[], long), format!("{}|||acme", "é".repeat(256)));
    check_bodies(
        &user_at(pointer("/id")),
        &[
            (r#"{"id":"u7"}"#, "u7|||acme"),
            (r#"{"id":7}"#, "7|||acme"),
            (r#"{"id":-7}"#, "-7|||acme"),
            (r#"{"id":0}"#, "0|||acme"),
            (r#"{"id":18446744073709551615}"#, "18446744073709551615|||acme"),
            (r#"{"id":18446744073709551616}"#, r#"WrongType("user")"#),
            (r#"{"id":9007199254740993}"#, "9007199254740993|||acme"),
            (r#"{"id":7.0}"#, r#"WrongType("user")"#),
            (r#"{"id":7e0}"#, r#"WrongType("user")"#),
            (r#"{"id":-0}"#, r#"WrongType("user")"#),
            (r#"{"id":true}"#, r#"WrongType("user")"#),
            (r#"{"id":false}"#, r#"WrongType("user")"#),
            (r#"{"id":["u7"]}"#, r#"WrongType("user")"#),
            (r#"{"id":{"id":"u7"}}"#, r#"WrongType("user")"#),
            (r#"{"id":[]}"#, r#"WrongType("user")"#),
            (r#"{"id":" u7 "}"#, " u7 |||acme"),
            (r#"{"id":"U7"}"#, "U7|||acme"),
            (r#"{"id":"\u0075\u0037"}"#, "u7|||acme"),
            (r#"{"id":"日本"}"#, "日本|||acme"),
            (r#"{"id":" "}"#, r#"BadText("user")"#),
            (r#"{"id":"\u00a0"}"#, r#"BadText("user")"#),
            (r#"{"id":"u\u0000"}"#, r#"BadText("user")"#),
            (r#"{"id":"u\n7"}"#, r#"BadText("user")"#),
            (r#"{"id":"u\u007f"}"#, r#"BadText("user")"#),
            (r#"{"id":"u\u0085"}"#, r#"BadText("user")"#),
            (&longer, r#"BadText("user")"#),
            (r#"{"id":null}"#, "anonymous"),
            (r#"{"id":""}"#, "anonymous"),
            ("{}", "anonymous"),
            ("[]", "anonymous"),
            ("null", "anonymous"),
            (r#""u7""#, "anonymous"),
            (r#"{"ID":"u7"}"#, "anonymous"),
        ],
    );
}

#[test]
fn what_is_no_strict_json_says_nothing() {
    check_bodies(
        &user_at(pointer("/id")),
        &[
            ("", "NoJson"),
            (" ", "NoJson"),
            ("<!doctype html><title>Log in</title>", "NoJson"),
            ("u7", "NoJson"),
            (r#"{"id":"u7"}x"#, "NoJson"),
            (r#"{"id":"u7"}{"id":"u8"}"#, "NoJson"),
            (r#"{"id":"u7""#, "NoJson"),
            (r#"{"id":"u7",}"#, "NoJson"),
            (r#"{"id":"u7","id":"u8"}"#, "NoJson"),
            (r#"{"id":"u7","id":"u7"}"#, "NoJson"),
            (r#"{"id":"u7","\u0069d":"u8"}"#, "NoJson"),
            (r#"{"id":"u7","x":[{"y":1,"y":1}]}"#, "NoJson"),
            ("\u{feff}{\"id\":\"u7\"}", "NoJson"),
            (")]}'\n{\"id\":\"u7\"}", "NoJson"),
            (r#"{"id":"\ud800"}"#, "NoJson"),
        ],
    );
    assert_eq!(said(&user_at(pointer("/id")), 200, &[], b"{\"id\":\"\xff\"}"), "NoJson");
    let megabyte = format!(r#"{{"id":"u7","x":"{}"}}"#, "x".repeat(LONGEST));
    let filled = format!(r#"{{"id":"u7"{}}}"#, " ".repeat(LONGEST - 11));
    assert_eq!(said(&user_at(pointer("/id")), 200, &[], &megabyte), "TooLong");
    assert_eq!(said(&user_at(pointer("/id")), 200, &[], megabyte.repeat(10)), "TooLong");
    assert_eq!(said(&user_at(pointer("/id")), 200, &[], filled), "u7|||acme");
    assert_eq!(said(&user_at(pointer("/id")), 401, &[], &megabyte), "TooLong");
    let identity = user_at(pointer("/id"));
    assert_eq!(said(&identity, 200, &[("content-encoding", "gzip")], r#"{"id":"u7"}"#), "Compressed");
    assert_eq!(said(&identity, 200, &[("content-encoding", "identity")], r#"{"id":"u7"}"#), "u7|||acme");
    assert_eq!(said(&identity, 200, &[("content-type", "text/html")], r#"{"id":"u7"}"#), "u7|||acme");
}

#[test]
fn without_that_evidence_an_answer_that_names_nobody_says_nothing() {
    let mut identity = user_at(pointer("/id"));
    probe(&mut identity).anonymous.without_user = false;
    check_bodies(
        &identity,
        &[
            (r#"{"id":"u7"}"#, "u7|||acme"),
            (r#"{"id":null}"#, "NoUser"),
            (r#"{"id":""}"#, "NoUser"),
            ("{}", "NoUser"),
            ("null", "NoUser"),
        ],
    );
}

#[test]
fn pointers_reach_everywhere_as_rfc_6901_says() {
    let rows = [
        ("", r#""alice""#, "alice|||acme"),
        ("", "null", "anonymous"),
        ("", r#""""#, "anonymous"),
        ("", r#"{"detail":"x"}"#, r#"WrongType("user")"#),
        ("", "<html>", "NoJson"),
        ("/user/username", r#"{"httpNodeRoot":"/","user":{"username":"alice","permissions":"*"}}"#, "alice|||acme"),
        ("/user/username", r#"{"user":{}}"#, "anonymous"),
        ("/user/username", r#"{"user":"alice"}"#, "anonymous"),
        ("/user/username", r#"{"user/username":"alice"}"#, "anonymous"),
        ("/a~1b", r#"{"a/b":"alice"}"#, "alice|||acme"),
        ("/a~0b", r#"{"a~b":"alice"}"#, "alice|||acme"),
        ("/a~01b", r#"{"a~1b":"alice"}"#, "alice|||acme"),
        ("/", r#"{"":"alice"}"#, "alice|||acme"),
        ("/x//y", r#"{"x":{"":{"y":"alice"}}}"#, "alice|||acme"),
        ("/0", r#"["alice"]"#, "alice|||acme"),
        ("/0/id", r#"[{"id":7}]"#, "7|||acme"),
        ("/00", r#"["alice"]"#, "anonymous"),
        ("/-", r#"["alice"]"#, "anonymous"),
        ("/1", r#"["alice"]"#, "anonymous"),
        ("/0", r#"{"0":"alice"}"#, "alice|||acme"),
        ("/data/me/id", r#"{"data":{"me":{"id":"u7"}}}"#, "u7|||acme"),
        ("/data/me/id", r#"{"data":{"me":null},"errors":[1]}"#, "anonymous"),
    ];
    for (at, body, expected) in rows {
        assert_eq!(said(&user_at(pointer(at)), 200, &[], body), expected, "{at} in {body}");
    }
}

#[test]
fn a_user_without_an_organization_or_with_an_odd_detail_says_nothing() {
    let with = |rest: &str| said(&sample::identity(), 200, &[], format!(r#"{{"id":"u7",{rest}}}"#));
    let company = r#""company":{"slug":"acme"}"#;
    let rows = [
        (r#""x":1"#, r#"Missing("organization")"#),
        (r#""company":{"slug":null}"#, r#"Missing("organization")"#),
        (r#""company":{"slug":""}"#, r#"Missing("organization")"#),
        (r#""company":"acme""#, r#"Missing("organization")"#),
        (r#""company":{"slug":12}"#, "u7|||12"),
        (r#""company":{"slug":1.5}"#, r#"WrongType("organization")"#),
        (r#""company":{"slug":["acme"]}"#, r#"WrongType("organization")"#),
        (r#""company":{"slug":"a\tb"}"#, r#"BadText("organization")"#),
        (r#""company":{"slug":" "}"#, r#"BadText("organization")"#),
    ];
    for (rest, expected) in rows {
        assert_eq!(with(rest), expected, "{rest}");
    }
    let details = [
        (r#""email":null,"name":null"#.to_owned(), "u7|||acme"),
        (r#""email":"","name":"""#.to_owned(), "u7|||acme"),
        (r#""email":"a@b","name":"A B""#.to_owned(), "u7|a@b|A B|acme"),
        (r#""email":7"#.to_owned(), r#"WrongType("email")"#),
        (r#""email":["a@b"]"#.to_owned(), r#"WrongType("email")"#),
        (r#""name":true"#.to_owned(), r#"WrongType("name")"#),
        (r#""name":{"first":"A"}"#.to_owned(), r#"WrongType("name")"#),
        (r#""name":"A\u0000","email":"a@b""#.to_owned(), "u7|a@b||acme"),
        (r#""name":" ""#.to_owned(), "u7|||acme"),
        (format!(r#""email":"{}","name":"A""#, "a".repeat(257)), "u7||A|acme"),
    ];
    for (rest, expected) in details {
        assert_eq!(with(&format!("{rest},{company}")), expected, "{rest}");
    }
    let nobody = said(&sample::identity(), 200, &[], r#"{"company":{"slug":[]}}"#);
    assert_eq!(nobody, "anonymous", "who is not there needs no organization");
}

#[test]
fn administrators_are_marked_by_values_of_the_same_type() {
    let marked = |any: &[Scalar], body: &str| {
        let admin = AdminRule::Marked { value: pointer("/a"), any: any.to_vec() };
        let identity = config::Identity { admin, ..user_at(pointer("/id")) };
        said(&identity, 200, &[], format!(r#"{{"id":"u7","a":{body}}}"#)).starts_with('*')
    };
    let text = |text: &str| Scalar::Text(text.into());
    let rows = [
        (vec![text("admin"), text("owner")], r#""admin""#, true),
        (vec![text("admin"), text("owner")], r#""owner""#, true),
        (vec![text("admin")], r#""Admin""#, false),
        (vec![text("admin")], r#""admin ""#, false),
        (vec![text("admin")], r#""administrator""#, false),
        (vec![text("admin")], r#""user,admin""#, false),
        (vec![text("admin")], "null", false),
        (vec![text("null")], "null", false),
        (vec![Scalar::Bool(true)], "true", true),
        (vec![Scalar::Bool(true)], "false", false),
        (vec![Scalar::Bool(true)], r#""true""#, false),
        (vec![Scalar::Bool(true)], "1", false),
        (vec![Scalar::Bool(false)], "false", true),
        (vec![Scalar::Bool(false)], r#""false""#, false),
        (vec![text("false")], "false", false),
        (vec![text("true")], "true", false),
        (vec![Scalar::Number(1)], "1", true),
        (vec![Scalar::Number(1)], "1.0", false),
        (vec![Scalar::Number(1)], r#""1""#, false),
        (vec![Scalar::Number(1)], "true", false),
        (vec![text("1")], "1", false),
        (vec![Scalar::Number(-1)], "18446744073709551615", false),
        (vec![text("administrator")], r#"["administrator"]"#, true),
        (vec![text("administrator")], r#"["monitoring","administrator"]"#, true),
        (vec![text("administrator")], r#"["monitoring"]"#, false),
        (vec![text("administrator")], r#"[["administrator"]]"#, false),
        (vec![text("administrator")], r#"[{"administrator":1}]"#, false),
        (vec![text("administrator")], "[]", false),
        (vec![Scalar::Number(3)], "[1,2,3]", true),
        (vec![text("*")], r#""*""#, true),
        (vec![text("*")], r#"["*"]"#, true),
        (vec![text("*")], r#""read""#, false),
        (vec![text("admin")], r#"{"admin":{"x":1}}"#, true),
        (vec![text("admin")], r#"{"admin":null}"#, true),
        (vec![text("admin")], r#"{"role":"admin"}"#, false),
        (vec![Scalar::Number(1)], r#"{"1":1}"#, false),
        (vec![], r#""admin""#, false),
    ];
    for (any, body, expected) in rows {
        assert_eq!(marked(&any, body), expected, "{any:?} in {body}");
    }
    let admin = AdminRule::Marked { value: pointer("/a"), any: vec![Scalar::Bool(true)] };
    let identity = config::Identity { admin, ..user_at(pointer("/id")) };
    assert_eq!(said(&identity, 200, &[], r#"{"id":"u7"}"#), "u7|||acme");
}

#[test]
fn administrators_are_listed_by_exact_id_or_by_address_in_any_case() {
    let listed = |user: &str, body: &str| {
        let admin = AdminRule::Users(vec!["x".into(), user.into()]);
        said(&config::Identity { admin, ..sample::identity() }, 200, &[], body).starts_with('*')
    };
    assert!(listed("u7", ALICE));
    assert!(listed("alice@acme.example", ALICE));
    assert!(listed("Alice@ACME.example", ALICE));
    for other in ["U7", "u77", "u", "", "Alice", "alice@acme.example ", "alice", "acme"] {
        assert!(!listed(other, ALICE), "{other:?}");
    }
    let kelvin = r#"{"id":"u8","email":"\u212a@acme.example","company":{"slug":"acme"}}"#;
    assert!(!listed("k@acme.example", kelvin), "only ASCII letters have two cases");
    assert!(!listed("", r#"{"id":"u8","email":"","company":{"slug":"acme"}}"#));
}

const DJANGO: &str = r##"<!DOCTYPE html>
<html lang="en-us" dir="ltr">
<head><title>Site administration | Django site admin</title>
<link rel="stylesheet" href="/static/admin/css/base.css">
<meta name="viewport" content="user-scalable=no, width=device-width">
</head>
<body class=" dashboard" data-admin-utc-offset="0">
<a href="#content-start" class="skip-to-content-link">Skip to main content</a>
<div id="container">
  <header id="header">
    <div id="branding"><div id="site-name"><a href="/admin/">Django administration</a></div></div>
    <div id="user-tools">
        Welcome,
        <strong>alice &amp;
          co</strong>.
            <a href="/" id="site-link">View site</a> /
                <a href="/admin/password_change/">Change password</a> /
            <form id="logout-form" method="post" action="/admin/logout/">
                <input type="hidden" name="csrfmiddlewaretoken" value="x">
                <button type="submit">Log out</button>
            </form>
    </div>
  </header>
  <p>Recent actions by <strong>mallory</strong></p>
</div>
</body></html>"##;

const DJANGO_LOGIN: &str = r#"<!DOCTYPE html>
<html lang="en-us" dir="ltr"><head><title>Log in | Django site admin</title></head>
<body class=" login"><div id="container"><form action="/admin/login/?next=/admin/" method="post" id="login-form">
<input type="text" name="username" autofocus required id="id_username"></form></div></body></html>"#;

#[test]
fn a_page_names_its_user_by_a_selector() {
    let mut identity = user_at(css("#user-tools strong"));
    assert_eq!(said(&identity, 200, &[], DJANGO), "alice & co|||acme");
    assert_eq!(said(&identity, 200, &[], DJANGO_LOGIN), "NoUser");
    assert_eq!(said(&identity, 200, &[], ""), "NoUser");
    assert_eq!(said(&identity, 200, &[], r#"{"id":"u7"}"#), "NoUser");
    assert_eq!(said(&identity, 302, &[("location", "/admin/login/?next=/admin/")], ""), "Redirect");
    probe(&mut identity).anonymous.redirects = vec!["/admin/login/".into()];
    assert_eq!(said(&identity, 302, &[("location", "/admin/login/?next=/admin/")], ""), "anonymous");
    probe(&mut identity).anonymous.css = Some("#login-form".into());
    assert_eq!(said(&identity, 200, &[], DJANGO), "alice & co|||acme");
    assert_eq!(said(&identity, 200, &[], DJANGO_LOGIN), "anonymous");
    assert_eq!(said(&identity, 200, &[], "<p>Down for maintenance"), "NoUser");
    assert_eq!(said(&identity, 500, &[], DJANGO_LOGIN), "Status");
    let both = DJANGO.replace("logout-form", "login-form");
    assert_eq!(said(&identity, 200, &[], both), "Contradiction");
    check_bodies(
        &identity,
        &[
            ("<div id=user-tools><strong></strong></div>", "NoUser"),
            ("<div id=user-tools><strong> \n </strong><strong>bob</strong></div>", "NoUser"),
            ("<div id=user-tools><strong>bob</strong><strong>eve</strong></div>", "bob|||acme"),
            ("<div id=user-tools><b><strong><i>b</i>ob</strong>", "bob|||acme"),
            ("<!-- <div id=user-tools><strong>bob</strong></div> -->", "NoUser"),
            ("<script>'<div id=user-tools><strong>bob</strong></div>'</script>", "NoUser"),
            ("<div id=user-tools><strong>b&#1;b</strong>", r#"BadText("user")"#),
        ],
    );
    assert_eq!(said(&identity, 200, &[], b"<div id=user-tools><strong>b\xff</strong>"), "NoHtml");
}

#[test]
fn a_page_names_values_in_attributes_too() {
    let attribute =
        |selector: &str, name: &str| config::Value::Css { selector: selector.into(), attribute: Some(name.into()) };
    let identity = config::Identity {
        user: attribute("meta[name=user]", "content"),
        email: Some(attribute("body", "data-email")),
        name: Some(css("#name")),
        organization: attribute("body", "data-org"),
        admin: AdminRule::Marked { value: css(".badge"), any: vec![Scalar::Text("Admin".into()), Scalar::Bool(true)] },
        ..sample::identity()
    };
    check_bodies(
        &identity,
        &[
            (
                "<meta name=user content=7><body data-email=a@b data-org=acme><p id=name>A <b>B</b></p><i class=badge> Admin </i>",
                "*7|a@b|A B|acme",
            ),
            ("<meta name=user content=7><body data-org=acme><i class=badge>true</i>", "7|||acme"),
            ("<meta name=user content=7><body data-org=''>", r#"Missing("organization")"#),
            ("<meta name=user><body data-org=acme>", "NoUser"),
            ("<meta name=user content=''><body data-org=acme>", "NoUser"),
            ("<body data-org=acme>", "NoUser"),
        ],
    );
}

#[test]
fn a_header_field_of_the_answer_names_its_user_once() {
    let field = |name: &'static str| config::Value::Header(http::HeaderName::from_static(name));
    let identity = config::Identity {
        user: field("x-user"),
        email: Some(field("x-email")),
        admin: AdminRule::Marked { value: field("x-role"), any: vec![Scalar::Text("admin".into()), Scalar::Number(1)] },
        ..user_at(fixed(""))
    };
    let rows: &[(&[(&'static str, &str)], &str)] = &[
        (&[("x-user", "u7")], "u7|||acme"),
        (&[("x-user", "u7"), ("x-email", "a@b"), ("x-role", "admin")], "*u7|a@b||acme"),
        (&[("x-user", "u7"), ("x-role", "1")], "u7|||acme"),
        (&[("x-user", "u7"), ("x-role", "user,admin")], "u7|||acme"),
        (&[("x-user", "zoë")], "zoë|||acme"),
        (&[], "NoUser"),
        (&[("x-user", "")], "NoUser"),
        (&[("x-user", "u7"), ("x-user", "u7")], r#"WrongType("user")"#),
        (&[("x-user", "u7"), ("x-user", "u8")], r#"WrongType("user")"#),
        (&[("x-user", "u7"), ("x-role", "admin"), ("x-role", "user")], r#"WrongType("admin mark")"#),
        (&[("x-user", "u7"), ("x-email", "a"), ("x-email", "b")], r#"WrongType("email")"#),
    ];
    for (fields, expected) in rows {
        assert_eq!(said(&identity, 200, fields, "anything"), *expected, "{fields:?}");
    }
}
