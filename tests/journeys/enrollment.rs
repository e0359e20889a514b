//! Setting up an authenticator.

use std::time::Duration;

use crate::support::authenticator::Authenticator;
use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn a_reload_shows_the_same_key_and_another_browser_another_one() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    let first = bob.opens("/").await;
    assert!(first.has_a_picture());
    assert!(first.otpauth().starts_with("otpauth://totp/Acme%20Insights:bob%40acme.example"), "{}", first.otpauth());
    assert!(first.otpauth().contains("&issuer=Acme%20Insights&algorithm=SHA1&digits=6&period=30"));
    for address in ["/_2fa/enroll", "/reports", "/_2fa/enroll?next=/elsewhere"] {
        let again = bob.opens(address).await;
        again.shows(Sight::Enrollment);
        assert_eq!(again.secret(), first.secret());
    }
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    let other = elsewhere.opens("/").await;
    other.shows(Sight::Enrollment);
    assert_ne!(other.secret(), first.secret());
}

#[tokio::test]
async fn a_key_that_was_shown_ten_minutes_ago_can_not_be_confirmed() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    let old = bob.opens("/reports").await.secret();
    bob.scans();
    world.passes(Duration::from_mins(10));
    let page = bob.gives_a_fresh_code().await;
    page.shows(Sight::EnrollmentRanOut);
    assert_ne!(page.secret(), old);
    // The old key is worth nothing, the new one is.
    bob.gives_a_fresh_code().await.shows(Sight::FirstCodeRefused);
    bob.enrolls().await;
    let on = bob.page().way_on();
    assert_eq!(on, "/reports");
}

#[tokio::test]
async fn a_key_can_be_confirmed_just_before_it_expires() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    let shown = bob.opens("/").await.secret();
    world.passes(Duration::from_secs(599));
    assert_eq!(bob.opens("/").await.secret(), shown);
    bob.enrolls().await;
}

#[tokio::test]
async fn a_wrong_code_enables_nothing_and_the_same_key_can_be_confirmed_after_it() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    let key = bob.opens("/reports").await.secret();
    bob.scans();
    let wrong = bob.authenticator().wrong_code();
    let page = bob.gives(&wrong).await;
    page.shows(Sight::FirstCodeRefused);
    assert_eq!(page.secret(), key);
    bob.opens("/reports").await.shows(Sight::Enrollment);
    bob.enrolls().await;
    assert_eq!(bob.page().way_on(), "/reports");
    assert_eq!(bob.authenticator().secret(), key);
}

#[tokio::test]
async fn a_key_that_was_only_shown_locks_nobody_out() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/_2fa/profile").await.shows(Sight::Profile);
    bob.submits("/_2fa/profile/enable", &[]).await.shows(Sight::Enrollment);
    bob.opens("/reports").await.shows(Sight::Dashboard);
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn the_confirming_code_counts_as_used() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await;
    bob.scans();
    let code = bob.authenticator().fresh_code();
    bob.gives(&code).await.shows(Sight::RecoveryCodes);
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/").await.shows(Sight::Challenge);
    bob.gives(&code).await.shows(Sight::CodeRefused);
    let earlier = bob.authenticator().code(-1);
    bob.gives(&earlier).await.shows(Sight::CodeRefused);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn recovery_codes_are_shown_once() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await;
    bob.enrolls().await;
    let codes = bob.recovery_codes.clone();
    assert_eq!(codes.len(), 10);
    assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), 10);
    let characters = |code: &str| code.chars().filter(char::is_ascii_alphanumeric).count();
    assert!(codes.iter().all(|code| characters(code) == 16), "80 bits each: 16 characters of 5");
    for address in ["/_2fa/enroll", "/_2fa/profile", "/_2fa/recover", "/_2fa/verify", "/reports"] {
        let page = bob.opens(address).await;
        for code in &codes {
            page.says_nothing_of(code);
        }
    }
    bob.opens("/_2fa/profile").await.says("You have 10 unused codes");
}

#[tokio::test]
async fn a_browser_confirms_only_the_key_that_it_was_shown() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/").await;
    elsewhere.scans();
    let code = elsewhere.authenticator().fresh_code();
    bob.gives(&code).await.shows(Sight::FirstCodeRefused);
    elsewhere.gives(&code).await.shows(Sight::RecoveryCodes);
    // And now that there is a key, the one shown in the first browser can't take its place.
    bob.scans();
    bob.gives_a_fresh_code().await.shows(Sight::Challenge);
    bob.opens("/").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn an_enrolled_account_is_shown_no_key_without_its_second_factor() {
    let world = World::open(required()).await;
    let bob = world.enrolled("bob").await;
    let mut thief = bob.elsewhere();
    thief.logs_in().await;
    for address in ["/_2fa/enroll", "/_2fa/enroll?next=/reports", "/_2fa/profile"] {
        thief.opens(address).await.shows(Sight::Challenge);
    }
    thief.posts("/_2fa/enroll", &[("code", "123456")]).await.shows(Sight::Challenge);
    thief.posts("/_2fa/profile/enable", &[]).await.shows(Sight::Challenge);
    thief.posts("/_2fa/profile/replace", &[("code", "123456")]).await.shows(Sight::Challenge);
}

#[tokio::test]
async fn names_with_everything_in_them_change_nothing_else_on_the_page() {
    let world = World::open(required()).await;
    let name = "<script>alert(1)</script> \"onx=' & :?secret=AAAA\u{202e}";
    world.dashboard().changes("bob", |bob| {
        name.clone_into(&mut bob.name);
        "a:b&issuer=evil@acme.example".clone_into(&mut bob.email);
    });
    let mut bob = world.logged_in("bob").await;
    let page = bob.opens("/").await;
    page.shows(Sight::Enrollment);
    assert_eq!(page.otpauth().matches("secret=").count(), 1);
    assert_eq!(page.otpauth().matches("issuer=").count(), 1);
    let authenticator = Authenticator::scan(&page, world.time());
    assert_eq!(authenticator.secret().len(), 32);
    bob.enrolls().await;
    bob.opens("/_2fa/profile").await.says_nothing_of("<script>alert");
}

#[tokio::test]
async fn a_pending_session_of_somebody_else_shows_nothing_of_theirs() {
    for configuration in [required(), required().with("bind = \"cookie:sid\"\n", "")] {
        let world = World::open(configuration).await;
        let mut bob = world.logged_in("bob").await;
        let key = bob.opens("/").await.secret();
        let mut carol = world.logged_in("carol").await;
        carol.steals_session_of(&bob);
        let page = carol.opens("/_2fa/enroll").await;
        page.shows(Sight::Enrollment);
        assert_ne!(page.secret(), key);
        assert_ne!(carol.session(), bob.session());
        page.says("Carol Cole");
    }
}
