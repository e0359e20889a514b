//! Giving a code, and what becomes of one that is no good.

use std::time::Duration;

use crate::support::page::Page;
use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, at_once, required};

/// Bob, who has logged in again and is asked for a code.
async fn challenged(world: &World) -> Visitor {
    let mut bob = world.enrolled("bob").await;
    bob.logs_out().await;
    // So that every code of the moment is one that was not given yet.
    world.passes(Duration::from_mins(2));
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob
}

#[tokio::test]
async fn spaces_and_dashes_in_a_code_are_nothing() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for shape in ["### ###", "##-##-##", "  ###### ", "# # # - # # #"] {
        bob.logs_out().await;
        bob.logs_in().await;
        bob.opens("/reports").await;
        let code = bob.authenticator().fresh_code();
        let mut digits = code.chars();
        let typed: String =
            shape.chars().map(|c| if c == '#' { digits.next().expect("six digits") } else { c }).collect();
        bob.gives(&typed).await.shows(Sight::Dashboard);
        bob.page().is_at("/reports");
    }
}

#[tokio::test]
async fn the_code_of_now_the_one_before_and_the_one_after_are_good_and_no_others() {
    for steps in -3..=3 {
        let world = World::open(required()).await;
        let mut bob = challenged(&world).await;
        let code = bob.authenticator().code(steps);
        let good = (-1..=1).contains(&steps);
        bob.gives(&code).await.shows(if good { Sight::Dashboard } else { Sight::CodeRefused });
    }
}

#[tokio::test]
async fn a_code_is_refused_the_second_time_in_whichever_browser() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await;
    let code = bob.authenticator().fresh_code();
    bob.gives(&code).await.shows(Sight::Dashboard);
    elsewhere.gives(&code).await.shows(Sight::CodeRefused);
    let earlier = bob.authenticator().code(-1);
    elsewhere.gives(&earlier).await.shows(Sight::CodeRefused);
    let page = bob.opens("/_2fa/profile").await;
    page.says("A code was entered a second time");
    bob.submits("/_2fa/profile/recovery-codes", &[("code", &code)]).await.shows(Sight::ProfileRefusesCode);
}

/// Many browsers of the same person, each asked for a code.
async fn browsers(bob: &Visitor, count: usize) -> Vec<Visitor> {
    let mut browsers = Vec::new();
    for _ in 0..count {
        let mut browser = bob.elsewhere();
        browser.logs_in().await;
        browser.opens("/reports").await.shows(Sight::Challenge);
        browsers.push(browser);
    }
    browsers
}

/// They all give this code, begun together.
async fn give_at_once(browsers: &mut [Visitor], code: &str) -> Vec<Page> {
    at_once(browsers.iter_mut().map(|browser| async move { browser.gives(code).await })).await
}

#[tokio::test]
async fn of_many_browsers_that_send_the_same_code_at_once_one_is_let_in() {
    let world = World::open(required().with("workers = 1", "workers = 2")).await;
    let bob = challenged(&world).await;
    let code = bob.authenticator().fresh_code();
    let pages = give_at_once(&mut browsers(&bob, 4).await, &code).await;
    assert_eq!(pages.iter().filter(|page| page.is_of_the_dashboard()).count(), 1);
}

#[tokio::test]
async fn of_many_guesses_at_once_no_more_are_looked_at_than_one_after_the_other() {
    let world = World::open(required().with("workers = 1", "workers = 2")).await;
    let bob = challenged(&world).await;
    let mut browsers = browsers(&bob, 12).await;
    let pages = give_at_once(&mut browsers, &bob.authenticator().wrong_code()).await;
    let looked_at = pages.iter().filter(|page| !page.words().contains("Too many tries")).count();
    assert_eq!(looked_at, 5);
    give_at_once(&mut browsers, &bob.authenticator().code(0)).await.iter().for_each(|page| page.shows(Sight::TooSoon));
}

#[tokio::test]
async fn two_gateways_on_one_store_count_together() {
    let world = World::open(required()).await;
    let mut here = challenged(&world).await;
    let beside = world.open_beside(required()).await;
    let mut there = here.in_front_of(beside.gateway());
    there.opens("/reports").await.shows(Sight::Challenge);
    let code = here.authenticator().fresh_code();
    here.gives(&code).await.shows(Sight::Dashboard);
    there.logs_in().await;
    there.opens("/reports").await.shows(Sight::Challenge);
    there.gives(&code).await.shows(Sight::CodeRefused);

    let wrong = here.authenticator().wrong_code();
    for _ in 0..3 {
        here.posts("/_2fa/profile/recovery-codes", &[("code", &wrong)]).await.shows(Sight::ProfileRefusesCode);
    }
    assert_eq!(there.gives(&wrong).await.wait(), Some(Duration::from_secs(5)));
    here.posts("/_2fa/profile/recovery-codes", &[("code", &wrong)]).await.shows(Sight::TooSoon);
}

