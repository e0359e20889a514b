//! Codes of the authenticator: charged before they are compared, used up once.

use std::time::Duration;

use vestibule::second_factor::account::{AccountId, Factor};
use vestibule::second_factor::event::{Actor, EventKind};
use vestibule::second_factor::throttle::{Bucket, Charge, Failures, LOCK_AFTER_IN_WINDOW, WINDOW};
use vestibule::second_factor::totp::Step;
use vestibule::store::{Acceptance, Effect, MatchedStep};

use crate::world::{NOON, World, at, by, days, new_session, pending_enrollment, recovery_codes, session_of, token};

on_every_engine! {
    a_step_is_accepted_once_and_no_earlier_one_after_it,
    an_account_without_a_key_accepts_nothing,
    a_code_of_a_key_that_was_replaced_is_good_for_nothing,
    an_accepted_code_is_the_last_use_of_the_key,
    a_try_is_charged_before_anything_is_known_of_it,
    a_try_stays_charged_when_whoever_asked_goes_away,
    a_try_that_comes_too_soon_is_not_charged,
    a_clock_that_was_set_back_takes_one_delay_away_and_no_more,
    a_success_takes_back_its_own_charge_and_ends_the_row,
    a_success_does_not_clear_the_window,
    failures_are_counted_for_each_account_and_each_kind_of_code_apart,
    two_failures_of_the_same_millisecond_are_two,
    a_failure_counts_for_thirty_days_to_the_millisecond,
    twenty_failures_in_a_row_lock_the_key_and_are_logged_once,
    two_hundred_fifty_failures_in_thirty_days_lock_the_key,
    nobody_can_charge_a_try_to_an_account_that_does_not_exist,
    switching_off_ends_the_key_the_codes_and_every_session,
    new_recovery_codes_take_the_place_of_the_old_ones,
    a_code_that_can_not_do_what_it_was_given_for_is_not_used_up,
}

async fn a_step_is_accepted_once_and_no_earlier_one_after_it(world: World) {
    let ann = world.person("acme", "ann").await;
    let give = async |step| world.give_code(ann.id, step, Effect::SignIn(new_session()), at(60)).await;
    assert_eq!(give(100).await, Acceptance::AlreadyUsed, "the confirming code counts as used");
    assert!(matches!(give(102).await, Acceptance::Accepted(Some(_))));
    for used in [102, 101, 100, -5, i64::MIN] {
        assert_eq!(give(used).await, Acceptance::AlreadyUsed, "{used}");
    }
    assert_eq!(world.store.enrolled_key(ann.id).await.expect("read").expect("a key").last_step, Step(102));
    assert_eq!(world.store.sessions_of(ann.id).await.expect("listed").len(), 2, "what was refused opened nothing");
}

async fn an_account_without_a_key_accepts_nothing(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await, world.person("acme", "bob").await);
    let of_bob = world.step(bob.id, 101).await;
    for account in [ann.id, AccountId(4711)] {
        assert_eq!(world.store.enrolled_key(account).await.expect("read"), None);
        let effect = Effect::SignIn(new_session());
        let answer = world.store.accept_step(account, of_bob, effect, by(account, NOON)).await.expect("answered");
        assert_eq!(answer, Acceptance::Gone);
    }
}

async fn a_code_of_a_key_that_was_replaced_is_good_for_nothing(world: World) {
    let ann = world.person("acme", "ann").await;
    let of_the_old_key = world.step(ann.id, 105).await;
    let admin = world.person("acme", "admin").await;
    let authority = world.admin(&admin).await;
    world.store.reset_account(authority, ann.id, by(admin.id, at(10))).await.expect("answered").expect("reset");
    let effect = || Effect::SignIn(new_session());
    let accept = async || world.store.accept_step(ann.id, of_the_old_key, effect(), by(ann.id, at(20))).await;
    assert_eq!(accept().await.expect("answered"), Acceptance::Gone);
    world.enroll(ann.id).await;
    assert_eq!(accept().await.expect("answered"), Acceptance::Gone);
    world.sign_in(ann.id, 105, at(30)).await;
}

