//! Scripts, API clients and WebSockets: answers for programs, and the way out for the person behind them.

use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn a_program_is_told_what_is_missing_and_where_to_give_it() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    world.dashboard().news();
    bob.fetches("/api/reports").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    bob.enrolls().await;
    bob.fetches("/api/reports").await.comes_from_the_dashboard();

    let mut elsewhere = bob.elsewhere();
    elsewhere.fetches("/api/reports").await.asks_for("login_required", None);
    elsewhere.logs_in().await;
    elsewhere.fetches("/api/reports").await.asks_for("second_factor_required", Some("/_2fa/verify"));
    assert!(elsewhere.session().is_some(), "the address is opened next, in the same browser");
    elsewhere.opens("/_2fa/verify").await.shows(Sight::Challenge);
    elsewhere.gives_a_fresh_code().await.shows(Sight::Dashboard);
    elsewhere.fetches("/api/reports").await.comes_from_the_dashboard();
    assert_eq!(world.dashboard().news(), ["/api/reports", "/login", "/", "/api/reports"]);
}

#[tokio::test]
async fn who_is_a_program_is_told_by_what_the_request_says() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    let plain = |method, target: &str| bob.request(method, target);
    let programs = [
        plain("GET", "/reports"),
        plain("GET", "/reports").with("Accept", "*/*"),
        plain("GET", "/reports").with("Accept", "application/json").with("X-Requested-With", "XMLHttpRequest"),
        plain("GET", "/reports").with("Accept", "text/html").with("Sec-Fetch-Mode", "cors"),
        plain("GET", "/reports").with("Accept", "text/html").with("Sec-Fetch-Mode", "no-cors"),
        plain("POST", "/reports").with("Accept", "text/html"),
        plain("OPTIONS", "/reports").with("Origin", "http://elsewhere.example"),
        plain("PUT", "/reports"),
        plain("GET", "/reports").with("Content-Type", "application/grpc"),
    ];
    let people = [
        plain("GET", "/reports").with("Accept", "text/html"),
        plain("GET", "/reports").with("Sec-Fetch-Mode", "navigate"),
        plain("HEAD", "/reports").with("Accept", "text/html,*/*"),
        plain("POST", "/reports").with("Sec-Fetch-Mode", "navigate"),
    ];
    for request in programs {
        bob.calls(request).await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    }
    for request in people {
        assert_eq!(bob.is_sent_with(request).await.as_deref(), Some("/_2fa/enroll?next=/reports"));
    }
}

#[tokio::test]
async fn a_websocket_is_not_opened_without_the_second_factor() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.tries_to_talk_to("/ws").await.asks_for("login_required", None);
    bob.logs_in().await;
    world.dashboard().news();
    bob.tries_to_talk_to("/ws").await.asks_for("second_factor_required", Some("/_2fa/verify"));
    assert_eq!(world.dashboard().news(), [""; 0]);
    bob.opens("/").await;
    bob.gives_a_fresh_code().await;
    let mut live = bob.talks_to("/ws").await;
    live.says(b"\x81\x85\0\0\0\0hello").await;
    live.hears(b"hello").await;
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_websocket() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    world.dashboard().news();
    bob.tries_to_talk_from("http://elsewhere.example", "/ws").await.problem(403);
    assert_eq!(world.dashboard().news(), [""; 0]);
}

#[tokio::test]
async fn the_status_says_who_one_is_and_what_is_asked() {
    let world = World::open(required()).await;
    let mut bob = world.visitor("bob");
    bob.fetches("/_2fa/status").await.asks_for("login_required", None);
    bob.logs_in().await;
    let status = bob.fetches("/_2fa/status").await.document();
    let expected = serde_json::json!({
        "user": "id-bob", "email": "bob@acme.example", "name": "Bob Brown", "organization": "acme",
        "requirement": "required", "enrolled": false, "verified": false,
        "verify_url": "/_2fa/enroll", "profile_url": "/_2fa/profile",
    });
    assert_eq!(status, expected);

    bob.opens("/_2fa/enroll").await;
    bob.enrolls().await;
    let status = bob.fetches("/_2fa/status").await.document();
    assert_eq!((&status["enrolled"], &status["verified"]), (&true.into(), &true.into()));

    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    let status = elsewhere.fetches("/_2fa/status").await.document();
    assert_eq!((&status["enrolled"], &status["verified"]), (&true.into(), &false.into()));
    assert_eq!(status["verify_url"], "/_2fa/verify");
    elsewhere.opens("/_2fa/verify").await;
    elsewhere.gives_a_fresh_code().await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn the_status_of_somebody_who_needs_none_says_so() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    let status = bob.fetches("/_2fa/status").await.document();
    assert_eq!((&status["requirement"], &status["enrolled"]), (&"optional".into(), &false.into()));
}