#[tokio::test]
async fn a_used_code_looks_like_a_wrong_one() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let used = bob.authenticator().fresh_code();
    bob.gives(&used).await.shows(Sight::Dashboard);
    let mut looks = Vec::new();
    for code in [bob.authenticator().wrong_code(), used] {
        bob.loses_session();
        bob.opens("/reports").await;
        let page = bob.gives(&code).await;
        page.shows(Sight::CodeRefused);
        looks.push(page.without_id_and_time());
    }
    assert_eq!(looks[0], looks[1]);
}

/// Gives that many wrong codes, as soon as each is heard.
async fn fails(world: &World, thief: &mut Visitor, times: usize) {
    for _ in 0..times {
        let wrong = thief.authenticator().wrong_code();
        let page = thief.gives(&wrong).await;
        page.shows(Sight::CodeRefused);
        world.passes(page.wait().unwrap_or_default());
        if page.wait().is_some_and(|wait| wait > Duration::from_mins(5)) {
            // The pending session runs out on the way.
            thief.opens("/reports").await.shows(Sight::Challenge);
        }
    }
}

#[tokio::test]
async fn the_wait_grows_with_every_failure_in_a_row_and_is_kept() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let mut waits = Vec::new();
    for _ in 0..14 {
        let wrong = bob.authenticator().wrong_code();
        let page = bob.gives(&wrong).await;
        page.shows(Sight::CodeRefused);
        waits.push(page.wait().map_or(0, |wait| wait.as_secs()));
        let Some(wait) = page.wait() else { continue };

        // A moment too early even the right code is not looked at, and that is no failure.
        world.passes(wait.saturating_sub(Duration::from_secs(1)));
        bob.opens("/reports").await;
        let right = bob.authenticator().code(0);
        let page = bob.gives(&right).await;
        page.shows(Sight::TooSoon);
        assert_eq!(page.wait(), Some(Duration::from_secs(1)));
        world.passes(Duration::from_secs(1));
    }
    assert_eq!(waits, [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
    bob.opens("/reports").await;
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);

    // Whoever was let in starts anew.
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/reports").await;
    let wrong = bob.authenticator().wrong_code();
    assert_eq!(bob.gives(&wrong).await.wait(), None);
}

#[tokio::test]
async fn twenty_failures_in_a_row_lock_the_factor_until_a_recovery_code_is_used() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    fails(&world, &mut bob, 20).await;
    bob.opens("/reports").await;
    bob.gives_a_fresh_code().await.shows(Sight::CodeRefused);
    // However long he waits.
    world.passes(Duration::from_hours(24));
    bob.opens("/reports").await;
    bob.gives_a_fresh_code().await.shows(Sight::CodeRefused);

    world.passes(Duration::from_hours(1));
    bob.opens("/_2fa/recover?next=/reports").await.shows(Sight::Recovery);
    let code = bob.recovery_codes[0].clone();
    bob.recovers_with(&code).await.shows(Sight::Dashboard);
    bob.logs_out().await;
    bob.signs_in().await;
}

#[tokio::test]
async fn a_locked_factor_is_unlocked_by_a_reset() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    fails(&world, &mut bob, 20).await;
    let mut alice = world.enrolled("alice").await;
    alice.opens("/_2fa/settings/security").await.says("Bob Brown Locked");
    alice.resets("Bob Brown").await.announces("Bob Brown");
    bob.opens("/reports").await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob.logs_out().await;
    bob.signs_in().await;
}

