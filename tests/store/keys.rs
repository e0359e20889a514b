//! Going over from one key to another: what the old one sealed is found, and nothing of it comes anew.

use vestibule::second_factor::event::EventKind;
use vestibule::second_factor::sealing::{KeyMark, Sealed};
use vestibule::store::{Effect, Resealed, SealedSecret};

use crate::world::{
    NOON, World, at, by, by_operator, confirmation, new_session, pending_enrollment, pending_session, sighting,
};

on_every_engine! {
    the_key_check_gives_way_to_its_successor_alone,
    secrets_of_other_keys_are_found_by_account_number,
    a_secret_that_was_sealed_anew_takes_the_place_of_that_very_one,
    what_a_key_sealed_that_the_store_has_left_is_not_kept,
    enrollments_that_another_key_sealed_are_counted_until_they_expire,
}

/// Something sealed by the key of that number.
fn sealed(key: u8, value: u8) -> Sealed {
    Sealed(vec![1, key, key, key, key, value, value, value])
}

fn mark(key: u8) -> KeyMark {
    sealed(key, 0).mark().expect("long enough")
}

async fn the_key_check_gives_way_to_its_successor_alone(world: World) {
    let [first, second, third] = [1, 2, 3].map(|key| sealed(key, 0));
    world.store.set_key_check(first.clone()).await.expect("set");
    let replaced = async |old: &Sealed, new: &Sealed| {
        let replaced =
            world.other.replace_key_check(old.clone(), new.clone(), EventKind::KeyRotated, by_operator(at(1)));
        replaced.await.expect("answered")
    };
    assert!(!replaced(&second, &third).await);
    assert!(replaced(&first, &second).await);
    assert!(!replaced(&first, &third).await);
    assert_eq!(world.store.key_check().await.expect("read"), Some(second));
    let log = world.audit_log().await;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].kind, log[0].subject, log[0].organization.as_str()), (EventKind::KeyRotated, None, ""));
}

async fn secrets_of_other_keys_are_found_by_account_number(world: World) {
    let mut people = Vec::new();
    for (number, key) in (0..).zip([1, 2, 1, 2, 1]) {
        let id = world.visitor("acme", &format!("user-{number}")).await.id;
        let mut confirmation = confirmation(world.enrollment(id).await, 100);
        confirmation.secret = sealed(key, number);
        world.store.confirm_enrollment(confirmation, by(id, NOON)).await.expect("confirmed");
        people.push(id);
    }
    world.visitor("acme", "without").await;
    let expected: Vec<_> = [0_u8, 2, 4]
        .map(|number| SealedSecret {
            account: people[usize::from(number)],
            key: sighting("acme", &format!("user-{number}")).key,
            secret: sealed(1, number),
        })
        .into();
    let all = world.other.sealed_by_others(mark(2), vestibule::second_factor::account::AccountId(i64::MIN), 10);
    assert_eq!(all.await.expect("found"), expected);
    let next = world.other.sealed_by_others(mark(2), expected[0].account, 1).await.expect("found");
    assert_eq!(next, expected[1..2]);
}

async fn a_secret_that_was_sealed_anew_takes_the_place_of_that_very_one(world: World) {
    let (ann, bob) = (world.person("acme", "ann").await, world.person("acme", "bob").await);
    let of = async |account| world.store.enrolled_key(account).await.expect("read").expect("a key");
    let (before, other) = (of(ann.id).await, of(bob.id).await);
    let anew = vec![
        Resealed { account: bob.id, old: before.secret.clone(), new: sealed(2, 1) },
        Resealed { account: ann.id, old: before.secret.clone(), new: sealed(2, 2) },
    ];
    world.other.reseal(anew).await.expect("done");
    assert_eq!(of(bob.id).await, other, "it was another's");
    let after = of(ann.id).await;
    assert_eq!((after.id, after.last_step, after.secret), (before.id, before.last_step, sealed(2, 2)));
    assert!(world.is_signed_in(&ann.session).await);
    world.sign_in(ann.id, 101, at(1)).await;
}

async fn what_a_key_sealed_that_the_store_has_left_is_not_kept(world: World) {
    let ann = world.person("acme", "ann").await;
    let bob = world.visitor("acme", "bob").await.id;
    world.store.set_key_check(sealed(2, 0)).await.expect("set");
    let session = world.pending(bob).await;
    let mut started = pending_enrollment(bob, session, NOON);
    started.secret = sealed(1, 1);
    world.store.start_enrollment(started.clone()).await.expect_err("another key sealed it");
    started.secret = sealed(2, 1);
    world.store.start_enrollment(started.clone()).await.expect("answered").expect("started");

    let mut confirmed = confirmation(started, 100);
    confirmed.secret = sealed(1, 2);
    world.store.confirm_enrollment(confirmed.clone(), by(bob, at(1))).await.expect_err("another key sealed it");
    assert_eq!(world.store.enrolled_key(bob).await.expect("read"), None);
    confirmed.secret = sealed(2, 2);
    world.store.confirm_enrollment(confirmed, by(bob, at(2))).await.expect("confirmed");

    let mut replacement = pending_enrollment(ann.id, ann.session.digest, NOON);
    replacement.secret = sealed(1, 3);
    let step = world.step(ann.id, 101).await;
    let effect = Effect::StartReplacement(replacement);
    world.store.accept_step(ann.id, step, effect, by(ann.id, at(3))).await.expect_err("another key sealed it");
    world.store.accept_step(ann.id, step, Effect::SignIn(new_session()), by(ann.id, at(4))).await.expect("still good");
}

async fn enrollments_that_another_key_sealed_are_counted_until_they_expire(world: World) {
    for (user, key) in [("ann", 1), ("bob", 2), ("eve", 1)] {
        let account = world.visitor("acme", user).await.id;
        let session = pending_session(account, NOON);
        let mut pending = pending_enrollment(account, session.digest, NOON);
        pending.secret = sealed(key, 7);
        world.store.open_pending(session, None).await.expect("opened");
        world.store.start_enrollment(pending).await.expect("answered").expect("started");
    }
    let left = async |seconds| world.other.enrollments_sealed_by_others(mark(2), at(seconds)).await.expect("counted");
    assert_eq!(left(599).await, 2);
    assert_eq!(left(600).await, 0);
    assert_eq!(left(0).await, 0, "they are gone for good");
}
