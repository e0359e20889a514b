//! Races: many callers at once, on several threads and on two gateways; exactly one wins.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use vestibule::second_factor::account::{AccountId, Factor};
use vestibule::second_factor::enrollment::PendingEnrollment;
use vestibule::second_factor::event::EventKind;
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::session::PendingSession;
use vestibule::second_factor::throttle::{Bucket, Charge};
use vestibule::second_factor::ticket::TicketDigest;
use vestibule::store::{Acceptance, Effect, NewTicket, PENDING_SESSIONS, Store};

use crate::world::{
    NOON, World, at, by, by_operator, confirmation, new_session, pending_enrollment, pending_session, sighting,
};

on_every_engine! {
    of_fifty_submissions_of_one_step_one_is_accepted,
    of_fifty_submissions_of_one_recovery_code_one_is_accepted,
    of_two_codes_of_different_steps_the_later_always_counts,
    of_many_confirmations_one_makes_the_key,
    of_many_enrollments_with_one_ticket_one_makes_the_key,
    a_new_ticket_and_the_confirmation_with_the_old_one_never_both_stand,
    a_reset_revives_nothing_that_was_accepted_meanwhile,
    a_reset_revives_nothing_that_was_confirmed_meanwhile,
    parallel_tries_are_all_charged,
    parallel_first_sights_make_one_account,
    parallel_pending_sessions_stay_below_their_limit,
    a_session_that_is_ended_while_it_steps_up_is_gone,
}

const ROUNDS: usize = 25;

/// Has as many callers do the same at the same moment, every other one at the other gateway.
async fn at_once<T, F>(world: &World, callers: usize, act: impl Fn(Arc<dyn Store>, usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(callers));
    let mut set = JoinSet::new();
    for number in 0..callers {
        let gateway = if number % 2 == 0 { &world.store } else { &world.other };
        let (barrier, act) = (Arc::clone(&barrier), act(Arc::clone(gateway), number));
        set.spawn(async move {
            barrier.wait().await;
            act.await
        });
    }
    set.join_all().await
}

fn accepted(answers: &[Acceptance]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Acceptance::Accepted(_))).count()
}

async fn sessions(world: &World, account: AccountId) -> usize {
    world.store.sessions_of(account).await.expect("listed").len()
}

async fn of_fifty_submissions_of_one_step_one_is_accepted(world: World) {
    let ann = world.person("acme", "ann").await;
    for round in 1..=ROUNDS {
        let matched = world.step(ann.id, 100 + i64::try_from(round).expect("small")).await;
        let answers = at_once(&world, 50, move |store, _| async move {
            let effect = Effect::SignIn(new_session());
            store.accept_step(ann.id, matched, effect, by(ann.id, at(1))).await.expect("answered")
        })
        .await;
        assert_eq!(accepted(&answers), 1);
        assert_eq!(answers.iter().filter(|answer| **answer == Acceptance::AlreadyUsed).count(), 49);
        assert_eq!(sessions(&world, ann.id).await, 1 + round);
    }
}

async fn of_fifty_submissions_of_one_recovery_code_one_is_accepted(world: World) {
    for round in 0..ROUNDS {
        let ann = world.person("acme", &format!("ann-{round}")).await;
        let (account, code) = (ann.id, ann.codes[0]);
        let answers = at_once(&world, 50, move |store, _| async move {
            let effect = Effect::SignIn(new_session());
            store.spend_recovery_code(account, code, effect, by(account, at(1))).await.expect("answered")
        })
        .await;
        assert_eq!(accepted(&answers), 1);
        assert_eq!(sessions(&world, account).await, 2);
        assert_eq!(world.store.recovery_codes_left(account).await.expect("counted"), 9);
    }
}

async fn of_two_codes_of_different_steps_the_later_always_counts(world: World) {
    let ann = world.person("acme", "ann").await;
    for round in 1..=ROUNDS {
        let base = i64::try_from(100 + round * 2).expect("small");
        let (earlier, later) = (world.step(ann.id, base).await, world.step(ann.id, base + 1).await);
        let answers = at_once(&world, 2, move |store, number| async move {
            let step = if number == 0 { earlier } else { later };
            let effect = Effect::SignIn(new_session());
            (number, store.accept_step(ann.id, step, effect, by(ann.id, at(1))).await.expect("answered"))
        })
        .await;
        let of_later = answers.iter().find(|(number, _)| *number == 1).expect("both answered");
        assert!(matches!(of_later.1, Acceptance::Accepted(_)));
        assert_eq!(world.store.enrolled_key(ann.id).await.expect("read").expect("a key").last_step, later.step);
    }
}

