//! A signed token says who has logged in: in a cookie, or in a field that a script sends.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::issuer::Issuer;
use crate::support::signer::{Signer, encoded, key_set};
use crate::support::visitor::Visitor;
use crate::support::world::{Configuration, World};
use crate::support::{Sight, at_once, required, until};

const IDENTITY: &str = r#"
source = "jwt"
token = "cookie:app_token"
algorithms = ["ES256", "EdDSA", "RS256"]
keys = "ADDRESS"
issuer = "https://login.example"
audience = "insights"
user = "/sub"
name = "/name"
organization = { fixed = "acme" }
admin = { pointer = "/roles", any = ["admin"] }
"#;

fn in_cookie(issuer: &Issuer) -> Configuration {
    required().with("cookie:sid", "claim:/sid").with_identity(&IDENTITY.replace("ADDRESS", &issuer.keys()))
}

/// What a good token says of somebody, for half an hour.
fn claims(world: &World, login: &str) -> Value {
    json!({
        "iss": "https://login.example",
        "aud": ["insights", "reports"],
        "exp": world.time().seconds() + 1800,
        "nbf": world.time().seconds(),
        "sub": format!("id-{login}"),
        "name": format!("{login} by token"),
        "roles": if login == "alice" { json!(["admin"]) } else { json!([]) },
        "sid": "s1",
    })
}

/// The same with something else in it.
fn but(world: &World, name: &str, value: Value) -> Value {
    let mut claims = claims(world, "bob");
    claims[name] = value;
    claims
}

/// Somebody with this token.
fn with_token(world: &World, token: &str) -> Visitor {
    let mut visitor = world.visitor("bob");
    visitor.has_cookie("app_token", token);
    visitor
}

async fn enrolled(world: &World, token: &str) -> Visitor {
    let mut visitor = with_token(world, token);
    visitor.opens("/reports").await.shows(Sight::Enrollment);
    visitor.enrolls().await;
    visitor.opens("/reports").await.shows(Sight::Dashboard);
    visitor
}

#[tokio::test]
async fn whom_it_names_enrolls_gives_codes_and_reaches_the_dashboard() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let signer = Signer::new(algorithm, "1");
        let issuer = Issuer::open(&[&signer]).await;
        let world = World::open(in_cookie(&issuer)).await;
        let token = signer.token(&claims(&world, "bob"));
        let mut bob = with_token(&world, &token);
        bob.opens("/reports").await.shows(Sight::Enrollment);
        bob.page().says("bob by token");
        assert_eq!(world.dashboard().news(), [""; 0]);
        bob.enrolls().await;
        bob.opens("/reports").await.shows(Sight::Dashboard);
        let seen = world.dashboard().last_request();
        assert_eq!(seen.field("x-vestibule-user"), "id-bob");
        assert_eq!(seen.field("cookie"), format!("app_token={token}"), "the dashboard gets it, too");
        assert!(world.dashboard().questions().is_empty(), "and is not asked");

        let mut elsewhere = bob.elsewhere();
        elsewhere.has_cookie("app_token", &token);
        elsewhere.opens("/reports").await.shows(Sight::Challenge);
        elsewhere.gives_a_fresh_code().await.shows(Sight::Dashboard);
        assert_eq!(issuer.asked(), 1);
    }
}

