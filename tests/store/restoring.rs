//! A store that was put back from a backup: what may have been used up or ended since is so again.

use vestibule::second_factor::account::Factor;
use vestibule::second_factor::event::EventKind;
use vestibule::second_factor::throttle::{Bucket, Charge};
use vestibule::second_factor::totp::Step;
use vestibule::store::{Acceptance, Change, Effect, Ended};

use crate::world::{NOON, World, at, by, by_operator, new_session};

on_every_engine! {
    no_session_and_no_code_from_before_is_good,
    a_code_of_the_step_after_the_next_is_good,
    authenticators_and_locks_stay,
    each_organization_is_told,
    whoever_signs_in_meanwhile_comes_before_or_after,
}

/// When the store is put back.
const THEN: i64 = 1_000_000;

async fn no_session_and_no_code_from_before_is_good(world: World) {
    let ann = world.person("acme", "ann").await;
    let bob = world.visitor("acme", "bob").await.id;
    let enrollment = world.enrollment(bob).await;
    let carl = world.visitor("acme", "carl").await;
    let ticket = world.ticket(&carl).await;
    let cursor = world.other.cursor().await.expect("read");
    let ended = world.store.restored(by_operator(at(THEN))).await.expect("done");
    assert_eq!(ended, Ended { sessions: 1, recovery_codes: 10 });

    assert!(!world.is_signed_in(&ann.session).await);
    assert_eq!(world.store.pending_session(enrollment.session).await.expect("read"), None);
    assert_eq!(world.store.pending_enrollment(enrollment.session, NOON).await.expect("read"), None);
    assert!(world.enrollment_by(ticket, carl.id, NOON).await.is_none(), "nobody knows whether it was used");
    for code in &ann.codes {
        let spent = world.store.spend_recovery_code(ann.id, *code, Effect::SignIn(new_session()), by(ann.id, at(THEN)));
        assert_eq!(spent.await.expect("answered"), Acceptance::AlreadyUsed);
    }
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 0);
    let now = Step::at(at(THEN)).0;
    for step in [101, now - 1, now, now + 1] {
        let given = world.give_code(ann.id, step, Effect::SignIn(new_session()), at(THEN)).await;
        assert_eq!(given, Acceptance::AlreadyUsed, "{}", step - now);
    }
    let (changes, _) = world.other.changes_since(cursor).await.expect("read");
    assert_eq!(changes, [Change::Session(ann.session.digest)]);
}

async fn a_code_of_the_step_after_the_next_is_good(world: World) {
    let ann = world.person("acme", "ann").await;
    world.store.restored(by_operator(at(THEN))).await.expect("done");
    let session = world.sign_in(ann.id, Step::at(at(THEN)).0 + 2, at(THEN + 30)).await;
    // Once more, with a clock that has gone back: what was used up stays so.
    let ended = world.other.restored(by_operator(NOON)).await.expect("done");
    assert_eq!(ended, Ended { sessions: 1, recovery_codes: 0 });
    assert!(!world.is_signed_in(&session).await);
    let key = world.store.enrolled_key(ann.id).await.expect("read").expect("a key");
    assert_eq!(key.last_step, Step(Step::at(at(THEN)).0 + 2));
}

async fn authenticators_and_locks_stay(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let before = world.store.enrolled_key(ann.id).await.expect("read").expect("a key");
    let last = world.fail(bob.id, Bucket::Code, 20).await;
    world.store.restored(by_operator(last)).await.expect("done");
    let after = world.store.enrolled_key(ann.id).await.expect("read").expect("a key");
    assert_eq!((after.id, after.secret), (before.id, before.secret));
    assert!(matches!(world.account(ann.id).await.factor, Factor::Enrolled { since: NOON, .. }));
    assert!(matches!(world.charge(bob.id, Bucket::Code, at(THEN)).await, Charge::Locked(_)));
    assert_eq!(world.store.counts(world.organization("acme").await.id).await.expect("counted").enrolled, 2);
}

async fn each_organization_is_told(world: World) {
    world.person("acme", "ann").await;
    world.visitor("globex", "dora").await;
    world.store.restored(by_operator(at(THEN))).await.expect("done");
    let log = world.audit_log().await;
    let told: Vec<_> = log.iter().filter(|entry| entry.kind == EventKind::StoreRestored).collect();
    let organizations: Vec<_> =
        told.iter().map(|entry| (entry.organization.as_str(), entry.subject, entry.at)).collect();
    assert_eq!(organizations, [("acme", None, at(THEN)), ("globex", None, at(THEN))]);
}

/// Of those who sign in at the same moment, none is left with a session whose code counts as used only now.
async fn whoever_signs_in_meanwhile_comes_before_or_after(world: World) {
    let mut people = Vec::new();
    for number in 0..8 {
        people.push(world.person("acme", &number.to_string()).await);
    }
    let sign_ins = people.iter().map(|person| {
        let (world, id) = (world.clone(), person.id);
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for step in 101..140 {
                match world.give_code(id, step, Effect::SignIn(new_session()), at(THEN + step)).await {
                    Acceptance::Accepted(session) => accepted.extend(session),
                    Acceptance::AlreadyUsed => break,
                    Acceptance::Gone => panic!("the keys stay"),
                }
            }
            accepted
        })
    });
    let sign_ins: Vec<_> = sign_ins.collect();
    world.other.restored(by_operator(at(THEN))).await.expect("done");
    for sign_in in sign_ins {
        for session in sign_in.await.expect("it ends") {
            assert!(!world.is_signed_in(&session).await, "its code was good before, so it ended");
        }
    }
}
