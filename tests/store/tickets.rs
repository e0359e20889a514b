//! Tickets: one is open for one account, starts enrollments of it, and is used up by the first that is confirmed.

use std::time::Duration;

use vestibule::second_factor::Timestamp;
use vestibule::second_factor::account::{Account, Factor};
use vestibule::second_factor::enrollment::PendingEnrollment;
use vestibule::second_factor::event::{Actor, EventKind};
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::throttle::{Bucket, Charge};
use vestibule::second_factor::ticket::TicketDigest;
use vestibule::store::{Acceptance, Effect, NewTicket};

use crate::world::{NOON, World, at, by, by_operator, confirmation, pending_enrollment, session_of};

on_every_engine! {
    a_ticket_is_for_its_account_alone,
    a_ticket_is_good_until_it_expires,
    a_new_ticket_takes_the_place_of_the_one_before,
    a_ticket_is_used_up_by_the_confirmation_and_by_nothing_before,
    an_enrollment_without_a_ticket_uses_up_the_one_that_is_open,
    an_enrollment_without_a_ticket_becomes_none_with_one,
    only_an_account_of_the_own_organization_without_a_key_gets_a_ticket,
    whoever_was_reset_gets_a_ticket,
    a_right_ticket_takes_back_its_own_charge_and_a_new_one_all,
    the_audit_log_tells_who_issued_a_ticket_and_who_used_it,
}

const MILLISECOND: Duration = Duration::from_millis(1);

async fn confirm(world: &World, pending: &PendingEnrollment, now: Timestamp) -> Acceptance {
    let occasion = by(pending.account, now);
    world.store.confirm_enrollment(confirmation(pending.clone(), 100), occasion).await.expect("answered")
}

async fn issue(world: &World, by: Authority, account: &Account) -> Option<Account> {
    let ticket = NewTicket { digest: TicketDigest([7; 32]), expires: at(3600) };
    world.store.issue_ticket(by, account.id, ticket, by_operator(NOON)).await.expect("answered")
}

async fn a_ticket_is_for_its_account_alone(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await, world.visitor("acme", "bob").await);
    let (hers, his) = (world.ticket(&ann).await, world.ticket(&bob).await);
    for (ticket, account) in [(hers, &bob), (his, &ann), (TicketDigest([7; 32]), &ann)] {
        assert_eq!(world.enrollment_by(ticket, account.id, NOON).await, None);
    }
    for (ticket, account) in [(hers, &ann), (his, &bob)] {
        let started = world.enrollment_by(ticket, account.id, NOON).await.expect("started");
        session_of(confirm(&world, &started, NOON).await);
    }
}

async fn a_ticket_is_good_until_it_expires(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let ticket = world.ticket(&ann).await;
    let last = at(3600).minus(MILLISECOND);
    let started = world.enrollment_by(ticket, ann.id, last).await.expect("started");
    let shown = async |now| world.other.pending_enrollment(started.session, now).await.expect("read");
    assert_eq!(shown(last).await, Some(started.clone()));
    assert_eq!(shown(at(3600)).await, None);
    assert_eq!(world.enrollment_by(ticket, ann.id, at(3600)).await, None);
    assert_eq!(confirm(&world, &started, at(3600)).await, Acceptance::Gone);
    session_of(confirm(&world, &started, last).await);
}

async fn a_new_ticket_takes_the_place_of_the_one_before(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let old = world.ticket(&ann).await;
    let begun = world.enrollment_by(old, ann.id, NOON).await.expect("started");
    let new = world.ticket(&ann).await;
    assert_eq!(world.enrollment_by(old, ann.id, NOON).await, None);
    assert_eq!(world.store.pending_enrollment(begun.session, NOON).await.expect("read"), None);
    assert_eq!(confirm(&world, &begun, NOON).await, Acceptance::Gone);
    // In the same session, too, another secret is shown for the new one.
    let again = pending_enrollment(ann.id, begun.session, NOON);
    let again = PendingEnrollment { ticket: Some(new), ..again };
    assert_eq!(world.store.start_enrollment(again.clone()).await.expect("answered"), Some(again.clone()));
    session_of(confirm(&world, &again, NOON).await);
}

async fn a_ticket_is_used_up_by_the_confirmation_and_by_nothing_before(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let ticket = world.ticket(&ann).await;
    let first = world.enrollment_by(ticket, ann.id, NOON).await.expect("started");
    let second = world.enrollment_by(ticket, ann.id, at(1)).await.expect("a browser that was closed lost nothing");
    session_of(confirm(&world, &second, at(2)).await);
    assert_eq!(confirm(&world, &first, at(2)).await, Acceptance::Gone);
    // Its owner switches the second factor off: the ticket stays used.
    assert_eq!(world.give_code(ann.id, 101, Effect::Disable, at(3)).await, Acceptance::Accepted(None));
    assert_eq!(world.account(ann.id).await.factor, Factor::NotEnrolled);
    assert_eq!(world.enrollment_by(ticket, ann.id, at(4)).await, None);
}

