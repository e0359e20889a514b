//! A store that fails while the gateway runs: the door is shut until it is back.

use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn nobody_passes_while_the_store_is_gone() {
    let world = World::open(optional()).await;
    let mut unasked = world.logged_in("carol").await;
    unasked.opens("/reports").await.shows(Sight::Dashboard);
    let mut verified = world.enrolled("bob").await;
    let mut pending = verified.elsewhere();
    pending.logs_in().await;
    pending.opens("/reports").await.shows(Sight::Challenge);
    let mut stranger = world.logged_in("yann").await;

    let lost = world.store_loses_everything();
    world.a_moment_passes();
    world.dashboard().news();
    for visitor in [&mut unasked, &mut verified, &mut pending, &mut stranger] {
        visitor.opens("/reports").await.shows(Sight::StoreGone);
        let reply = visitor.fetches("/reports").await.problem(503);
        assert_eq!(reply["reason"], "store_unavailable");
        visitor.opens("/_2fa/profile").await.shows(Sight::StoreGone);
        visitor.posts("/_2fa/verify", &[("code", "000000")]).await.shows(Sight::StoreGone);
    }
    assert_eq!(world.dashboard().news(), [""; 0]);
    // The login page needs no store, and whoever wants to log out can do that at least.
    stranger.opens("/login").await.shows(Sight::DashboardLogin);
    stranger.logs_out().await;
    assert_eq!(world.dashboard().news(), ["/login", "/logout"]);

    drop(lost);
    unasked.opens("/reports").await.shows(Sight::Dashboard);
    verified.opens("/reports").await.shows(Sight::Dashboard);
    pending.opens("/reports").await.shows(Sight::Challenge);
    pending.gives_a_fresh_code().await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_logout_that_can_not_be_written_down_leaves_no_session_in_the_browser() {
    for way in ["link", "form"] {
        let world = World::open(optional().with("bind = \"cookie:sid\"\n", "")).await;
        let mut bob = world.enrolled("bob").await;
        let lost = world.store_loses(&["audit"]);
        match (way, crate::OUTER_SERVER) {
            ("link", None) => bob.opens("/logout").await.shows(Sight::DashboardLogin),
            (_, None) => bob.logs_out().await,
            // What that server sends on is answered to it.
            (_, Some(_)) => bob.opens("/logout").await.shows(Sight::StoreGone),
        }
        drop(lost);
        if crate::OUTER_SERVER.is_some() {
            bob.opens("/reports").await.shows(Sight::Dashboard);
            bob.logs_out().await;
        }
        assert!(bob.session().is_none() || crate::OUTER_SERVER.is_some(), "by {way}");
        bob.logs_in().await;
        bob.opens("/reports").await.shows(Sight::Challenge);
    }
}

#[tokio::test]
async fn a_code_is_not_looked_at_if_the_try_can_not_be_charged() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
    let code = bob.authenticator().fresh_code();
    let form = bob.page().clone();
    {
        let _lost = world.store_loses(&["failed_tries"]);
        bob.gives(&code).await.shows(Sight::StoreGone);
    }
    bob.shows_again(form);
    bob.gives(&code).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_code_is_used_up_together_with_what_it_was_given_for_or_not_at_all() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
    let code = bob.authenticator().fresh_code();
    for table in ["sessions", "audit"] {
        let form = bob.page().clone();
        let lost = world.store_loses(&[table]);
        let page = bob.gives(&code).await;
        assert!(!page.is_of_the_dashboard(), "without {table}");
        drop(lost);
        bob.shows_again(form);
    }
    bob.gives(&code).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn what_can_not_be_written_down_is_not_done() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    let mut alice = world.enrolled("alice").await;
    let account = world.account("id-bob");
    {
        let _lost = world.store_loses(&["audit"]);
        alice.posts("/_2fa/settings/security/reset", &[("account", &account)]).await.shows(Sight::StoreGone);
        alice.posts("/_2fa/settings/requirement", &[("requirement", "required")]).await.shows(Sight::StoreGone);
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
    alice.opens("/_2fa/settings").await.says("Optional");
}

#[tokio::test]
async fn the_recovery_codes_of_an_enrollment_that_was_not_kept_are_not_shown() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Enrollment);
    bob.scans();
    let form = bob.page().clone();
    {
        let _lost = world.store_loses(&["recovery_codes"]);
        bob.gives_a_fresh_code().await.shows(Sight::StoreGone);
    }
    bob.shows_again(form);
    bob.enrolls().await.shows(Sight::RecoveryCodes);
}