async fn an_accepted_code_is_the_last_use_of_the_key(world: World) {
    let ann = world.person("acme", "ann").await;
    world.sign_in(ann.id, 101, at(30)).await;
    let factor = world.account(ann.id).await.factor;
    assert_eq!(factor, Factor::Enrolled { since: NOON, last_used: Some(at(30)) });
}

async fn a_try_is_charged_before_anything_is_known_of_it(world: World) {
    let ann = world.person("acme", "ann").await;
    let first = world.charge(ann.id, Bucket::Code, at(1)).await;
    assert_eq!(first, Charge::Compare(Failures { in_a_row: 1, in_window: 1, last: Some(at(1)) }));
    let second = world.other.charge_attempt(ann.id, Bucket::Code, at(2)).await.expect("charged");
    assert_eq!(second, Charge::Compare(Failures { in_a_row: 2, in_window: 2, last: Some(at(2)) }));
}

async fn a_try_stays_charged_when_whoever_asked_goes_away(world: World) {
    let ann = world.person("acme", "ann").await;
    // Asked once, and dropped before it can have heard the answer or right after.
    let gone = world.store.charge_attempt(ann.id, Bucket::Code, at(1));
    drop(tokio::time::timeout(Duration::ZERO, gone).await);
    let next = world.charge(ann.id, Bucket::Code, at(2)).await;
    assert_eq!(next, Charge::Compare(Failures { in_a_row: 2, in_window: 2, last: Some(at(2)) }));
}

async fn a_try_that_comes_too_soon_is_not_charged(world: World) {
    let ann = world.person("acme", "ann").await;
    let last = world.fail(ann.id, Bucket::Code, 5).await;
    let retry_at = last.plus(Duration::from_secs(5));
    for soon in [last, last.plus(Duration::from_millis(4999))] {
        assert_eq!(world.charge(ann.id, Bucket::Code, soon).await, Charge::TooSoon { retry_at });
    }
    let due = world.charge(ann.id, Bucket::Code, retry_at).await;
    assert_eq!(due, Charge::Compare(Failures { in_a_row: 6, in_window: 6, last: Some(retry_at) }));
}

async fn a_clock_that_was_set_back_takes_one_delay_away_and_no_more(world: World) {
    let ann = world.person("acme", "ann").await;
    let now = world.fail(ann.id, Bucket::Code, 9).await.minus(Duration::from_hours(2));
    let heard = world.charge(ann.id, Bucket::Code, now).await;
    assert_eq!(heard, Charge::Compare(Failures { in_a_row: 10, in_window: 10, last: Some(now) }));
    let retry_at = now.plus(Duration::from_secs(160));
    let soon = retry_at.minus(Duration::from_millis(1));
    assert_eq!(world.charge(ann.id, Bucket::Code, soon).await, Charge::TooSoon { retry_at });
    assert!(matches!(world.charge(ann.id, Bucket::Code, retry_at).await, Charge::Compare(_)));
}

async fn a_success_takes_back_its_own_charge_and_ends_the_row(world: World) {
    let ann = world.person("acme", "ann").await;
    let last = world.fail(ann.id, Bucket::Code, 4).await;
    let now = last.plus(Duration::from_hours(1));
    world.sign_in(ann.id, 101, now).await;
    let next = world.charge(ann.id, Bucket::Code, now).await;
    assert_eq!(next, Charge::Compare(Failures { in_a_row: 1, in_window: 5, last: Some(now) }));
}

async fn a_success_does_not_clear_the_window(world: World) {
    let ann = world.person("acme", "ann").await;
    world.fail(ann.id, Bucket::Code, 3).await;
    for step in 101..104 {
        world.sign_in(ann.id, step, days(1)).await;
    }
    assert!(matches!(world.charge(ann.id, Bucket::Code, days(1)).await, Charge::Compare(f) if f.in_window == 4));
}

