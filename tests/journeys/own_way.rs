//! What the gateway does with requests that it sends on itself, and learns from their answers.

use std::time::Duration;

use crate::support::world::World;
use crate::support::{Sight, optional};

#[tokio::test]
async fn nobody_can_claim_to_be_vouched_for() {
    let configuration =
        optional().with("[site.identity]", "strip_headers = [\"x-user\", \"remote-user\"]\n\n[site.identity]");
    let world = World::open(configuration).await;
    let mut bob = world.logged_in("bob").await;
    let spellings = [
        "X-Vestibule-User",
        "x-vestibule-user",
        "X_Vestibule_User",
        "X-Vestibule_User",
        "X-VESTIBULE-USER",
        "X-Vestibule-Anything",
        "X_VESTIBULE_FACTOR",
        "X-Vestibule-Verified-At",
        "X-User",
        "x_user",
        "Remote-User",
        "REMOTE_USER",
        "Remote_user",
    ];
    for target in ["/reports", "/login", "/static/app.css"] {
        let all = spellings.iter().fold(bob.navigation(target), |request, name| request.with(name, "ev1l"));
        assert!(bob.sends(all).await.is_of_the_dashboard());
        let seen = world.dashboard().last_request();
        let fields: Vec<_> = seen.fields.iter().filter(|(_, value)| value.as_bytes() == b"ev1l").collect();
        assert!(fields.is_empty(), "{fields:?}");
        let user = if target == "/reports" { "id-bob" } else { "" };
        assert_eq!(seen.field("x-vestibule-user"), user);
    }
    for question in world.dashboard().questions() {
        assert!(question.fields.values().all(|value| value != "ev1l"));
    }
}

#[tokio::test]
async fn a_connection_field_takes_nothing_away_that_the_gateway_adds() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    let request = bob
        .navigation("/reports")
        .with("Connection", "X-Vestibule-User, X-Vestibule-Factor, Cookie, X-Forwarded-For, X-Own")
        .with("X-Own", "gone");
    bob.sends(request).await.shows(Sight::Dashboard);
    let seen = world.dashboard().last_request();
    assert_eq!(seen.field("x-vestibule-user"), "id-bob");
    assert_eq!(seen.field("x-vestibule-factor"), "none");
    assert_eq!(seen.field("x-forwarded-for"), "127.0.0.1");
    assert!(seen.field("cookie").contains("sid="));
    assert_eq!(seen.field("x-own"), "");
}

/// Whom it takes a password or a token for, nobody has looked at.
#[tokio::test]
async fn authorization_reaches_it_only_as_a_credential() {
    for (credentials, seen) in [("[\"cookie\"]", ""), ("[\"cookie\", \"authorization\"]", "Bearer of-bob")] {
        let line = format!("credentials = {credentials}\n\n[site.identity]");
        let world = World::open(optional().with("[site.identity]", &line)).await;
        let mut bob = world.logged_in("bob").await;
        for target in ["/login", "/reports"] {
            bob.sends(bob.navigation(target).with("Authorization", "Bearer of-bob")).await;
            assert_eq!(world.dashboard().last_request().field("authorization"), seen, "{target} with {credentials}");
        }
    }
}

#[tokio::test]
async fn its_word_on_somebody_is_used_again_for_seconds_and_for_exactly_the_same_credentials() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    let asked = || world.dashboard().questions().len();
    bob.opens("/reports").await;
    let before = asked();
    bob.opens("/reports").await;
    bob.opens("/other").await;
    assert_eq!(asked(), before);
    bob.has_cookie("theme", "dark");
    bob.opens("/reports").await;
    assert_eq!(asked(), before + 1);
    world.passes(Duration::from_secs(5));
    bob.opens("/reports").await;
    assert_eq!(asked(), before + 2);
    for (target, sight) in [("/forbidden", Sight::DashboardForbids), ("/reports?set-cookie=lang=en", Sight::Dashboard)]
    {
        bob.opens("/reports").await;
        let before = asked();
        bob.opens(target).await.shows(sight);
        bob.opens("/reports").await;
        assert!(asked() > before, "forgotten after {target}");
    }
}

#[tokio::test]
async fn it_can_not_set_the_gateways_cookie() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    let session = bob.session();
    for cookie in ["vestibule=ev1l", "vestibule=;Max-Age=0", "=vestibule=ev1l", "__Host-vestibule=ev1l"] {
        bob.opens(&format!("/reports?set-cookie={cookie}")).await.shows(Sight::Dashboard);
        assert_eq!(bob.session(), session, "{cookie}");
        assert!(bob.cookie("__Host-vestibule").is_none());
    }
    bob.opens("/reports?set-cookie=theme=dark").await;
    assert_eq!(bob.cookie("theme").as_deref(), Some("dark"));
}

#[tokio::test]
async fn a_dashboard_that_is_gone_lets_nobody_in() {
    let world = World::open(optional().with("http://DASHBOARD", "http://127.0.0.1:1")).await;
    let mut bob = world.visitor("bob");
    bob.has_cookie("sid", "x");
    bob.opens("/reports").await.shows(Sight::NobodySaysWho);
    bob.opens("/login").await.shows(Sight::DashboardGone);
}

#[tokio::test]
async fn who_is_not_logged_in_is_never_remembered() {
    let world = World::open(optional()).await;
    let mut bob = world.visitor("bob");
    bob.has_cookie("sid", "none");
    for _ in 0..3 {
        bob.opens("/reports").await.shows(Sight::DashboardLogin);
    }
    assert_eq!(world.dashboard().questions().len(), 3);
}
