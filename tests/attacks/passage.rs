//! Reaching the dashboard without a second factor.

use data_encoding::BASE64;

use crate::house::House;
use crate::support::http::Request;
use crate::support::visitor::Visitor;
use crate::support::{Sight, required, until};

const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "CONNECT", "TRACE", "NONSENSE"];

/// Protected, if with every look of something that is open.
const TARGETS: [&str; 24] = [
    "/",
    "/reports",
    "/reports?next=/login",
    "/reports?/login",
    "//login",
    "/login/",
    "/LOGIN",
    "/login;x=1",
    "/login%2f",
    "/login%00",
    "/login/../reports",
    "/login/%2e%2e/reports",
    "/static/../reports",
    "/static/..%2freports",
    "/static/%2e%2e%2freports",
    "/static//../reports",
    "/static/..\\reports",
    "/static/..;/reports",
    "/static%2f..%2freports",
    "/_2fa/../reports",
    "/_2fa/%2e%2e/reports",
    "/%5f2fa/verify",
    "http://HOST/reports",
    "http://elsewhere.example/login",
];

/// What a program, a health check or a careless server in front could be recognized by.
const FIELDS: [&[(&str, &str)]; 13] = [
    &[("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")],
    &[("Accept", "application/json"), ("X-Requested-With", "XMLHttpRequest")],
    &[
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAA"),
    ],
    &[("Content-Type", "application/grpc"), ("TE", "trailers")],
    &[("User-Agent", "kube-probe/1.30")],
    &[("User-Agent", "GoogleHC/1.0")],
    &[("X-Original-URL", "/login"), ("X-Rewrite-URL", "/login")],
    &[("X-Forwarded-Uri", "/login"), ("X-Original-URI", "/login"), ("X-Forwarded-Prefix", "/login")],
    &[("X-HTTP-Method-Override", "OPTIONS"), ("X-Method-Override", "OPTIONS")],
    &[("X-Vestibule-User", "id-bob"), ("X-Vestibule-Factor", "totp")],
    &[("Origin", "http://127.0.0.1"), ("Access-Control-Request-Method", "GET")],
    &[("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Forwarded", "for=127.0.0.1;proto=https")],
    &[("Range", "bytes=0-10"), ("If-None-Match", "*")],
];

/// People who have not passed: nobody at all, with the password alone, asked for a code, with a session made up.
async fn strangers(house: &House) -> Vec<Visitor> {
    let bob = house.enrolled("bob").await;
    let nobody = bob.elsewhere();
    let pending = house.challenged(&bob, 2).await;
    let mut unenrolled = house.visitor("carol", 1);
    unenrolled.opens("/").await.shows(Sight::Enrollment);
    let mut forger = pending.elsewhere();
    let token = pending.session().expect("a pending session");
    forger.has_cookie("sid", "bob-2");
    forger.has_cookie("vestibule", &format!("v{}", &token[1..]));
    vec![nobody, pending, unenrolled, forger]
}