async fn of_many_confirmations_one_makes_the_key(world: World) {
    for round in 0..ROUNDS {
        let ann = world.visitor("acme", &format!("ann-{round}")).await.id;
        let mut confirmations = vec![];
        for _ in 0..10 {
            // Two tries for each of five browsers.
            let pending = world.enrollment(ann).await;
            confirmations.extend([confirmation(pending.clone(), 100), confirmation(pending, 101)]);
        }
        let secrets: Vec<_> = confirmations.iter().map(|confirmation| confirmation.secret.clone()).collect();
        let answers = at_once(&world, confirmations.len(), move |store, number| {
            let confirmation = confirmations[number].clone();
            async move { (number, store.confirm_enrollment(confirmation, by(ann, at(1))).await.expect("answered")) }
        })
        .await;
        let winners: Vec<_> = answers.iter().filter(|(_, answer)| matches!(answer, Acceptance::Accepted(_))).collect();
        assert_eq!(winners.len(), 1);
        let key = world.store.enrolled_key(ann).await.expect("read").expect("a key");
        assert_eq!(key.secret, secrets[winners[0].0]);
        assert_eq!(sessions(&world, ann).await, 1);
        assert_eq!(world.store.recovery_codes_left(ann).await.expect("counted"), 10);
    }
}

/// Everything of the key is gone, whoever came first.
async fn assert_reset(world: &World, account: AccountId) {
    assert!(matches!(world.account(account).await.factor, Factor::Reset { .. }));
    assert_eq!(world.store.enrolled_key(account).await.expect("read"), None);
    assert_eq!(world.store.recovery_codes_left(account).await.expect("counted"), 0);
    assert_eq!(sessions(world, account).await, 0);
}

async fn of_many_enrollments_with_one_ticket_one_makes_the_key(world: World) {
    for round in 0..ROUNDS {
        let ann = world.visitor("acme", &format!("ann-{round}")).await;
        let (ticket, ann) = (world.ticket(&ann).await, ann.id);
        let started = at_once(&world, 10, |store, _| {
            let session = pending_session(ann, NOON);
            let pending = pending_enrollment(ann, session.digest, NOON);
            async move {
                store.open_pending(session, None).await.expect("opened");
                let pending = PendingEnrollment { ticket: Some(ticket), ..pending };
                store.start_enrollment(pending).await.expect("answered").expect("the ticket is open")
            }
        })
        .await;
        let answers = at_once(&world, started.len(), |store, number| {
            let confirmation = confirmation(started[number].clone(), 100);
            async move { store.confirm_enrollment(confirmation, by(ann, at(1))).await.expect("answered") }
        })
        .await;
        assert_eq!(accepted(&answers), 1);
        assert_eq!(answers.iter().filter(|answer| **answer == Acceptance::Gone).count(), 9);
        let log = world.audit_log().await;
        let uses = log.iter().filter(|entry| entry.kind == EventKind::TicketUsed && entry.subject == Some(ann));
        assert_eq!(uses.count(), 1);
    }
}

async fn a_new_ticket_and_the_confirmation_with_the_old_one_never_both_stand(world: World) {
    for round in 0..ROUNDS {
        let ann = world.visitor("acme", &format!("ann-{round}")).await;
        let ticket = world.ticket(&ann).await;
        let confirmation = confirmation(world.enrollment_by(ticket, ann.id, NOON).await.expect("started"), 100);
        let authority = Authority::Operator(ann.organization);
        let answers = at_once(&world, 2, |store, number| {
            let confirmation = confirmation.clone();
            async move {
                if number == 0 {
                    let confirmed = store.confirm_enrollment(confirmation, by(ann.id, at(1))).await.expect("answered");
                    matches!(confirmed, Acceptance::Accepted(_))
                } else {
                    let new = NewTicket { digest: TicketDigest([7; 32]), expires: at(3600) };
                    let issued = store.issue_ticket(authority, ann.id, new, by_operator(at(1))).await;
                    issued.expect("answered").is_some()
                }
            }
        })
        .await;
        assert_eq!(answers.iter().filter(|stands| **stands).count(), 1, "{answers:?}");
    }
}

