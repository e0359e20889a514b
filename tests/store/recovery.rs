//! Recovery codes: each good once, for its own account, and the way out of a lock.

use std::time::Duration;

use vestibule::second_factor::account::{AccountId, Factor};
use vestibule::second_factor::session::VerifiedBy;
use vestibule::second_factor::throttle::{Bucket, Charge, Failures};
use vestibule::store::{Acceptance, Effect};

use crate::world::{NOON, World, at, by, new_session, pending_enrollment, recovery_codes, session_of, token};

on_every_engine! {
    a_recovery_code_is_good_once,
    a_recovery_code_of_somebody_else_is_no_code,
    an_account_without_a_key_has_no_use_for_recovery_codes,
    a_recovery_code_steps_up_and_the_session_says_so,
    a_code_of_the_authenticator_makes_a_recovered_session_whole,
    a_recovery_code_does_nothing_else,
    a_recovery_code_unlocks_twenty_in_a_row,
    a_recovery_code_unlocks_a_full_window,
    a_recovery_code_takes_back_its_own_charge,
    a_recovery_code_is_no_use_of_the_key,
}

async fn a_recovery_code_is_good_once(world: World) {
    let ann = world.person("acme", "ann").await;
    let session = world.recover(&ann, 3, at(30)).await;
    assert_eq!((session.by, session.account, session.verified_at), (VerifiedBy::RecoveryCode, ann.id, at(30)));
    assert_eq!(world.store.verified_session(session.digest).await.expect("read"), Some(session));
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 9);
    let again = Effect::SignIn(new_session());
    let answer = world.other.spend_recovery_code(ann.id, ann.codes[3], again, by(ann.id, at(60))).await;
    assert_eq!(answer.expect("answered"), Acceptance::AlreadyUsed);
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 9);
    world.recover(&ann, 4, at(60)).await;
}

async fn a_recovery_code_of_somebody_else_is_no_code(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    for unknown in [bob.codes[0], recovery_codes()[0]] {
        let effect = Effect::SignIn(new_session());
        let answer = world.store.spend_recovery_code(ann.id, unknown, effect, by(ann.id, NOON)).await;
        assert_eq!(answer.expect("answered"), Acceptance::AlreadyUsed);
    }
    assert_eq!(world.store.recovery_codes_left(bob.id).await.expect("counted"), 10);
    assert_eq!(world.store.sessions_of(ann.id).await.expect("listed").len(), 1);
}

async fn an_account_without_a_key_has_no_use_for_recovery_codes(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await, world.person("acme", "bob").await);
    for account in [ann.id, AccountId(4711)] {
        let effect = Effect::SignIn(new_session());
        let answer = world.store.spend_recovery_code(account, bob.codes[0], effect, by(account, NOON)).await;
        assert_eq!(answer.expect("answered"), Acceptance::Gone);
        assert_eq!(world.store.recovery_codes_left(account).await.expect("counted"), 0);
    }
}

async fn a_recovery_code_steps_up_and_the_session_says_so(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let spend = async |session, digest| {
        let effect = Effect::StepUp { session, digest };
        world.store.spend_recovery_code(ann.id, ann.codes[0], effect, by(ann.id, at(60))).await.expect("answered")
    };
    assert_eq!(spend(bob.session.id, token()).await, Acceptance::Gone, "and the code is not used up");
    let digest = token();
    let renewed = session_of(spend(ann.session.id, digest).await);
    assert_eq!((renewed.id, renewed.digest, renewed.by), (ann.session.id, digest, VerifiedBy::RecoveryCode));
    assert_eq!((renewed.verified_at, renewed.code_at), (NOON, at(60)));
    assert!(!world.is_signed_in(&ann.session).await);
}

async fn a_code_of_the_authenticator_makes_a_recovered_session_whole(world: World) {
    let ann = world.person("acme", "ann").await;
    let recovered = world.recover(&ann, 0, at(30)).await;
    let effect = Effect::StepUp { session: recovered.id, digest: token() };
    let renewed = session_of(world.give_code(ann.id, 101, effect, at(60)).await);
    assert_eq!((renewed.id, renewed.by), (recovered.id, VerifiedBy::Totp));
}

async fn a_recovery_code_does_nothing_else(world: World) {
    let ann = world.person("acme", "ann").await;
    let replacement = pending_enrollment(ann.id, ann.session.digest, NOON);
    let others =
        [Effect::Disable, Effect::RegenerateRecoveryCodes(recovery_codes()), Effect::StartReplacement(replacement)];
    for effect in others {
        assert!(world.store.spend_recovery_code(ann.id, ann.codes[0], effect, by(ann.id, NOON)).await.is_err());
    }
    assert!(matches!(world.account(ann.id).await.factor, Factor::Enrolled { .. }));
    assert_eq!(world.store.pending_enrollment(ann.session.digest, NOON).await.expect("read"), None);
    world.recover(&ann, 0, at(1)).await;
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 9);
}

async fn a_recovery_code_unlocks_twenty_in_a_row(world: World) {
    let ann = world.person("acme", "ann").await;
    let later = world.fail(ann.id, Bucket::Code, 20).await.plus(Duration::from_hours(1));
    assert!(matches!(world.charge(ann.id, Bucket::Code, later).await, Charge::Locked(_)));
    world.recover(&ann, 0, later).await;
    let next = world.charge(ann.id, Bucket::Code, later).await;
    assert_eq!(next, Charge::Compare(Failures { in_a_row: 1, in_window: 1, last: Some(later) }));
    world.sign_in(ann.id, 101, later).await;
}

async fn a_recovery_code_unlocks_a_full_window(world: World) {
    let ann = world.person("acme", "ann").await;
    let mut now = NOON;
    let mut step = 100;
    while !matches!(world.charge(ann.id, Bucket::Code, now).await, Charge::Locked(_)) {
        now = now.plus(Duration::from_mins(1));
        step += 1;
        if step % 4 == 0 {
            world.sign_in(ann.id, step, now).await;
        }
    }
    world.recover(&ann, 0, now).await;
    let next = world.charge(ann.id, Bucket::Code, now).await;
    assert_eq!(next, Charge::Compare(Failures { in_a_row: 1, in_window: 1, last: Some(now) }));
}

async fn a_recovery_code_takes_back_its_own_charge(world: World) {
    let ann = world.person("acme", "ann").await;
    let last = world.fail(ann.id, Bucket::Recovery, 4).await;
    let now = last.plus(Duration::from_hours(1));
    world.charge(ann.id, Bucket::Recovery, now).await;
    world.recover(&ann, 0, now).await;
    let next = world.charge(ann.id, Bucket::Recovery, now).await;
    assert_eq!(next, Charge::Compare(Failures { in_a_row: 1, in_window: 5, last: Some(now) }));
}

async fn a_recovery_code_is_no_use_of_the_key(world: World) {
    let ann = world.person("acme", "ann").await;
    world.recover(&ann, 0, at(30)).await;
    assert_eq!(world.account(ann.id).await.factor, Factor::Enrolled { since: NOON, last_used: Some(NOON) });
}