async fn an_enrollment_without_a_ticket_uses_up_the_one_that_is_open(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let ticket = world.ticket(&ann).await;
    let ann = world.enroll(ann.id).await;
    assert_eq!(world.give_code(ann.id, 101, Effect::Disable, at(3)).await, Acceptance::Accepted(None));
    assert_eq!(world.enrollment_by(ticket, ann.id, at(4)).await, None);
}

async fn an_enrollment_without_a_ticket_becomes_none_with_one(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let begun = world.enrollment(ann.id).await;
    let ticket = world.ticket(&ann).await;
    let with = PendingEnrollment { ticket: Some(ticket), ..pending_enrollment(ann.id, begun.session, NOON) };
    let started = world.store.start_enrollment(with.clone()).await.expect("answered");
    assert_eq!(started, Some(with.clone()), "with another secret");
    let without = pending_enrollment(ann.id, begun.session, NOON);
    assert_eq!(world.store.start_enrollment(without.clone()).await.expect("answered"), Some(without));
    assert_eq!(confirm(&world, &with, NOON).await, Acceptance::Gone);
}

async fn only_an_account_of_the_own_organization_without_a_key_gets_a_ticket(world: World) {
    let alice = world.person("acme", "alice").await;
    let (ann, eve) = (world.visitor("acme", "ann").await, world.visitor("globex", "eve").await);
    let admin = world.admin(&alice).await;
    assert_eq!(issue(&world, admin, &eve).await, None);
    assert_eq!(issue(&world, Authority::Operator(ann.organization), &eve).await, None);
    assert_eq!(issue(&world, admin, &world.account(alice.id).await).await, None);
    assert_eq!(world.enrollment_by(TicketDigest([7; 32]), eve.id, NOON).await, None);
    assert_eq!(issue(&world, admin, &ann).await, Some(ann.clone()));
    assert!(world.enrollment_by(TicketDigest([7; 32]), ann.id, NOON).await.is_some());
}

async fn whoever_was_reset_gets_a_ticket(world: World) {
    let ann = world.person("acme", "ann").await;
    let account = world.account(ann.id).await;
    let operator = Authority::Operator(account.organization);
    world.store.reset_account(operator, ann.id, by_operator(at(1))).await.expect("answered").expect("reset");
    assert_eq!(world.account(ann.id).await.factor, Factor::Reset { at: at(1) });
    let ticket = world.ticket(&account).await;
    let started = world.enrollment_by(ticket, ann.id, at(2)).await.expect("started");
    session_of(confirm(&world, &started, at(2)).await);
}

async fn a_right_ticket_takes_back_its_own_charge_and_a_new_one_all(world: World) {
    let ann = world.visitor("acme", "ann").await;
    let ticket = world.ticket(&ann).await;
    for second in 0..3 {
        world.charge(ann.id, Bucket::Ticket, at(second)).await;
    }
    let wrong = world.enrollment_by(TicketDigest([8; 32]), ann.id, at(3)).await;
    assert_eq!(wrong, None, "a wrong one takes back nothing");
    assert!(world.enrollment_by(ticket, ann.id, at(3)).await.is_some());
    let next = world.charge(ann.id, Bucket::Ticket, at(4)).await;
    assert!(matches!(next, Charge::Compare(f) if f.in_a_row == 1 && f.in_window == 3), "{next:?}");
    for second in 5..9 {
        world.charge(ann.id, Bucket::Ticket, at(second)).await;
    }
    assert!(matches!(world.charge(ann.id, Bucket::Ticket, at(9)).await, Charge::TooSoon { .. }));
    world.charge(ann.id, Bucket::Enrollment, at(9)).await;
    world.ticket(&ann).await;
    let next = world.charge(ann.id, Bucket::Ticket, at(9)).await;
    assert!(matches!(next, Charge::Compare(f) if f.in_a_row == 1 && f.in_window == 1), "{next:?}");
    let other = world.charge(ann.id, Bucket::Enrollment, at(9)).await;
    assert!(matches!(other, Charge::Compare(f) if f.in_a_row == 2), "{other:?}");
}

async fn the_audit_log_tells_who_issued_a_ticket_and_who_used_it(world: World) {
    let alice = world.person("acme", "alice").await;
    let ann = world.visitor("acme", "ann").await;
    let new = NewTicket { digest: TicketDigest([7; 32]), expires: at(3600) };
    let by_alice = by(alice.id, NOON);
    world.store.issue_ticket(world.admin(&alice).await, ann.id, new, by_alice).await.expect("answered");
    let started = world.enrollment_by(new.digest, ann.id, at(1)).await.expect("started");
    session_of(confirm(&world, &started, at(2)).await);
    let log = world.audit_log().await;
    let told: Vec<_> = log.iter().skip(1).map(|entry| (entry.kind, entry.actor, entry.subject, entry.at)).collect();
    assert_eq!(
        told,
        [
            (EventKind::TicketIssued, Actor::Account(alice.id), Some(ann.id), NOON),
            (EventKind::TicketUsed, Actor::Account(ann.id), Some(ann.id), at(2)),
            (EventKind::Enrolled, Actor::Account(ann.id), Some(ann.id), at(2)),
        ]
    );
}