async fn a_reset_revives_nothing_that_was_accepted_meanwhile(world: World) {
    for round in 0..ROUNDS {
        let ann = world.person("acme", &format!("ann-{round}")).await;
        let (account, session) = (ann.id, ann.session.clone());
        let organization = world.account(account).await.organization;
        let matched = world.step(account, 101).await;
        at_once(&world, 20, move |store, number| {
            let effect = match number % 3 {
                0 => Effect::SignIn(new_session()),
                1 => Effect::StepUp { session: session.id, digest: new_session().digest },
                _ => Effect::StartReplacement(pending_enrollment(account, session.digest, at(1))),
            };
            let code = ann.codes[number % 10];
            async move {
                match number {
                    7 => {
                        let by = Authority::Operator(organization);
                        let reset = store.reset_account(by, account, by_operator(at(1))).await.expect("answered");
                        assert!(reset.is_some());
                    }
                    8.. if number % 3 != 2 => {
                        store.spend_recovery_code(account, code, effect, by(account, at(1))).await.expect("answered");
                    }
                    _ => {
                        store.accept_step(account, matched, effect, by(account, at(1))).await.expect("answered");
                    }
                }
            }
        })
        .await;
        assert_reset(&world, account).await;
    }
}

async fn a_reset_revives_nothing_that_was_confirmed_meanwhile(world: World) {
    for round in 0..ROUNDS {
        let ann = world.person("acme", &format!("ann-{round}")).await;
        let (account, organization) = (ann.id, world.account(ann.id).await.organization);
        let pending = pending_enrollment(account, ann.session.digest, at(1));
        world.give_code(account, 101, Effect::StartReplacement(pending.clone()), at(1)).await;
        at_once(&world, 10, move |store, number| {
            let confirmation = confirmation(pending.clone(), 102);
            async move {
                if number == 3 {
                    let reset = store.reset_account(Authority::Operator(organization), account, by_operator(at(2)));
                    assert!(reset.await.expect("answered").is_some());
                } else {
                    store.confirm_enrollment(confirmation, by(account, at(2))).await.expect("answered");
                }
            }
        })
        .await;
        assert_reset(&world, account).await;
    }
}

async fn parallel_tries_are_all_charged(world: World) {
    for round in 0..ROUNDS {
        let ann = world.visitor("acme", &format!("ann-{round}")).await.id;
        let charges = at_once(&world, 50, move |store, _| async move {
            store.charge_attempt(ann, Bucket::Code, NOON).await.expect("answered")
        })
        .await;
        let compared = charges.iter().filter(|charge| matches!(charge, Charge::Compare(_))).count();
        assert_eq!(compared, 5, "the fifth failure starts the delay");
        assert_eq!(charges.iter().filter(|charge| matches!(charge, Charge::TooSoon { .. })).count(), 45);
    }
}

async fn parallel_first_sights_make_one_account(world: World) {
    for round in 0..ROUNDS {
        let name = format!("organization-{round}");
        let seen = at_once(&world, 20, move |store, _| {
            let sighting = sighting(&name, "ann");
            async move { store.sight(sighting).await.expect("sighted") }
        })
        .await;
        assert!(seen.iter().all(|account| *account == seen[0]));
    }
    assert_eq!(world.store.organizations().await.expect("listed").len(), ROUNDS);
}

async fn parallel_pending_sessions_stay_below_their_limit(world: World) {
    let ann = world.visitor("acme", "ann").await.id;
    let opened: Vec<PendingSession> = (0..160).map(|second| pending_session(ann, at(second))).collect();
    let digests: Vec<_> = opened.iter().map(|session| session.digest).collect();
    at_once(&world, opened.len(), move |store, number| {
        let session = opened[number].clone();
        async move { store.open_pending(session, None).await.expect("opened") }
    })
    .await;
    let mut there = 0;
    for digest in digests {
        there += u64::from(world.store.pending_session(digest).await.expect("read").is_some());
    }
    assert_eq!(there, PENDING_SESSIONS);
}

async fn a_session_that_is_ended_while_it_steps_up_is_gone(world: World) {
    let ann = world.person("acme", "ann").await;
    for round in 1..=ROUNDS {
        let step = 100 + 2 * i64::try_from(round).expect("small");
        let session = world.sign_in(ann.id, step, at(1)).await;
        let matched = world.step(ann.id, step + 1).await;
        let id = session.id;
        at_once(&world, 2, move |store, number| async move {
            if number == 0 {
                let effect = Effect::StepUp { session: id, digest: new_session().digest };
                store.accept_step(ann.id, matched, effect, by(ann.id, at(2))).await.expect("answered");
            } else {
                assert!(store.end_own_session(ann.id, id, by(ann.id, at(2))).await.expect("answered"));
            }
        })
        .await;
        assert_eq!(sessions(&world, ann.id).await, 1, "the one of the enrollment");
    }
}
