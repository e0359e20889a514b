//! Dashboards whose scripts keep a token and send it in a header: navigations carry no credential there.

use crate::support::visitor::Visitor;
use crate::support::world::Configuration;
use crate::support::world::World;
use crate::support::{Sight, required};

/// The page itself is open to everybody; what it asks for is not.
fn by_token() -> Configuration {
    required()
        .with("bind = \"cookie:sid\"", "credentials = [\"authorization\"]")
        .with("public = [\"/login\", \"/static/*\"]", "public = [\"/\", \"/static/*\"]")
        .with("login = \"/login?next={next}\"", "login = \"/\"")
}

/// Somebody whose script has a token.
fn with_token(world: &World, login: &str) -> Visitor {
    let mut visitor = world.visitor(login);
    visitor.has_token(&world.dashboard().token_of(login));
    visitor
}

/// Somebody whose script asked for something, and who set up an authenticator thereupon.
async fn enrolled(world: &World, login: &str) -> Visitor {
    let mut visitor = with_token(world, login);
    visitor.fetches("/api/queues").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    visitor.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    visitor.enrolls().await;
    visitor
}

#[tokio::test]
async fn the_address_that_a_script_is_told_works_though_its_navigation_carries_no_credential() {
    let world = World::open(by_token()).await;
    let mut bob = with_token(&world, "bob");
    bob.opens("/").await.shows(Sight::Dashboard);
    world.dashboard().news();
    bob.fetches("/api/queues").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    bob.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    bob.page().says("Bob Brown");
    bob.enrolls().await;
    bob.fetches("/api/queues").await.comes_from_the_dashboard();

    let mut elsewhere = bob.elsewhere();
    elsewhere.has_token(&world.dashboard().token_of("bob"));
    elsewhere.fetches("/api/queues").await.asks_for("second_factor_required", Some("/_2fa/verify"));
    elsewhere.opens("/_2fa/verify").await.shows(Sight::Challenge);
    elsewhere.gives_a_fresh_code().await.shows(Sight::Dashboard);
    elsewhere.fetches("/api/queues").await.comes_from_the_dashboard();
    assert_eq!(world.dashboard().news(), ["/api/queues", "/", "/api/queues"]);
}

#[tokio::test]
async fn a_navigation_ends_nothing() {
    let world = World::open(by_token()).await;
    let mut bob = enrolled(&world, "bob").await;
    bob.opens("/").await.shows(Sight::Dashboard);
    bob.opens("/static/app.js").await.shows(Sight::Dashboard);
    bob.opens("/_2fa/profile").await.shows(Sight::Profile);
    // Without the token nobody is known for the dashboard itself, session or not.
    world.dashboard().news();
    let page = bob.opens("/api/queues").await;
    page.is_at("/");
    assert_eq!(world.dashboard().news(), ["/"]);
    bob.fetches("/api/queues").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn the_session_is_of_no_use_with_the_token_of_somebody_else() {
    let world = World::open(by_token()).await;
    let bob = enrolled(&world, "bob").await;
    let mut thief = with_token(&world, "carol");
    thief.steals_session_of(&bob);
    thief.fetches("/api/queues").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    let mut stranger = world.visitor("bob");
    stranger.steals_session_of(&enrolled(&world, "alice").await);
    stranger.fetches("/api/queues").await.asks_for("login_required", None);
}

#[tokio::test]
async fn bound_to_the_token_it_is_of_no_use_with_another_one_of_the_same_person() {
    let bound = by_token()
        .with("credentials = [\"authorization\"]", "credentials = [\"authorization\"]\nbind = \"authorization\"");
    let world = World::open(bound).await;
    let mut bob = enrolled(&world, "bob").await;
    bob.fetches("/api/queues").await.comes_from_the_dashboard();
    bob.opens("/_2fa/profile").await.shows(Sight::Profile);
    let mut thief = with_token(&world, "bob");
    thief.steals_session_of(&bob);
    thief.fetches("/api/queues").await.asks_for("second_factor_required", Some("/_2fa/verify"));
}

#[tokio::test]
async fn a_token_that_is_worth_nothing_any_more_ends_the_session() {
    let world = World::open(by_token()).await;
    let mut bob = enrolled(&world, "bob").await;
    world.dashboard().forgets_everybody();
    world.a_moment_passes();
    bob.fetches("/api/queues").await.asks_for("login_required", None);
    bob.has_token(&world.dashboard().token_of("bob"));
    bob.fetches("/api/queues").await.asks_for("second_factor_required", Some("/_2fa/verify"));
}

#[tokio::test]
async fn a_pending_session_alone_reaches_no_page_but_its_own() {
    let world = World::open(by_token()).await;
    let bob = enrolled(&world, "bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.has_token(&world.dashboard().token_of("bob"));
    elsewhere.fetches("/api/queues").await.asks_for("second_factor_required", Some("/_2fa/verify"));
    for page in ["profile", "settings", "settings/security", "enroll"] {
        elsewhere.opens(&format!("/_2fa/{page}")).await.shows(Sight::Challenge);
    }
    elsewhere.fetches("/api/queues").await.asks_for("second_factor_required", Some("/_2fa/verify"));
}