#[tokio::test]
async fn two_hundred_and_fifty_failures_in_thirty_days_lock_it_too_and_that_looks_like_a_wrong_code() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let wrong = bob.authenticator().wrong_code();
    for _ in 0..5 {
        bob.gives(&wrong).await.shows(Sight::CodeRefused);
    }
    world.passes(Duration::from_secs(30));
    let sixth_in_a_row = bob.gives(&wrong).await;
    sixth_in_a_row.shows(Sight::CodeRefused);
    world.passes(Duration::from_secs(30));
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    for round in 1..=49 {
        bob.loses_session();
        bob.opens("/reports").await.shows(Sight::Challenge);
        for _ in 0..5 {
            bob.posts("/_2fa/verify", &[("code", &wrong), ("next", "/reports")]).await.shows(Sight::CodeRefused);
        }
        world.passes(Duration::from_secs(30));
        let page = bob.gives_a_fresh_code().await;
        if round < 49 {
            page.shows(Sight::Dashboard);
        } else {
            assert_eq!(page.without_id_and_time(), sixth_in_a_row.without_id_and_time());
        }
    }
    // The failures of more than 30 days ago no longer count.
    world.passes(Duration::from_hours(30 * 24));
    bob.opens("/reports").await;
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn failures_are_counted_per_account_over_all_browsers_and_pages() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    let wrong = bob.authenticator().wrong_code();
    for action in ["replace", "recovery-codes"] {
        let page = bob.posts(&format!("/_2fa/profile/{action}"), &[("code", &wrong)]).await;
        page.shows(Sight::ProfileRefusesCode);
        assert_eq!(page.wait(), None);
    }
    for expected in [None, None, Some(Duration::from_secs(5))] {
        let mut elsewhere = bob.elsewhere();
        elsewhere.logs_in().await;
        elsewhere.opens("/").await;
        let page = elsewhere.gives(&wrong).await;
        page.shows(Sight::CodeRefused);
        assert_eq!(page.wait(), expected);
    }
    bob.posts("/_2fa/profile/replace", &[("code", &wrong)]).await.shows(Sight::TooSoon);
    // Somebody else's account has nothing to do with it.
    let mut carol = world.enrolled("carol").await;
    carol.logs_out().await;
    carol.signs_in().await;
}

#[tokio::test]
async fn nobody_without_the_first_factor_can_charge_a_try() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let mut stranger = world.visitor("bob");
    for _ in 0..30 {
        stranger.posts("/_2fa/verify", &[("code", "000000"), ("user", "bob")]).await.shows(Sight::DashboardLogin);
        stranger.posts("/_2fa/recover", &[("recovery_code", "0")]).await.shows(Sight::DashboardLogin);
    }
    let wrong = bob.authenticator().wrong_code();
    assert_eq!(bob.gives(&wrong).await.wait(), None);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_code_of_somebody_else_is_no_good_whoever_the_form_names() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let carol = world.enrolled("carol").await;
    world.passes(Duration::from_mins(2));
    let code = carol.authenticator().code(0);
    bob.opens("/reports").await;
    let fields = [("code", code.as_str()), ("user", "id-carol"), ("account", "1"), ("email", "carol@acme.example")];
    bob.posts("/_2fa/verify?user=id-carol", &fields).await.shows(Sight::CodeRefused);
    // Hers was not used up by that.
    let mut carol = carol;
    carol.logs_out().await;
    carol.logs_in().await;
    carol.opens("/").await;
    carol.gives(&code).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn where_somebody_wanted_to_go_is_kept_through_everything_on_the_way() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    let wanted = "/reports/2026?sort=a%2Bb&q=x+y%26z&from=/elsewhere";
    bob.opens(wanted).await.shows(Sight::Enrollment);
    bob.scans();
    let wrong = bob.authenticator().wrong_code();
    bob.gives(&wrong).await.shows(Sight::FirstCodeRefused);
    bob.gives_a_fresh_code().await.shows(Sight::RecoveryCodes);
    assert_eq!(bob.page().way_on(), wanted);
    let recovery = bob.page().recovery_codes()[0].clone();

    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens(wanted).await.shows(Sight::Challenge);
    bob.gives(&wrong).await.shows(Sight::CodeRefused);
    bob.gives_a_fresh_code().await.is_at(wanted);

    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens(wanted).await.shows(Sight::Challenge);
    bob.follows_the_link_to("/_2fa/recover").await.shows(Sight::Recovery);
    bob.submits("/_2fa/recover", &[("recovery_code", "0000-0000")]).await.shows(Sight::RecoveryCodeRefused);
    bob.submits("/_2fa/recover", &[("recovery_code", &recovery)]).await.is_at(wanted);
}

#[tokio::test]
async fn a_challenge_that_stood_open_for_ten_minutes_asks_again() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    world.passes(Duration::from_mins(10));
    let code = bob.authenticator().code(0);
    bob.gives(&code).await.shows(Sight::ChallengeRanOut);
    // That code was not looked at, so it is good for the new page.
    bob.gives(&code).await.shows(Sight::Dashboard);
    bob.page().is_at("/reports");
}

#[tokio::test]
async fn the_session_has_a_new_value_after_the_code_and_the_old_one_is_worth_nothing() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let pending = bob.session().expect("a pending session");
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    let verified = bob.session().expect("a verified session");
    assert_ne!(pending, verified);
    bob.has_cookie("vestibule", &pending);
    bob.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn a_form_sent_twice_leads_on_the_second_time_too() {
    let world = World::open(required()).await;
    let mut bob = challenged(&world).await;
    let code = bob.authenticator().fresh_code();
    bob.gives(&code).await.shows(Sight::Dashboard);
    bob.posts("/_2fa/verify", &[("code", &code), ("next", "/reports")]).await.shows(Sight::Dashboard);
}