async fn failures_are_counted_for_each_account_and_each_kind_of_code_apart(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    world.fail(ann.id, Bucket::Code, 5).await;
    let fresh = |now| Charge::Compare(Failures { in_a_row: 1, in_window: 1, last: Some(now) });
    for (account, bucket) in [(ann.id, Bucket::Recovery), (ann.id, Bucket::Enrollment), (bob.id, Bucket::Code)] {
        assert_eq!(world.charge(account, bucket, at(900)).await, fresh(at(900)), "{bucket:?}");
    }
}

async fn two_failures_of_the_same_millisecond_are_two(world: World) {
    let ann = world.person("acme", "ann").await;
    world.charge(ann.id, Bucket::Code, at(1)).await;
    let second = world.charge(ann.id, Bucket::Code, at(1)).await;
    assert_eq!(second, Charge::Compare(Failures { in_a_row: 2, in_window: 2, last: Some(at(1)) }));
}

async fn a_failure_counts_for_thirty_days_to_the_millisecond(world: World) {
    let ann = world.person("acme", "ann").await;
    world.charge(ann.id, Bucket::Code, NOON).await;
    let end = NOON.plus(WINDOW);
    let in_window = async |now| match world.charge(ann.id, Bucket::Code, now).await {
        Charge::Compare(failures) => failures.in_window,
        other => panic!("{other:?}"),
    };
    assert_eq!(in_window(end.minus(Duration::from_millis(1))).await, 2);
    assert_eq!(in_window(end).await, 2, "the first one counts no more");
}

async fn twenty_failures_in_a_row_lock_the_key_and_are_logged_once(world: World) {
    let ann = world.person("acme", "ann").await;
    let locks = async || {
        let log = world.audit_log().await;
        log.into_iter().filter(|entry| entry.kind == EventKind::FactorLocked).collect::<Vec<_>>()
    };
    world.fail(ann.id, Bucket::Code, 19).await;
    assert_eq!(locks().await, []);
    let last = world.charge(ann.id, Bucket::Code, at(20 * 900)).await;
    assert!(matches!(last, Charge::Compare(f) if f.in_a_row == 20), "{last:?}");
    let logged = locks().await;
    assert_eq!(logged.len(), 1);
    assert_eq!((logged[0].at, logged[0].actor), (at(20 * 900), Actor::Gateway));
    assert_eq!((logged[0].subject, logged[0].organization.as_str()), (Some(ann.id), "acme"));
    for number in 21..24 {
        let refused = world.charge(ann.id, Bucket::Code, at(number * 900)).await;
        assert!(matches!(refused, Charge::Locked(_)), "{refused:?}");
    }
    assert!(matches!(world.charge(ann.id, Bucket::Code, days(400)).await, Charge::Locked(_)), "time unlocks nothing");
    assert_eq!(locks().await.len(), 1);
}

async fn two_hundred_fifty_failures_in_thirty_days_lock_the_key(world: World) {
    let ann = world.person("acme", "ann").await;
    // Never five in a row: after each four comes a success.
    let mut now = NOON;
    for number in 0..i64::from(LOCK_AFTER_IN_WINDOW) {
        now = now.plus(Duration::from_mins(1));
        assert!(matches!(world.charge(ann.id, Bucket::Code, now).await, Charge::Compare(_)), "{number}");
        if number % 4 == 3 {
            world.sign_in(ann.id, 101 + number, now).await;
        }
    }
    let refused = world.charge(ann.id, Bucket::Code, now).await;
    assert!(matches!(refused, Charge::Locked(f) if f.in_window == LOCK_AFTER_IN_WINDOW + 1), "{refused:?}");
    let a_month_later = now.plus(WINDOW);
    assert!(matches!(world.charge(ann.id, Bucket::Code, a_month_later).await, Charge::Compare(f) if f.in_window == 1));
}

