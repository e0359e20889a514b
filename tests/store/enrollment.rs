//! Enrollment: one secret waits in one session, and becomes the key once.

use std::time::Duration;

use vestibule::second_factor::Timestamp;
use vestibule::second_factor::account::Factor;
use vestibule::second_factor::enrollment::{ENROLLMENT_LIFETIME, PendingEnrollment};
use vestibule::second_factor::session::VerifiedBy;
use vestibule::second_factor::throttle::{Bucket, Charge, Failures};
use vestibule::second_factor::ticket::TicketDigest;
use vestibule::second_factor::totp::Step;
use vestibule::store::{Acceptance, Confirmation, Effect, EnrolledKey, NewSession};

use crate::world::{NOON, World, at, by, confirmation, new_session, pending_enrollment, session_of, token};

on_every_engine! {
    a_reload_shows_the_same_secret_until_it_expires,
    an_enrollment_belongs_to_one_session,
    an_enrollment_needs_a_session_of_its_account,
    an_account_with_a_key_enrolls_no_other,
    a_confirmed_secret_becomes_the_key,
    a_confirmation_opens_its_session_and_ends_every_other,
    only_the_enrollment_that_was_read_is_confirmed,
    an_expired_enrollment_is_not_confirmed,
    a_second_confirmation_finds_nothing,
    an_enrollment_does_not_replace_a_key_that_came_meanwhile,
    a_confirmation_takes_back_its_own_charge,
    whoever_was_reset_enrolls_again,
    a_replacement_takes_the_place_of_the_key,
    a_replacement_is_for_the_key_it_was_started_for,
    a_new_replacement_takes_the_place_of_the_one_before,
    a_recovered_session_starts_a_replacement,
    only_a_fresh_recovery_starts_a_replacement,
    nobody_starts_a_replacement_for_somebody_else,
}

async fn confirm(world: &World, confirmation: Confirmation, now: Timestamp) -> Acceptance {
    let occasion = by(confirmation.pending.account, now);
    world.store.confirm_enrollment(confirmation, occasion).await.expect("answered")
}

async fn waiting(world: &World, of: &PendingEnrollment, now: Timestamp) -> Option<PendingEnrollment> {
    world.other.pending_enrollment(of.session, now).await.expect("read")
}

async fn a_reload_shows_the_same_secret_until_it_expires(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let first = world.enrollment(ann.id).await;
    assert_eq!(waiting(&world, &first, NOON).await, Some(first.clone()));
    let start = async |now| {
        let new = pending_enrollment(ann.id, first.session, now);
        (new.clone(), world.store.start_enrollment(new).await.expect("answered"))
    };
    let last_moment = first.expires().minus(Duration::from_millis(1));
    assert_eq!(start(last_moment).await.1, Some(first.clone()));
    assert_eq!(waiting(&world, &first, last_moment).await, Some(first.clone()));
    assert_eq!(waiting(&world, &first, first.expires()).await, None);
    let (new, started) = start(first.expires()).await;
    assert_eq!(started, Some(new.clone()));
    assert_eq!(waiting(&world, &first, first.expires()).await, Some(new));
}

async fn an_enrollment_belongs_to_one_session(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let (here, there) = (world.enrollment(ann.id).await, world.enrollment(ann.id).await);
    assert_eq!(waiting(&world, &here, NOON).await, Some(here.clone()));
    assert_eq!(waiting(&world, &there, NOON).await, Some(there.clone()));
    let stolen = PendingEnrollment { session: there.session, ..here };
    assert_eq!(confirm(&world, confirmation(stolen, 100), NOON).await, Acceptance::Gone);
}

async fn an_enrollment_needs_a_session_of_its_account(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await, world.visitor("acme", "bob").await);
    for session in [token(), world.pending(bob.id).await] {
        let pending = pending_enrollment(ann.id, session, NOON);
        assert_eq!(world.store.start_enrollment(pending.clone()).await.expect("answered"), None);
        assert_eq!(waiting(&world, &pending, NOON).await, None);
    }
}

async fn an_account_with_a_key_enrolls_no_other(world: World) {
    let ann = world.person("acme", "ann").await;
    for session in [world.pending(ann.id).await, ann.session.digest] {
        let pending = pending_enrollment(ann.id, session, NOON);
        assert_eq!(world.store.start_enrollment(pending.clone()).await.expect("answered"), None);
        assert_eq!(waiting(&world, &pending, NOON).await, None);
    }
}

async fn a_confirmed_secret_becomes_the_key(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let confirmation = confirmation(world.enrollment(ann.id).await, 100);
    assert_eq!(world.store.enrolled_key(ann.id).await.expect("read"), None, "nothing is enabled before");
    assert_eq!(world.account(ann.id).await.factor, Factor::NotEnrolled);
    session_of(confirm(&world, confirmation.clone(), at(60)).await);
    let key = world.other.enrolled_key(ann.id).await.expect("read").expect("a key");
    assert_eq!(key, EnrolledKey { id: key.id, secret: confirmation.secret, last_step: Step(100) });
    let enrolled = Factor::Enrolled { since: at(60), last_used: Some(at(60)) };
    assert_eq!(world.account(ann.id).await.factor, enrolled);
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 10);
}

