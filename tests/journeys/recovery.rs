//! Recovery codes, for whoever lost the authenticator.

use std::time::Duration;

use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, at_once, required};

/// Somebody at a new browser, asked for a code.
async fn anew(visitor: &Visitor) -> Visitor {
    let mut anew = visitor.elsewhere();
    anew.logs_in().await;
    anew.opens("/reports").await.shows(Sight::Challenge);
    anew
}

#[tokio::test]
async fn a_recovery_code_lets_in_once() {
    let world = World::open(required()).await;
    let enrolled = world.enrolled("bob").await;
    let mut bob = anew(&enrolled).await;
    bob.follows_the_link_to("/_2fa/recover").await.shows(Sight::Recovery);
    let code = bob.recovery_codes[3].clone();
    bob.recovers_with(&code).await.shows(Sight::Dashboard);
    bob.page().is_at("/reports");
    assert_eq!(world.dashboard().last_request().field("x-vestibule-factor"), "recovery-code");
    bob.opens("/_2fa/profile").await.says("9 unused codes");

    let mut bob = anew(&enrolled).await;
    bob.recovers_with(&code).await.shows(Sight::RecoveryCodeRefused);
    let other = bob.recovery_codes[4].clone();
    bob.recovers_with(&other).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn of_many_browsers_with_the_same_recovery_code_one_is_let_in() {
    let world = World::open(required().with("workers = 1", "workers = 2")).await;
    let enrolled = world.enrolled("bob").await;
    let code = enrolled.recovery_codes[0].clone();
    let mut browsers = Vec::new();
    for _ in 0..4 {
        let mut browser = anew(&enrolled).await;
        browser.opens("/_2fa/recover").await;
        browsers.push(browser);
    }
    let code = code.as_str();
    let tries = browsers.iter_mut().map(|browser| async move { browser.recovers_with(code).await });
    let inside = at_once(tries).await.iter().filter(|page| page.is_of_the_dashboard()).count();
    assert_eq!(inside, 1);
}

#[tokio::test]
async fn a_code_can_be_typed_as_people_type() {
    let world = World::open(required()).await;
    let enrolled = world.enrolled("bob").await;
    let written: [fn(&str) -> String; 3] = [
        str::to_lowercase,
        |code| code.replace('-', " "),
        |code| code.replace('-', "").replace('0', "O").replace('1', "l"),
    ];
    for (code, write) in enrolled.recovery_codes.iter().zip(written) {
        let mut bob = anew(&enrolled).await;
        bob.recovers_with(&write(code)).await.shows(Sight::Dashboard);
    }
}

#[tokio::test]
async fn a_code_of_somebody_else_is_no_good_and_not_used_up() {
    let world = World::open(required()).await;
    let bob = world.enrolled("bob").await;
    let carol = world.enrolled("carol").await;
    let code = &carol.recovery_codes[0];
    let mut thief = anew(&bob).await;
    thief.opens("/_2fa/recover").await;
    let fields = [("recovery_code", code.as_str()), ("user", "id-carol"), ("account", "2")];
    thief.posts("/_2fa/recover", &fields).await.shows(Sight::RecoveryCodeRefused);
    anew(&carol).await.recovers_with(code).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn wrong_recovery_codes_have_to_wait_but_never_lock() {
    let world = World::open(required()).await;
    let enrolled = world.enrolled("bob").await;
    let mut bob = anew(&enrolled).await;
    bob.opens("/_2fa/recover").await;
    for count in 1..=25 {
        let page = bob.posts("/_2fa/recover", &[("recovery_code", "0000-0000-0000-0000")]).await;
        page.shows(Sight::RecoveryCodeRefused);
        assert_eq!(page.wait().is_some(), count >= 5, "after {count}");
        world.passes(page.wait().unwrap_or_default());
        bob.opens("/_2fa/recover").await;
    }
    // A recovery code has no part in the failures of the authenticator.
    bob.opens("/reports").await;
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    let mut bob = anew(&enrolled).await;
    let code = bob.recovery_codes[0].clone();
    bob.recovers_with(&code).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn after_it_the_authenticator_is_replaced_without_a_code_for_five_minutes() {
    let world = World::open(required()).await;
    let enrolled = world.enrolled("bob").await;
    let mut bob = anew(&enrolled).await;
    let code = bob.recovery_codes[0].clone();
    bob.recovers_with(&code).await.shows(Sight::Dashboard);
    bob.opens("/_2fa/profile").await.says("You logged in with a recovery code");
    bob.submits("/_2fa/profile/replace", &[]).await.shows(Sight::Enrollment);
    let old = bob.authenticator().clone();
    bob.enrolls().await;
    assert_ne!(old.secret(), bob.authenticator().secret());

    let mut bob = anew(&bob).await;
    bob.gives(&old.fresh_code()).await.shows(Sight::CodeRefused);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    // The older recovery codes went with the older key.
    let mut bob = anew(&bob).await;
    bob.recovers_with(&enrolled.recovery_codes[1]).await.shows(Sight::RecoveryCodeRefused);
}

#[tokio::test]
async fn later_than_that_replacing_it_takes_a_code() {
    let world = World::open(required()).await;
    let enrolled = world.enrolled("bob").await;
    let mut bob = anew(&enrolled).await;
    let code = bob.recovery_codes[0].clone();
    bob.recovers_with(&code).await.shows(Sight::Dashboard);
    bob.opens("/_2fa/profile").await;
    world.passes(Duration::from_mins(5));
    bob.submits("/_2fa/profile/replace", &[]).await.shows(Sight::ProfileRefusesCode);
    bob.opens("/_2fa/enroll").await.shows(Sight::Profile);
}

#[tokio::test]
async fn an_admin_who_used_one_administers_nothing_until_the_authenticator_is_replaced() {
    let world = World::open(required()).await;
    world.enrolled("bob").await;
    let enrolled = world.enrolled("alice").await;
    let mut alice = anew(&enrolled).await;
    let code = alice.recovery_codes[0].clone();
    alice.recovers_with(&code).await.shows(Sight::Dashboard);
    for page in ["settings", "settings/security", "settings/audit"] {
        alice.opens(&format!("/_2fa/{page}")).await.shows(Sight::LimitedAccess);
        alice.page().says("Replace your authenticator");
    }
    alice.posts("/_2fa/settings/requirement", &[("requirement", "optional")]).await.shows(Sight::LimitedAccess);
    alice.posts("/_2fa/settings/security/reset", &[("account", "1")]).await.shows(Sight::LimitedAccess);

    alice.opens("/_2fa/profile").await;
    alice.submits("/_2fa/profile/replace", &[]).await.shows(Sight::Enrollment);
    alice.enrolls().await;
    alice.opens("/_2fa/settings").await.shows(Sight::Settings);
}