async fn nobody_can_charge_a_try_to_an_account_that_does_not_exist(world: World) {
    assert!(world.store.charge_attempt(AccountId(4711), Bucket::Code, NOON).await.is_err());
}

async fn switching_off_ends_the_key_the_codes_and_every_session(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let elsewhere = world.sign_in(ann.id, 101, at(30)).await;
    let pending = world.pending(ann.id).await;
    let replacement = pending_enrollment(ann.id, ann.session.digest, at(60));
    world.give_code(ann.id, 102, Effect::StartReplacement(replacement), at(60)).await;
    assert_eq!(world.give_code(ann.id, 103, Effect::Disable, at(90)).await, Acceptance::Accepted(None));
    assert_eq!(world.account(ann.id).await.factor, Factor::NotEnrolled);
    assert_eq!(world.store.enrolled_key(ann.id).await.expect("read"), None);
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 0);
    assert!(!world.is_signed_in(&ann.session).await && !world.is_signed_in(&elsewhere).await);
    assert_eq!(world.store.pending_session(pending).await.expect("read"), None);
    assert_eq!(world.store.pending_enrollment(ann.session.digest, at(90)).await.expect("read"), None);
    assert!(world.is_signed_in(&bob.session).await);
    assert_eq!(world.store.recovery_codes_left(bob.id).await.expect("counted"), 10);
}

async fn new_recovery_codes_take_the_place_of_the_old_ones(world: World) {
    let ann = world.person("acme", "ann").await;
    let new = recovery_codes();
    let effect = Effect::RegenerateRecoveryCodes(new[..7].to_vec());
    assert_eq!(world.give_code(ann.id, 101, effect, at(30)).await, Acceptance::Accepted(None));
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 7);
    let spend = async |code| {
        let effect = Effect::SignIn(new_session());
        world.store.spend_recovery_code(ann.id, code, effect, by(ann.id, at(60))).await.expect("answered")
    };
    assert_eq!(spend(ann.codes[0]).await, Acceptance::AlreadyUsed);
    session_of(spend(new[0]).await);
    assert!(world.is_signed_in(&ann.session).await, "sessions stay");
}

async fn a_code_that_can_not_do_what_it_was_given_for_is_not_used_up(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let last = world.charge(ann.id, Bucket::Code, at(1)).await;
    let matched = world.step(ann.id, 101).await;
    let accept = async |effect, now| world.store.accept_step(ann.id, matched, effect, by(ann.id, now)).await;
    let in_no_session = Effect::StartReplacement(pending_enrollment(ann.id, token(), at(1)));
    let of_bob = Effect::StartReplacement(pending_enrollment(bob.id, bob.session.digest, at(1)));
    let in_bobs_session = Effect::StartReplacement(pending_enrollment(ann.id, bob.session.digest, at(1)));
    let for_bob = Effect::StartReplacement(pending_enrollment(bob.id, ann.session.digest, at(1)));
    for effect in [in_no_session, of_bob, in_bobs_session, for_bob] {
        assert_eq!(accept(effect, at(1)).await.expect("answered"), Acceptance::Gone);
    }
    let taken = vestibule::store::NewSession { digest: bob.session.digest, ..new_session() };
    assert!(accept(Effect::SignIn(taken), at(1)).await.is_err(), "a token that is there already");
    assert_eq!(last, Charge::Compare(Failures { in_a_row: 1, in_window: 1, last: Some(at(1)) }));
    assert!(matches!(world.charge(ann.id, Bucket::Code, at(2)).await, Charge::Compare(f) if f.in_a_row == 2));
    let unchanged = MatchedStep { step: Step(101), ..matched };
    let accepted = world.store.accept_step(ann.id, unchanged, Effect::SignIn(new_session()), by(ann.id, at(3))).await;
    session_of(accepted.expect("answered"));
}