/// I1, I2, ENR-09, HTTP-14, FA-06: no method, no way to write an address, and no field is a way in.
#[tokio::test]
async fn whoever_has_not_passed_gets_nothing_by_any_method_address_or_field() {
    let house = House::open(required()).await;
    let strangers = strangers(&house).await;
    house.origin.forgets();
    let mut count = 0;
    for stranger in &strangers {
        for target in TARGETS {
            let target = target.replace("HOST", &house.gateway().to_string());
            for method in METHODS {
                let fields = FIELDS[count % FIELDS.len()];
                let request = stranger.request(method, &target).without("User-Agent");
                let request = fields.iter().fold(request, |request, (name, value)| request.with(name, *value));
                house.gives_nothing_for(request).await;
                count += 1;
            }
        }
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    assert!(!house.origin.questions().is_empty(), "{count} requests were asked about");
}

/// ENR-09: forms that are empty, out of order or full of what belongs elsewhere lead nobody on.
#[tokio::test]
async fn forms_out_of_order_lead_nobody_on() {
    let house = House::open(required()).await;
    let mut strangers = strangers(&house).await;
    house.origin.forgets();
    let before = (house.number("SELECT count(*) FROM sessions"), house.number("SELECT count(secret) FROM accounts"));
    let forms = [
        "verify",
        "enroll",
        "recover",
        "profile/enable",
        "profile/disable",
        "profile/replace",
        "profile/recovery-codes",
        "profile/sessions/end",
        "settings/requirement",
        "settings/security/reset",
    ];
    let everything = [
        ("code", "000000"),
        ("recovery_code", "0000-0000-0000-0000"),
        ("verified", "true"),
        ("factor", "totp"),
        ("secret", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("session", "1"),
        ("account", "1"),
        ("requirement", "optional"),
        ("step", "done"),
    ];
    for stranger in &mut strangers {
        for form in forms {
            for fields in [&[][..], &everything] {
                let request = stranger.form_request(&format!("/_2fa/{form}"), fields);
                house.gives_nothing_for(request).await;
                house.gives_nothing_for(stranger.navigation("/reports")).await;
            }
        }
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    let after = (house.number("SELECT count(*) FROM sessions"), house.number("SELECT count(secret) FROM accounts"));
    assert_eq!(before, after);
}

/// SES-08: neither a pending nor a verified session is one by another name, in another place or as another kind.
#[tokio::test]
async fn a_session_is_one_in_its_cookie_alone() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let pending = house.challenged(&bob, 1).await;
    let tokens = [pending.session().expect("a pending session"), bob.session().expect("a verified one")];
    house.origin.forgets();
    let login = "sid=bob-1";
    let bare = |target: &str| Request::new("GET", target).with("Host", house.gateway().to_string());
    for token in &tokens {
        let basic = |pair: String| format!("Basic {}", BASE64.encode(pair.as_bytes()));
        let shapes = [
            ("/reports".to_owned(), "Authorization", format!("Bearer {token}")),
            ("/reports".to_owned(), "Authorization", basic(format!("id-bob:{token}"))),
            ("/reports".to_owned(), "Authorization", basic(format!("{token}:"))),
            ("/reports".to_owned(), "X-Vestibule-Session", token.clone()),
            ("/reports".to_owned(), "Cookie2", format!("vestibule={token}")),
            ("/reports".to_owned(), "Set-Cookie", format!("vestibule={token}")),
            ("/reports".to_owned(), "Cookie", format!("session={token}")),
            ("/reports".to_owned(), "Cookie", format!("__Host-vestibule={token}")),
            ("/reports".to_owned(), "Cookie", format!("__Secure-vestibule={token}")),
            (format!("/reports?vestibule={token}"), "X", String::new()),
            (format!("/reports?token={token}&access_token={token}"), "X", String::new()),
            (format!("/reports;vestibule={token}"), "X", String::new()),
            (format!("/_2fa/profile?vestibule={token}"), "Authorization", format!("Bearer {token}")),
        ];
        for (target, name, value) in shapes {
            let request = match name {
                "Cookie" => bare(&target).with("Cookie", format!("{login}; {value}")),
                _ => bare(&target).with("Cookie", login).with(name, value),
            };
            let answer = house.gives_nothing_for(request).await;
            assert_ne!(answer.status, 200, "{target} {name}");
        }
    }
    for (kind, token) in [("v", &tokens[0]), ("V", &tokens[0]), ("", &tokens[0]), ("x", &tokens[1]), ("p", &tokens[1])]
    {
        let request = bare("/reports").with("Cookie", format!("{login}; vestibule={kind}{}", &token[1..]));
        house.gives_nothing_for(request).await;
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    house.origin.forgets();
    let request = bare("/reports").with("Cookie", format!("{login}; vestibule={}", tokens[1]));
    assert_eq!(request.send(house.gateway()).await.status, 200, "it was good all the time");
}

/// I7, THR-09: with a store that is locked, lost or empty, or a dashboard that hangs up, nobody passes, no code is
/// looked at, and none is used up.
#[tokio::test]
async fn whatever_fails_lets_nobody_through() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let mut pending = house.challenged(&bob, 2).await;
    house.forgets_codes();
    let code = pending.authenticator().code(0);
    let form = pending.form_request("/_2fa/verify", &[("code", &code)]);
    let tables = ["accounts", "organizations", "sessions", "pending_sessions", "failed_tries", "changes"];
    let rename = |from: &str, to: &str| {
        let statements: Vec<_> = tables.iter().map(|t| format!("ALTER TABLE {from}{t} RENAME TO {to}{t}")).collect();
        house.changes(&statements.join("; "));
    };
    rename("", "lost_");
    // What is remembered is good for two seconds without word from the store.
    for person in [&bob, &pending] {
        let status = async || person.navigation("/reports").send(house.gateway()).await.status;
        until("the gateway notices", async || status().await == 503).await;
    }
    house.origin.forgets();
    for request in [bob.navigation("/reports"), pending.navigation("/reports"), form.clone(), bob.request("POST", "/x")]
    {
        assert_eq!(house.gives_nothing_for(request).await.status, 503);
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    rename("lost_", "");

    house.origin.hangs_up(true);
    house.origin.forgets();
    // A login that was not asked about lately.
    let mut elsewhere = bob.elsewhere();
    elsewhere.has_cookie("sid", "bob-3");
    for target in ["/reports", "/_2fa/profile", "/_2fa/settings"] {
        assert_eq!(house.gives_nothing_for(elsewhere.navigation(target)).await.status, 502, "{target}");
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    house.origin.hangs_up(false);
    assert_eq!(house.number("SELECT count(*) FROM failed_tries"), 0, "nothing was looked at");
    until("the gateway is back", async || pending.navigation("/reports").send(house.gateway()).await.status == 303)
        .await;
    pending.gives(&code).await.shows(Sight::Dashboard);
}
