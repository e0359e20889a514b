//! Pruning: what has run out goes, a few rows at a time; nothing else does.

use std::time::Duration;

use vestibule::audit_chain;
use vestibule::second_factor::enrollment::ENROLLMENT_LIFETIME;
use vestibule::second_factor::session::PENDING_LIFETIME;
use vestibule::second_factor::throttle::{Bucket, Charge, WINDOW};
use vestibule::store::{AuditQuery, Expired};

use crate::audit_chain::keys;
use crate::world::{NOON, World, at, days, pending_enrollment, pending_session};

on_every_engine! {
    a_session_past_a_limit_goes_and_no_other,
    a_pending_session_that_ran_out_goes_with_its_enrollment,
    an_expired_enrollment_goes_and_its_session_stays,
    a_ticket_goes_when_it_is_good_no_more,
    failed_tries_go_when_they_count_no_more,
    a_batch_is_as_small_as_it_was_asked_to_be,
    the_audit_log_and_the_accounts_stay,
    old_entries_of_the_audit_log_go_from_the_beginning_where_that_is_asked_for,
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// Only the limits of sessions are past anything.
fn nothing_but_sessions() -> Expired {
    Expired { now: NOON, idle_since: NOON, verified_before: NOON }
}

async fn a_session_past_a_limit_goes_and_no_other(world: World) {
    let ann = world.person("acme", "ann").await;
    let second = world.sign_in(ann.id, 101, at(100)).await;
    world.store.touch(vec![(ann.session.id, at(200))]).await.expect("touched");
    let prune = async |expired| world.store.prune(expired, 100).await.expect("pruned");
    let at_the_limits = Expired { idle_since: at(100), verified_before: NOON, ..nothing_but_sessions() };
    assert_eq!(prune(at_the_limits).await, 0);
    let idle = Expired { idle_since: at(100).plus(MILLISECOND), ..at_the_limits };
    assert_eq!(prune(idle).await, 1);
    assert!(world.is_signed_in(&ann.session).await && !world.is_signed_in(&second).await);
    let old = Expired { verified_before: NOON.plus(MILLISECOND), ..at_the_limits };
    assert_eq!(prune(old).await, 1);
    assert!(!world.is_signed_in(&ann.session).await);
}

async fn a_pending_session_that_ran_out_goes_with_its_enrollment(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let session = pending_session(ann.id, NOON);
    world.store.open_pending(session.clone(), None).await.expect("opened");
    let pending = pending_enrollment(ann.id, session.digest, at(300));
    world.store.start_enrollment(pending.clone()).await.expect("answered").expect("started");
    let end = NOON.plus(PENDING_LIFETIME);
    let prune = async |now| world.store.prune(Expired { now, ..nothing_but_sessions() }, 100).await.expect("pruned");
    assert_eq!(prune(end.minus(MILLISECOND)).await, 0);
    assert!(world.store.pending_session(session.digest).await.expect("read").is_some());
    assert_eq!(prune(end).await, 1);
    assert_eq!(world.store.pending_session(session.digest).await.expect("read"), None);
    assert_eq!(world.store.pending_enrollment(session.digest, at(301)).await.expect("read"), None);
}

async fn an_expired_enrollment_goes_and_its_session_stays(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let session = pending_session(ann.id, at(60));
    world.store.open_pending(session.clone(), None).await.expect("opened");
    let pending = pending_enrollment(ann.id, session.digest, NOON);
    world.store.start_enrollment(pending).await.expect("answered").expect("started");
    let end = NOON.plus(ENROLLMENT_LIFETIME);
    assert_eq!(world.store.prune(Expired { now: end, ..nothing_but_sessions() }, 100).await.expect("pruned"), 1);
    assert_eq!(world.store.pending_enrollment(session.digest, NOON).await.expect("read"), None);
    assert!(world.store.pending_session(session.digest).await.expect("read").is_some());
}

async fn a_ticket_goes_when_it_is_good_no_more(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let ticket = world.ticket(&ann).await;
    let prune = async |now| world.store.prune(Expired { now, ..nothing_but_sessions() }, 100).await.expect("pruned");
    assert_eq!(prune(at(3600).minus(MILLISECOND)).await, 0);
    assert!(world.enrollment_by(ticket, ann.id, at(3500)).await.is_some());
    assert_eq!(prune(at(3600)).await, 1, "the ticket alone");
    // Also for a clock that is behind.
    assert_eq!(world.enrollment_by(ticket, ann.id, at(3501)).await, None);
}

async fn failed_tries_go_when_they_count_no_more(world: World) {
    let ann = world.visitor("acme", "ann").await;
    for second in 0..3 {
        world.charge(ann.id, Bucket::Code, at(second)).await;
    }
    let now = at(1).plus(WINDOW);
    assert_eq!(world.store.prune(Expired { now, ..nothing_but_sessions() }, 100).await.expect("pruned"), 2);
    let next = world.charge(ann.id, Bucket::Code, at(3)).await;
    assert!(matches!(next, Charge::Compare(f) if f.in_a_row == 4 && f.in_window == 2), "{next:?}");
}

async fn a_batch_is_as_small_as_it_was_asked_to_be(world: World) {
    let ann = world.visitor("acme", "ann").await;
    for _ in 0..5 {
        world.pending(ann.id).await;
        world.charge(ann.id, Bucket::Enrollment, NOON).await;
        world.charge(ann.id, Bucket::Recovery, NOON.minus(Duration::from_hours(1))).await;
    }
    let expired = Expired { now: NOON.plus(WINDOW), ..nothing_but_sessions() };
    let mut pruned = vec![];
    while let Some(count) = Some(world.store.prune(expired, 3).await.expect("pruned")).filter(|count| *count > 0) {
        pruned.push(count);
    }
    assert_eq!(pruned, [6, 5, 3, 1]);
    assert_eq!(world.store.prune(expired, 0).await.expect("pruned"), 0);
}

async fn the_audit_log_and_the_accounts_stay(world: World) {
    let ann = world.person("acme", "ann").await;
    let (before, log) = (world.account(ann.id).await, world.audit_log().await);
    let the_end = NOON.plus(Duration::from_hours(24 * 36_500));
    let expired = Expired { now: the_end, idle_since: the_end, verified_before: the_end };
    assert!(world.store.prune(expired, u64::MAX).await.expect("pruned") > 0);
    assert_eq!(world.account(ann.id).await, before);
    assert_eq!(world.audit_log().await, log);
    assert_eq!(world.store.recovery_codes_left(ann.id).await.expect("counted"), 10);
    assert!(world.store.enrolled_key(ann.id).await.expect("read").is_some());
}

async fn old_entries_of_the_audit_log_go_from_the_beginning_where_that_is_asked_for(world: World) {
    let ann = world.person("acme", "ann").await;
    for step in 101..=109 {
        world.sign_in(ann.id, step, at(step)).await;
    }
    world.person("globex", "bob").await;
    let numbers = async || world.audit_log().await.iter().map(|entry| entry.number).collect::<Vec<_>>();
    let all = numbers().await;
    assert_eq!(all.len(), 11);
    let store = world.store.as_ref();
    let forget = async |before, limit| audit_chain::forget(store, &keys(1), before, limit).await.expect("forgotten");
    assert_eq!(forget(at(105), 100).await, 0, "what is not linked yet stays until it is");
    audit_chain::grow(world.other.as_ref(), &keys(1)).await.expect("linked");
    assert_eq!(forget(NOON, 100).await, 0, "nothing is that old");
    assert_eq!(forget(at(105), 2).await, 2, "no more than were asked for");
    assert_eq!(numbers().await, all[2..]);
    assert_eq!(forget(at(105), 100).await, 3, "those up to 104, and none behind a younger one");
    assert_eq!(numbers().await, all[5..]);
    let page = |organization| AuditQuery {
        organization: Some(organization),
        subject: None,
        before: None,
        offset: 0,
        limit: 100,
    };
    for (name, entries) in [("acme", 5), ("globex", 1)] {
        let listed = world.store.audit(page(world.organization(name).await.id)).await.expect("read");
        assert_eq!((listed.total, listed.rows.len() as u64), (entries, entries), "{name}");
    }
    // The newest stays, whatever its age: those to come get larger numbers.
    forget(days(1), 100).await;
    assert_eq!(numbers().await, all[10..]);
    world.sign_in(ann.id, 110, days(2)).await;
    assert!(numbers().await[1] > all[10]);
}