#[tokio::test]
async fn the_session_ends_with_the_login_and_not_with_the_token() {
    let signer = Signer::new("ES256", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let world = World::open(in_cookie(&issuer)).await;
    let mut bob = enrolled(&world, &signer.token(&claims(&world, "bob"))).await;
    let renewed = signer.token(&but(&world, "jti", json!("renewed")));
    bob.has_cookie("app_token", &renewed);
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    for then in [signer.token(&claims(&world, "alice")), signer.token(&but(&world, "sid", json!("s2"))), String::new()]
    {
        bob.has_cookie("app_token", &then);
        bob.fetches("/api/x").await.problem(401);
        bob.has_cookie("app_token", &renewed);
        bob.fetches("/api/x").await.asks_for("second_factor_required", Some("/_2fa/verify"));
        bob.opens("/").await.shows(Sight::Challenge);
        bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    }
}

#[tokio::test]
async fn a_token_that_is_over_is_nobodys() {
    let signer = Signer::new("ES256", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let world = World::open(in_cookie(&issuer)).await;
    let token = signer.token(&claims(&world, "bob"));
    let mut bob = enrolled(&world, &token).await;
    world.passes(Duration::from_secs(1809));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    world.passes(Duration::from_secs(1));
    bob.fetches("/api/x").await.asks_for("login_required", None);
    bob.opens("/reports").await.shows(Sight::DashboardLogin);
    bob.has_cookie("app_token", &signer.token(&claims(&world, "bob")));
    bob.fetches("/api/x").await.asks_for("second_factor_required", Some("/_2fa/verify"));
}

/// Whatever is wrong with what somebody shows, nobody passes, and a session that is there stays of no use.
async fn nobody_passes(world: &World, visitor: &mut Visitor, what: &str) {
    world.dashboard().news();
    visitor.opens("/reports").await.shows(Sight::NobodySaysWho);
    visitor.opens("/_2fa/profile").await.shows(Sight::NobodySaysWho);
    visitor.fetches("/api/x").await.problem(502);
    assert_eq!(world.dashboard().news(), [""; 0], "{what}");
}

#[tokio::test]
async fn a_token_that_is_bad_in_any_other_way_says_nothing() {
    let (signer, rsa) = (Signer::new("ES256", "1"), Signer::new("RS256", "2"));
    let issuer = Issuer::open(&[&signer, &rsa]).await;
    let world = World::open(in_cookie(&issuer)).await;
    let good = claims(&world, "bob");
    let mut bob = enrolled(&world, &signer.token(&good)).await;

    let unsigned = format!("{}.{}.", encoded(br#"{"alg":"none"}"#), encoded(good.to_string().as_bytes()));
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
    let confused = |secret: &[u8]| Signer::with_secret(secret).token_with(&header("HS256", "2"), &good);
    let mut critical = header("ES256", "1");
    critical["crit"] = json!(["exp"]);
    let mut brings_its_key = header("EdDSA", "9");
    let forger = Signer::new("EdDSA", "9");
    brings_its_key["jwk"] = forger.jwk();
    let forged_set = format!("data:application/json,{}", key_set(&[&forger]));
    brings_its_key["jku"] = json!(forged_set);
    let twice = good.to_string().replacen('{', "{\"sub\":\"id-alice\",", 1);
    let bad = [
        ("no algorithm", unsigned.clone()),
        ("no algorithm, and a signature", format!("{unsigned}AAAA")),
        ("a public key in PEM as secret", confused(rsa.pem().as_bytes())),
        ("a key set as secret", confused(key_set(&[&signer, &rsa]).as_bytes())),
        ("an algorithm that is not allowed", rsa.token_with(&header("PS256", "2"), &good)),
        ("a key of another kind", rsa.token_with(&header("ES256", "1"), &good)),
        ("another key of that id", Signer::new("ES256", "1").token(&good)),
        ("a key of its own", forger.token_with(&brings_its_key, &good)),
        ("a path for a key id", signer.token_with(&header("ES256", "../../../../dev/null"), &good)),
        ("a query for a key id", signer.token_with(&header("ES256", "1' OR '1'='1"), &good)),
        ("what is critical", signer.token_with(&critical, &good)),
        ("another audience", signer.token(&but(&world, "aud", json!("reports")))),
        ("another issuer", signer.token(&but(&world, "iss", json!("https://evil.example")))),
        ("not yet", signer.token(&but(&world, "nbf", json!(world.time().seconds() + 60)))),
        ("no end", signer.token(&but(&world, "exp", Value::Null))),
        ("an end in words", signer.token(&but(&world, "exp", json!("tomorrow")))),
        ("nobody", signer.token(&but(&world, "sub", json!("")))),
        ("no login", signer.token(&but(&world, "sid", Value::Null))),
        ("a key twice", signer.token_of(&header("ES256", "1").to_string(), &twice)),
        ("too much", signer.token(&but(&world, "more", json!("x".repeat(13_000))))),
        ("no token", "abc".to_owned()),
        ("a quoted token", format!("\"{}\"", signer.token(&good))),
    ];
    for (what, token) in bad {
        bob.has_cookie("app_token", &token);
        nobody_passes(&world, &mut bob, what).await;
    }
    bob.has_cookie("app_token", &signer.token(&but(&world, "exp", json!(9_000_000_000_000_000_u64))));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn two_tokens_are_none() {
    let signer = Signer::new("ES256", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let world = World::open(in_cookie(&issuer)).await;
    let (bobs, alices) = (signer.token(&claims(&world, "bob")), signer.token(&claims(&world, "alice")));
    let mut bob = enrolled(&world, &bobs).await;
    for another in ["app_token", "App_Token", "app%5Ftoken"] {
        let request = bob.navigation("/reports").with("Cookie", format!("{another}={alices}"));
        bob.sends(request).await.shows(Sight::NobodySaysWho);
    }
    for between in ["; x=1 ", "; x=1\t", "; x=1, ", "; x=\"a\" ", "; x=\"a\"", "; =", "; \u{a0}", "; \u{2003}"] {
        let line = format!("app_token={bobs}{between}app_token={alices}");
        let request = bob.navigation("/reports").without("Cookie").with("Cookie", line);
        bob.sends(request).await.shows(Sight::NobodySaysWho);
        let line = format!("x={between}app_token={alices}; app_token={bobs}");
        let request = bob.navigation("/reports").without("Cookie").with("Cookie", line);
        bob.sends(request).await.shows(Sight::NobodySaysWho);
    }
    // Nobody looks at it: the dashboard does not get it.
    let request = bob.request("GET", "/reports").with("Authorization", format!("Bearer {alices}"));
    bob.sends(request).await.shows(Sight::Dashboard);
    assert_eq!(world.dashboard().last_request().field("authorization"), "");
}

#[tokio::test]
async fn a_new_key_is_known_at_once_and_one_that_is_gone_soon_signs_nothing() {
    let (old, new) = (Signer::new("ES256", "1"), Signer::new("ES256", "2"));
    let issuer = Issuer::open(&[&old]).await;
    let world = World::open(in_cookie(&issuer)).await;
    let mut bob = enrolled(&world, &old.token(&claims(&world, "bob"))).await;
    issuer.publishes(&[&new]);
    world.passes(Duration::from_secs(299));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    assert_eq!(issuer.asked(), 1);
    let mut alice = with_token(&world, &new.token(&claims(&world, "alice")));
    alice.fetches("/api/x").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    assert_eq!(issuer.asked(), 2);
    nobody_passes(&world, &mut bob, "the old key is gone").await;

    // Without anybody who has a new one, it is noticed when the set is fetched again.
    issuer.publishes(&[&old]);
    world.passes(Duration::from_mins(5));
    nobody_passes(&world, &mut alice, "the new key is gone").await;
    bob.fetches("/api/x").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn administrators_need_a_key_that_is_there_now() {
    let (old, new) = (Signer::new("ES256", "1"), Signer::new("ES256", "2"));
    let issuer = Issuer::open(&[&old]).await;
    let world = World::open(in_cookie(&issuer)).await;
    let mut alice = enrolled(&world, &old.token(&claims(&world, "alice"))).await;
    alice.opens("/_2fa/settings/security").await.shows(Sight::Security);
    let mut bob = enrolled(&world, &old.token(&claims(&world, "bob"))).await;
    bob.opens("/_2fa/settings/security").await.shows(Sight::LimitedAccess);
    issuer.publishes(&[&new]);
    world.passes(Duration::from_secs(10));
    alice.fetches("/api/x").await.comes_from_the_dashboard();
    alice.opens("/_2fa/settings/security").await.shows(Sight::NobodySaysWho);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_one_question_in_ten_seconds() {
    let signer = Signer::new("ES256", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let world = World::open(in_cookie(&issuer).with("workers = 1", "workers = 4")).await;
    let mut bob = enrolled(&world, &signer.token(&claims(&world, "bob"))).await;
    let mut asked = issuer.asked();
    let forger = Signer::new("EdDSA", "x");
    for _ in 0..3 {
        world.passes(Duration::from_secs(10));
        let tokens = (0..40).map(|n| {
            let header = json!({ "alg": "EdDSA", "kid": format!("unknown-{n}") });
            forger.token_with(&header, &claims(&world, "bob"))
        });
        let mut visitors: Vec<_> = tokens.map(|token| with_token(&world, &token)).collect();
        for reply in at_once(visitors.iter_mut().map(|visitor| visitor.fetches("/api/x"))).await {
            reply.problem(502);
        }
        asked += 1;
        assert_eq!(issuer.asked(), asked);
        bob.fetches("/api/x").await.comes_from_the_dashboard();
    }
}

#[tokio::test]
async fn while_keys_can_not_be_fetched_the_last_ones_are_used_for_a_day() {
    let signer = Signer::new("ES256", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let configuration = in_cookie(&issuer).with("lifetime = \"12h\"", "lifetime = \"30d\"");
    let world = World::open(configuration.with("idle = \"1h\"", "idle = \"24h\"")).await;
    let long = but(&world, "exp", json!(world.time().seconds() + 400_000));
    let mut bob = enrolled(&world, &signer.token(&long)).await;
    for (status, text) in [(500, "no"), (302, "no"), (200, "<html>"), (200, "{\"keys\":[]}")] {
        issuer.says(status, text);
        world.passes(Duration::from_hours(5));
        let asked = issuer.asked();
        bob.fetches("/api/x").await.comes_from_the_dashboard();
        bob.fetches("/api/x").await.comes_from_the_dashboard();
        assert_eq!(issuer.asked(), asked + 1, "{status}");
    }
    issuer.says(200, &"x".repeat(300_000));
    world.passes(Duration::from_hours(4));
    nobody_passes(&world, &mut bob, "a day is over").await;
    issuer.publishes(&[&signer]);
    world.passes(Duration::from_secs(10));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn without_keys_nobody_passes() {
    let signer = Signer::new("ES256", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let _never = issuer.hangs();
    let world = World::open(in_cookie(&issuer).with("user = \"/sub\"", "user = \"/sub\"\ntimeout = \"1s\"")).await;
    let mut bob = with_token(&world, &signer.token(&claims(&world, "bob")));
    nobody_passes(&world, &mut bob, "the issuer hangs").await;
    assert_eq!(issuer.asked(), 1);
    bob.has_cookie("app_token", "");
    bob.fetches("/api/x").await.asks_for("login_required", None);
}

#[tokio::test]
async fn whoever_goes_away_does_not_end_a_fetch() {
    let (old, new) = (Signer::new("ES256", "1"), Signer::new("ES256", "2"));
    let issuer = Issuer::open(&[&old]).await;
    let world = World::open(in_cookie(&issuer)).await;
    let mut bob = enrolled(&world, &old.token(&claims(&world, "bob"))).await;
    issuer.publishes(&[&old, &new]);
    world.passes(Duration::from_secs(10));
    let go_on = issuer.hangs();
    let mut impatient = with_token(&world, &new.token(&claims(&world, "alice")));
    let gone = tokio::spawn(async move { impatient.fetches("/api/x").await });
    until("the issuer is asked", async || issuer.asked() == 2).await;
    gone.abort();
    assert!(gone.await.is_err_and(|error| error.is_cancelled()), "the connection is closed");
    go_on.notify_one();
    let mut alice = with_token(&world, &new.token(&claims(&world, "alice")));
    alice.fetches("/api/x").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_script_sends_it_after_bearer_and_a_navigation_comes_without() {
    let signer = Signer::new("EdDSA", "1");
    let issuer = Issuer::open(&[&signer]).await;
    let configuration = in_cookie(&issuer)
        .with("cookie:app_token", "authorization")
        .with("public = [\"/login\", \"/static/*\"]", "public = [\"/\", \"/static/*\"]")
        .with("login = \"/login?next={next}\"", "login = \"/\"");
    let world = World::open(configuration).await;
    let mut bob = world.visitor("bob");
    let token = signer.token(&claims(&world, "bob"));
    bob.has_token(&token);
    bob.fetches("/api/x").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    bob.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    assert_eq!(world.dashboard().last_request().field("authorization"), format!("Bearer {token}"));
    bob.opens("/_2fa/profile").await.shows(Sight::Profile);
    let twice = bob.request("GET", "/api/x").with("Authorization", format!("Bearer {token}"));
    bob.calls(twice.clone().with("Authorization", format!("Bearer {token}"))).await.problem(502);
    let alices = signer.token(&claims(&world, "alice"));
    let lists = [", ", ", Bearer ", " ", "\t", " Bearer ", ";", "\u{a0}"];
    for list in lists.map(|between| format!("Bearer {token}{between}{alices}")).into_iter().chain(["Basic eDp5".into()])
    {
        bob.calls(bob.request("GET", "/api/x").without("Authorization").with("Authorization", list)).await.problem(502);
    }
    bob.has_token(&signer.token(&but(&world, "exp", json!(world.time().seconds() - 60))));
    bob.fetches("/api/x").await.asks_for("login_required", None);
}

#[tokio::test]
async fn keys_come_from_files_as_well() {
    let signer = Signer::new("RS256", "1");
    let secret = b"32 bytes that nobody else knows!";
    let files = [
        ("set.json", key_set(&[&signer])),
        ("key.pem", signer.pem()),
        ("shared.secret", String::from_utf8_lossy(secret).into_owned()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let issuer = Issuer::open(&[]).await;
    let hashed = Signer::with_secret(secret);
    for (key, algorithm, signer) in [
        ("keys_file = \"set.json\"", "RS256", &signer),
        ("keys_file = \"key.pem\"", "RS256", &signer),
        ("secret_file = \"shared.secret\"", "HS256", &hashed),
    ] {
        let address = format!("keys = {:?}", issuer.keys());
        let configuration = in_cookie(&issuer)
            .with(&address, key)
            .with("[\"ES256\", \"EdDSA\", \"RS256\"]", &format!("[{algorithm:?}]"));
        let world = World::open_with(&files, configuration).await;
        let mut bob = enrolled(&world, &signer.token(&claims(&world, "bob"))).await;
        bob.has_cookie("app_token", &Signer::new("RS256", "1").token(&claims(&world, "bob")));
        nobody_passes(&world, &mut bob, key).await;
    }
    assert_eq!(issuer.asked(), 0);
}

#[tokio::test]
async fn a_file_of_keys_is_read_again_at_a_reload() {
    let (old, new) = (Signer::new("ES256", "1"), Signer::new("ES256", "2"));
    let issuer = Issuer::open(&[]).await;
    let configuration = in_cookie(&issuer).with(&format!("keys = {:?}", issuer.keys()), "keys_file = \"set.json\"");
    let world = World::open_with(&[("set.json", &key_set(&[&old]))], configuration.clone()).await;
    let mut bob = enrolled(&world, &old.token(&claims(&world, "bob"))).await;
    std::fs::write(world.file("set.json"), key_set(&[&new])).expect("a file");
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    world.reloads(&configuration);
    nobody_passes(&world, &mut bob, "the old key is gone").await;
    bob.has_cookie("app_token", &new.token(&claims(&world, "bob")));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn keys_that_travel_come_from_whom_an_authority_vouches_for() {
    let signer = Signer::new("ES256", "1");
    let (issuer, certificate) = Issuer::open_with_tls("localhost", &[&signer]).await;
    let (_, stranger) = Issuer::open_with_tls("localhost", &[&signer]).await;
    let files = [("issuer.pem", certificate.as_str()), ("stranger.pem", stranger.as_str())];
    let configuration = |host: &str, authority: &str| {
        let keys = format!("keys = \"https://{host}:{}/jwks.json\"\nkeys_authorities = {authority:?}", issuer.port());
        in_cookie(&issuer).with(&format!("keys = {:?}", issuer.keys()), &keys)
    };
    let world = World::open_with(&files, configuration("localhost", "issuer.pem")).await;
    enrolled(&world, &signer.token(&claims(&world, "bob"))).await;
    for (host, authority) in [("localhost", "stranger.pem"), ("127.0.0.1", "issuer.pem")] {
        let world = World::open_with(&files, configuration(host, authority)).await;
        let mut bob = with_token(&world, &signer.token(&claims(&world, "bob")));
        nobody_passes(&world, &mut bob, host).await;
    }
}
