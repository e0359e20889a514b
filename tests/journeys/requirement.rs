//! Who needs a second factor: every row of the rules, as somebody meets it.

use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn where_it_is_required_somebody_without_it_enrolls_first() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    world.dashboard().news();
    let page = bob.opens("/reports?year=2026").await;
    page.shows(Sight::Enrollment);
    page.says("Your organization asks everybody");
    assert_eq!(world.dashboard().news(), [""; 0], "nothing of the dashboard until it is done");

    bob.enrolls().await;
    let on = bob.page().way_on();
    bob.opens(&on).await.shows(Sight::Dashboard);
    bob.page().is_at("/reports?year=2026");
    assert_eq!(world.dashboard().news(), ["/reports?year=2026"]);
}

#[tokio::test]
async fn where_it_is_required_every_login_asks_for_a_code() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for _ in 0..2 {
        bob.logs_out().await;
        bob.logs_in().await;
        world.dashboard().news();
        bob.opens("/reports").await.shows(Sight::Challenge);
        assert_eq!(world.dashboard().news(), [""; 0]);
        bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
        bob.page().is_at("/reports");
    }
}

#[tokio::test]
async fn where_it_is_optional_somebody_without_it_goes_through() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    bob.fetches("/reports").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn where_it_is_optional_whoever_switched_it_on_gives_a_code() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    elsewhere.gives_a_fresh_code().await.shows(Sight::Dashboard);

    let mut carol = world.logged_in("carol").await;
    carol.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn where_it_is_optional_a_reset_key_has_to_be_replaced_all_the_same() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    let mut alice = world.enrolled("alice").await;
    alice.resets("Bob Brown").await.announces("Bob Brown");

    let page = bob.opens("/reports").await;
    page.shows(Sight::Enrollment);
    page.says("An administrator reset your 2-factor authentication");
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_verified_session_goes_through_whatever_the_organization_asks() {
    for configuration in [optional(), required()] {
        let world = World::open(configuration).await;
        let mut bob = world.enrolled("bob").await;
        bob.opens("/reports").await.shows(Sight::Dashboard);
        bob.opens("/").await.shows(Sight::Dashboard);
    }
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_sent_to_log_in_and_then_on() {
    let world = World::open(required()).await;
    let mut somebody = world.visitor("bob");
    let to = somebody.is_sent("/reports?year=2026&q=a%26b").await;
    assert_eq!(to.as_deref(), Some("/login?next=/reports%3Fyear%3D2026%26q%3Da%2526b"));
    somebody.opens("/reports").await.shows(Sight::DashboardLogin);
    somebody.fetches("/reports").await.asks_for("login_required", None);
    assert_eq!(world.dashboard().news(), ["/login?next=/reports"]);
    assert!(somebody.session().is_none(), "there is nobody to open a session for");
}

#[tokio::test]
async fn a_site_without_a_login_page_asks_to_log_in_itself() {
    let world = World::open(required().with("login = \"/login?next={next}\"\n", "")).await;
    let mut somebody = world.visitor("bob");
    somebody.opens("/reports").await.shows(Sight::LogInFirst);
    somebody.opens("/_2fa/profile").await.shows(Sight::LogInFirst);
}
