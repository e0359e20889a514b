//! The organization's switch, and who may turn it.

use std::time::Duration;

use crate::support::world::World;
use crate::support::{Sight, optional, required};

const SWITCH: &str = "/_2fa/settings/requirement";

#[tokio::test]
async fn turning_it_on_says_whom_it_concerns_and_acts_at_once() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let mut carol = world.logged_in("carol").await;
    carol.opens("/reports").await.shows(Sight::Dashboard);
    let mut alice = world.enrolled("alice").await;

    let page = alice.opens("/_2fa/settings").await;
    page.shows(Sight::Settings);
    page.says("1 of 3 people have it on, 2 not yet");
    page.says("2 people will be asked to set it up");
    let page = alice.submits(SWITCH, &[]).await;
    page.shows(Sight::Settings);
    page.announces("2-factor authentication is now required for everybody");

    bob.opens("/reports").await.shows(Sight::Enrollment);
    bob.fetches("/reports").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    carol.opens("/reports").await.shows(Sight::Enrollment);
    alice.opens("/reports").await.shows(Sight::Dashboard);
    // Another organization has nothing to do with it.
    let mut yann = world.logged_in("yann").await;
    yann.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn turning_it_off_lets_those_through_who_have_none() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Enrollment);
    let carol = world.enrolled("carol").await;
    let mut alice = world.enrolled("alice").await;
    alice.opens("/_2fa/settings").await;
    alice.submits(SWITCH, &[]).await.announces("2-factor authentication is now optional");
    bob.opens("/reports").await.shows(Sight::Dashboard);
    // Who has it on keeps it on.
    let mut carol = carol.elsewhere();
    carol.logs_in().await;
    carol.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn whoever_is_no_admin_has_limited_access_to_page_and_action() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for page in ["settings", "settings/security", "settings/security?reset=1", "settings/audit"] {
        bob.opens(&format!("/_2fa/{page}")).await.shows(Sight::LimitedAccess);
    }
    bob.posts(SWITCH, &[("requirement", "optional")]).await.shows(Sight::LimitedAccess);
    bob.posts("/_2fa/settings/security/reset", &[("account", "1")]).await.shows(Sight::LimitedAccess);
    bob.fetches("/_2fa/settings").await.problem(403);
    bob.opens("/_2fa/profile").await.says_nothing_of("/_2fa/settings");

    let mut carol = world.logged_in("carol").await;
    carol.opens("/reports").await.shows(Sight::Enrollment);
}

#[tokio::test]
async fn an_admin_without_a_second_factor_turns_nothing_on() {
    let world = World::open(optional()).await;
    let mut alice = world.logged_in("alice").await;
    for page in ["settings", "settings/security", "settings/audit"] {
        alice.opens(&format!("/_2fa/{page}")).await.shows(Sight::LimitedAccess);
        alice.page().says("Set it up in your profile");
    }
    alice.posts(SWITCH, &[("requirement", "required")]).await.shows(Sight::LimitedAccess);
    alice.opens("/reports").await.shows(Sight::Dashboard);
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn an_admin_who_was_not_verified_yet_gives_a_code_first() {
    let world = World::open(optional()).await;
    let mut alice = world.enrolled("alice").await.elsewhere();
    alice.logs_in().await;
    alice.posts(SWITCH, &[("requirement", "required")]).await.shows(Sight::Challenge);
    alice.gives_a_fresh_code().await.shows(Sight::Settings);
    alice.page().is_at("/_2fa/settings");
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn an_action_takes_a_code_if_the_last_one_is_five_minutes_old() {
    let world = World::open(optional()).await;
    let mut alice = world.enrolled("alice").await;
    world.passes(Duration::from_mins(5));
    let used = alice.authenticator().code(-10);
    // The page asks, and the server does whatever the page shows.
    alice.posts(SWITCH, &[("requirement", "required")]).await.shows(Sight::SettingsAskForCode);
    alice.opens("/_2fa/settings").await.shows(Sight::Settings);
    let wrong = alice.authenticator().wrong_code();
    for code in [wrong, used] {
        alice.submits(SWITCH, &[("code", &code)]).await.shows(Sight::SettingsRefuseCode);
    }
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);

    let before = alice.session();
    let code = alice.authenticator().fresh_code();
    alice.submits(SWITCH, &[("code", &code)]).await.announces("now required");
    assert_ne!(alice.session(), before, "a new value with every code");
    bob.opens("/reports").await.shows(Sight::Enrollment);
    // Which is good for five minutes again.
    world.passes(Duration::from_secs(299));
    alice.posts(SWITCH, &[("requirement", "optional")]).await.announces("now optional");
}

#[tokio::test]
async fn just_before_five_minutes_no_code_is_asked_for() {
    let world = World::open(optional()).await;
    let mut alice = world.enrolled("alice").await;
    world.passes(Duration::from_secs(299));
    alice.posts(SWITCH, &[("requirement", "required")]).await.announces("now required");
}

#[tokio::test]
async fn what_the_operator_has_fixed_is_locked() {
    for (requirement, other) in [("optional", "required"), ("required", "optional")] {
        let written = format!("requirement = \"{requirement}\"");
        let locked = format!("{written}\nlocked = true");
        let world = World::open(optional().with("requirement = \"optional\"", &locked)).await;
        let mut alice = world.enrolled("alice").await;
        let page = alice.opens("/_2fa/settings").await;
        page.shows(Sight::Settings);
        page.says("Whoever operates this site has fixed this setting");
        assert!(!page.offers(SWITCH));
        alice.posts(SWITCH, &[("requirement", other)]).await.shows(Sight::SettingsLocked);
        let mut bob = world.logged_in("bob").await;
        let expected = if requirement == "required" { Sight::Enrollment } else { Sight::Dashboard };
        bob.opens("/reports").await.shows(expected);
    }
}

#[tokio::test]
async fn what_the_operator_fixes_holds_whatever_was_set_before() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let locked = optional().with("requirement = \"optional\"", "requirement = \"required\"\nlocked = true");
    let fixed = world.open_beside(locked).await;
    let mut bob = fixed.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Enrollment);
}

#[tokio::test]
async fn who_is_an_admin_is_what_the_dashboard_says_now() {
    let world = World::open(required()).await;
    let mut alice = world.enrolled("alice").await;
    alice.opens("/_2fa/settings").await.shows(Sight::Settings);
    world.dashboard().changes("alice", |alice| "member".clone_into(&mut alice.role));
    alice.opens("/_2fa/settings").await.shows(Sight::LimitedAccess);
    alice.posts(SWITCH, &[("requirement", "optional")]).await.shows(Sight::LimitedAccess);
    alice.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn only_what_is_listed_marks_an_admin() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for role in ["Admin", "admin ", "administrator", "", "true", "member,admin"] {
        world.dashboard().changes("bob", |bob| role.clone_into(&mut bob.role));
        bob.opens("/_2fa/settings").await.shows(Sight::LimitedAccess);
    }
}

#[tokio::test]
async fn a_requirement_that_is_neither_is_refused() {
    let world = World::open(optional()).await;
    let mut alice = world.enrolled("alice").await;
    for fields in [
        &[("requirement", "Required")][..],
        &[("requirement", "")],
        &[],
        &[("requirement", "required"), ("requirement", "required")],
    ] {
        alice.posts(SWITCH, fields).await.shows(Sight::BadRequest);
    }
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
}
