//! My profile: what people do with their own second factor.

use std::time::Duration;

use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn it_can_be_switched_on_and_off_where_it_is_optional() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    let page = bob.opens("/_2fa/profile").await;
    page.shows(Sight::Profile);
    page.says("Off");
    bob.submits("/_2fa/profile/enable", &[]).await.shows(Sight::Enrollment);
    bob.page().says_nothing_of("Your organization asks everybody");
    bob.enrolls().await;
    let on = bob.page().way_on();
    let page = bob.opens(&on).await;
    page.shows(Sight::Profile);
    page.says("On");

    world.passes(Duration::from_secs(30));
    let code = bob.authenticator().fresh_code();
    let page = bob.submits("/_2fa/profile/disable", &[("code", &code)]).await;
    page.announces("2-factor authentication is off");
    bob.opens("/reports").await.shows(Sight::Dashboard);
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    // The key is gone for good: switching it on again makes another.
    let old = bob.authenticator().secret();
    bob.opens("/_2fa/profile").await;
    assert_ne!(bob.submits("/_2fa/profile/enable", &[]).await.secret(), old);
}

#[tokio::test]
async fn switching_it_off_takes_a_code_that_was_not_used_before() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/_2fa/profile").await.shows(Sight::Challenge);
    let used = bob.authenticator().fresh_code();
    bob.gives(&used).await.shows(Sight::Profile);
    let wrong = bob.authenticator().wrong_code();
    for code in [used.as_str(), wrong.as_str(), ""] {
        bob.opens("/_2fa/profile").await;
        bob.submits("/_2fa/profile/disable", &[("code", code)]).await.shows(Sight::ProfileRefusesCode);
    }
    bob.posts("/_2fa/profile/disable", &[]).await.shows(Sight::ProfileRefusesCode);
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn the_switch_is_locked_where_it_is_required_and_the_server_refuses_it_too() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let page = bob.opens("/_2fa/profile").await;
    page.shows(Sight::Profile);
    page.says("Your organization requires it, so it can't be turned off");
    assert!(!page.offers("/_2fa/profile/disable"));
    world.passes(Duration::from_secs(30));
    let code = bob.authenticator().fresh_code();
    bob.posts("/_2fa/profile/disable", &[("code", &code)]).await.shows(Sight::SwitchLocked);
    bob.posts("/_2fa/profile/enable", &[]).await.shows(Sight::SwitchLocked);
    // That code was not used up by it.
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.gives(&code).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn switching_it_off_ends_every_session() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    let (here, there) = (bob.session().expect("a session"), elsewhere.session().expect("a session"));
    bob.opens("/_2fa/profile").await;
    let code = bob.authenticator().fresh_code();
    bob.submits("/_2fa/profile/disable", &[("code", &code)]).await.shows(Sight::Profile);
    // With a new key, the old sessions are still none.
    bob.opens("/_2fa/enroll").await;
    bob.enrolls().await;
    for old in [here, there] {
        elsewhere.has_cookie("vestibule", &old);
        elsewhere.opens("/reports").await.shows(Sight::Challenge);
    }
}

#[tokio::test]
async fn new_recovery_codes_take_the_place_of_the_old_ones() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let old = bob.recovery_codes.clone();
    bob.opens("/_2fa/profile").await;
    let wrong = bob.authenticator().wrong_code();
    bob.submits("/_2fa/profile/recovery-codes", &[("code", &wrong)]).await.shows(Sight::ProfileRefusesCode);
    let code = bob.authenticator().fresh_code();
    let page = bob.submits("/_2fa/profile/recovery-codes", &[("code", &code)]).await;
    page.shows(Sight::RecoveryCodes);
    let new = page.recovery_codes();
    assert_eq!(new.len(), 10);
    assert!(new.iter().all(|code| !old.contains(code)));
    assert_eq!(page.way_on(), "/_2fa/profile");

    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await;
    elsewhere.recovers_with(&old[0]).await.shows(Sight::RecoveryCodeRefused);
    elsewhere.recovers_with(&new[0]).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn replacing_the_authenticator_keeps_the_old_one_until_the_new_one_is_confirmed() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    let old = bob.authenticator().clone();
    bob.opens("/_2fa/profile").await;
    let code = old.fresh_code();
    bob.submits("/_2fa/profile/replace", &[("code", &code)]).await.shows(Sight::Enrollment);
    bob.page().says("The old one works until you have confirmed the new one");

    // In the meantime the old one opens.
    let mut third = bob.elsewhere();
    third.signs_in().await;
    let replaced = bob.page().secret();
    assert_eq!(bob.opens("/_2fa/enroll").await.secret(), replaced, "a reload shows the same key");
    bob.scans();
    let wrong = bob.authenticator().wrong_code();
    bob.gives(&wrong).await.shows(Sight::FirstCodeRefused);
    let mut fourth = third.elsewhere();
    fourth.signs_in().await;

    bob.gives_a_fresh_code().await.shows(Sight::RecoveryCodes);
    bob.opens("/reports").await.shows(Sight::Dashboard);
    for other in [&mut elsewhere, &mut third, &mut fourth] {
        other.opens("/reports").await.shows(Sight::Challenge);
        let code = old.fresh_code();
        other.gives(&code).await.shows(Sight::CodeRefused);
    }
}

#[tokio::test]
async fn own_sessions_are_listed_and_can_be_ended() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    elsewhere.opens("/reports").await.shows(Sight::Dashboard);

    let page = bob.opens("/_2fa/profile").await;
    let others = page.other_sessions();
    assert_eq!(others.len(), 1);
    let page = bob.posts("/_2fa/profile/sessions/end", &[("session", &others[0])]).await;
    page.announces("The session was ended");
    assert_eq!(page.other_sessions(), [""; 0]);
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    bob.opens("/reports").await.shows(Sight::Dashboard);
    bob.posts("/_2fa/profile/sessions/end", &[("session", &others[0])]).await.shows(Sight::NoSuchSession);
}

#[tokio::test]
async fn nobody_ends_a_session_of_somebody_else() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut carol = world.enrolled("carol").await;
    for number in 0..10 {
        let number = number.to_string();
        if carol.session_number().await != number {
            carol.posts("/_2fa/profile/sessions/end", &[("session", &number)]).await.shows(Sight::NoSuchSession);
        }
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_notice_that_only_the_address_claims_is_not_shown() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    world.passes(Duration::from_mins(2));
    for done in ["disabled", "replaced", "recovery_codes_regenerated", "session_ended", "enrolled", "x"] {
        bob.opens(&format!("/_2fa/profile?done={done}")).await.announces_nothing();
    }
}

#[tokio::test]
async fn the_profile_tells_what_happened_lately() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut thief = bob.elsewhere();
    thief.logs_in().await;
    thief.opens("/").await;
    let wrong = bob.authenticator().wrong_code();
    thief.gives(&wrong).await.shows(Sight::CodeRefused);
    let page = bob.opens("/_2fa/profile").await;
    page.says("You set up your authenticator");
    page.says("A wrong code was entered");
    page.says("127.0.0.1");
}