async fn a_confirmation_opens_its_session_and_ends_every_other(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let pending = world.pending(ann.id).await;
    let elsewhere = world.sign_in(ann.id, 101, at(30)).await;
    let replacement = pending_enrollment(ann.id, ann.session.digest, at(60));
    world.give_code(ann.id, 102, Effect::StartReplacement(replacement.clone()), at(60)).await;
    let new = NewSession { instead_of: Some(ann.session.digest), ..new_session() };
    let confirmation = Confirmation { session: new.clone(), ..confirmation(replacement, 103) };
    let opened = session_of(confirm(&world, confirmation, at(90)).await);
    assert_eq!((opened.digest, opened.account, opened.by), (new.digest, ann.id, VerifiedBy::Totp));
    assert_eq!((opened.verified_at, opened.code_at, opened.last_seen), (at(90), at(90), at(90)));
    let sessions = world.store.sessions_of(ann.id).await.expect("listed");
    assert_eq!(sessions.into_iter().map(|record| record.session).collect::<Vec<_>>(), [opened]);
    assert!(!world.is_signed_in(&elsewhere).await && !world.is_signed_in(&ann.session).await);
    assert_eq!(world.store.pending_session(pending).await.expect("read"), None);
    assert!(world.is_signed_in(&bob.session).await);
}

async fn only_the_enrollment_that_was_read_is_confirmed(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await, world.visitor("acme", "bob").await);
    let read = world.enrollment(ann.id).await;
    let other = pending_enrollment(bob.id, token(), at(1));
    let changed = [
        PendingEnrollment { session: other.session, ..read.clone() },
        PendingEnrollment { account: other.account, ..read.clone() },
        PendingEnrollment { secret: other.secret, ..read.clone() },
        PendingEnrollment { started: other.started, ..read.clone() },
        PendingEnrollment { ticket: Some(TicketDigest([7; 32])), ..read.clone() },
    ];
    for pending in changed {
        assert_eq!(confirm(&world, confirmation(pending, 100), at(2)).await, Acceptance::Gone);
    }
    assert_eq!(world.store.enrolled_key(bob.id).await.expect("read"), None);
    session_of(confirm(&world, confirmation(read, 100), at(2)).await);
}

async fn an_expired_enrollment_is_not_confirmed(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let pending = world.enrollment(ann.id).await;
    let confirm = async |now| confirm(&world, confirmation(pending.clone(), 100), now).await;
    assert_eq!(confirm(NOON.plus(ENROLLMENT_LIFETIME)).await, Acceptance::Gone);
    session_of(confirm(NOON.plus(ENROLLMENT_LIFETIME).minus(Duration::from_millis(1))).await);
}

async fn a_second_confirmation_finds_nothing(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let pending = world.enrollment(ann.id).await;
    session_of(confirm(&world, confirmation(pending.clone(), 100), at(1)).await);
    let key = world.store.enrolled_key(ann.id).await.expect("read");
    assert_eq!(confirm(&world, confirmation(pending, 101), at(2)).await, Acceptance::Gone);
    assert_eq!(world.store.enrolled_key(ann.id).await.expect("read"), key);
}

async fn an_enrollment_does_not_replace_a_key_that_came_meanwhile(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let (here, there) = (world.enrollment(ann.id).await, world.enrollment(ann.id).await);
    session_of(confirm(&world, confirmation(here, 100), at(1)).await);
    assert_eq!(confirm(&world, confirmation(there.clone(), 100), at(2)).await, Acceptance::Gone);
    assert_eq!(waiting(&world, &there, at(2)).await, None);
}

async fn a_confirmation_takes_back_its_own_charge(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let pending = world.enrollment(ann.id).await;
    for second in 1..=3 {
        world.charge(ann.id, Bucket::Enrollment, at(second)).await;
    }
    session_of(confirm(&world, confirmation(pending, 100), at(3)).await);
    let next = world.charge(ann.id, Bucket::Enrollment, at(4)).await;
    assert_eq!(next, Charge::Compare(Failures { in_a_row: 1, in_window: 3, last: Some(at(4)) }));
}

async fn whoever_was_reset_enrolls_again(world: World) {
    let (ann, admin) = (world.person("acme", "ann").await, world.person("acme", "admin").await);
    let authority = world.admin(&admin).await;
    world.store.reset_account(authority, ann.id, by(admin.id, at(5))).await.expect("answered").expect("reset");
    let before = world.account(ann.id).await;
    assert_eq!(before.factor, Factor::Reset { at: at(5) });
    world.enroll(ann.id).await;
    assert!(matches!(world.account(ann.id).await.factor, Factor::Enrolled { .. }));
}

async fn a_replacement_takes_the_place_of_the_key(world: World) {
    let ann = world.person("acme", "ann").await;
    let old = world.store.enrolled_key(ann.id).await.expect("read").expect("a key");
    let pending = pending_enrollment(ann.id, ann.session.digest, at(30));
    let given = world.give_code(ann.id, 101, Effect::StartReplacement(pending.clone()), at(30)).await;
    assert_eq!(given, Acceptance::Accepted(None));
    assert_eq!(waiting(&world, &pending, at(30)).await, Some(pending.clone()));
    assert!(world.is_signed_in(&ann.session).await, "nothing changes before it is confirmed");
    assert_eq!(world.store.enrolled_key(ann.id).await.expect("read").expect("a key").secret, old.secret);
    let confirmation = confirmation(pending, 90);
    session_of(confirm(&world, confirmation.clone(), at(60)).await);
    let new = world.store.enrolled_key(ann.id).await.expect("read").expect("a key");
    assert_eq!((new.secret, new.last_step), (confirmation.secret, Step(90)), "another key, other steps");
    assert_ne!(new.id, old.id);
    let spent =
        world.store.spend_recovery_code(ann.id, ann.codes[0], Effect::SignIn(new_session()), by(ann.id, at(60)));
    assert_eq!(spent.await.expect("answered"), Acceptance::AlreadyUsed, "the old recovery codes went with the old key");
}

async fn a_replacement_is_for_the_key_it_was_started_for(world: World) {
    let ann = world.person("acme", "ann").await;
    let phone = world.sign_in(ann.id, 101, at(30)).await;
    let here = pending_enrollment(ann.id, ann.session.digest, at(60));
    let there = pending_enrollment(ann.id, phone.digest, at(60));
    world.give_code(ann.id, 102, Effect::StartReplacement(here.clone()), at(60)).await;
    world.give_code(ann.id, 103, Effect::StartReplacement(there.clone()), at(60)).await;
    session_of(confirm(&world, confirmation(here, 104), at(90)).await);
    assert_eq!(confirm(&world, confirmation(there, 104), at(91)).await, Acceptance::Gone);
}

async fn a_new_replacement_takes_the_place_of_the_one_before(world: World) {
    let ann = world.person("acme", "ann").await;
    let (first, second) = (
        pending_enrollment(ann.id, ann.session.digest, at(30)),
        pending_enrollment(ann.id, ann.session.digest, at(60)),
    );
    world.give_code(ann.id, 101, Effect::StartReplacement(first.clone()), at(30)).await;
    world.give_code(ann.id, 102, Effect::StartReplacement(second.clone()), at(60)).await;
    assert_eq!(waiting(&world, &first, at(60)).await, Some(second.clone()));
    assert_eq!(confirm(&world, confirmation(first, 103), at(90)).await, Acceptance::Gone);
    session_of(confirm(&world, confirmation(second, 103), at(90)).await);
}

async fn a_recovered_session_starts_a_replacement(world: World) {
    let ann = world.person("acme", "ann").await;
    let recovered = world.recover(&ann, 0, at(30)).await;
    let start = async |now| {
        let new = pending_enrollment(ann.id, recovered.digest, now);
        world.store.start_replacement(new, at(30)).await.expect("answered").expect("started")
    };
    let first = start(at(60)).await;
    assert_eq!(first.started, at(60));
    assert_eq!(start(at(90)).await, first, "a reload shows the same secret");
    assert_eq!(start(first.expires()).await.started, first.expires(), "until it expires");
    let replaced = confirm(&world, confirmation(start(first.expires()).await, 100), first.expires()).await;
    assert_eq!(session_of(replaced).by, VerifiedBy::Totp);
}

async fn only_a_fresh_recovery_starts_a_replacement(world: World) {
    let ann = world.person("acme", "ann").await;
    let recovered = world.recover(&ann, 0, at(30)).await;
    let start = async |session, fresh_since| {
        let new = pending_enrollment(ann.id, session, at(60));
        let started = world.store.start_replacement(new.clone(), fresh_since).await.expect("answered");
        assert_eq!(waiting(&world, &new, at(60)).await, started);
        started
    };
    assert_eq!(start(recovered.digest, at(31)).await, None, "the code was given too long ago");
    assert_eq!(start(ann.session.digest, NOON).await, None, "verified by the authenticator");
    assert_eq!(start(world.pending(ann.id).await, NOON).await, None, "not verified");
    assert_eq!(start(token(), NOON).await, None, "no session");
    assert!(start(recovered.digest, at(30)).await.is_some());
}

async fn nobody_starts_a_replacement_for_somebody_else(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let recovered = world.recover(&ann, 0, at(30)).await;
    let new = pending_enrollment(bob.id, recovered.digest, at(60));
    assert_eq!(world.store.start_replacement(new.clone(), NOON).await.expect("answered"), None);
    assert_eq!(waiting(&world, &new, at(60)).await, None);
}
