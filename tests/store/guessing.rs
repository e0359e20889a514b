//! Guessing is noticed: at one account within a day, and across an organization within an hour, once each.

use std::time::Duration;

use rusqlite::Connection;
use vestibule::second_factor::Timestamp;
use vestibule::second_factor::account::AccountId;
use vestibule::second_factor::event::{Actor, EventKind, Occasion};
use vestibule::second_factor::guessing::{ACCOUNT_SPAN, Alarm, ORGANIZATION_SPAN, SETTLED};
use vestibule::second_factor::throttle::Bucket;
use vestibule::store::{Effect, Expired};

use crate::cluster::connect;
use crate::engines::Place;
use crate::world::{NOON, World, at, new_session};

on_every_engine! {
    ten_failures_within_a_day_are_one_alarm_about_the_account,
    nine_failures_or_ten_on_two_days_are_none,
    an_attack_that_goes_on_is_told_again_the_next_day,
    a_failure_at_each_of_five_hundred_accounts_is_one_alarm,
    an_attack_on_an_organization_that_goes_on_is_told_again_the_next_hour,
    whoever_mistypes_and_then_gives_the_right_code_is_no_part_of_it,
    a_failure_at_a_few_accounts_is_no_alarm_nor_is_one_in_each_of_many_organizations,
    where_many_are_enrolled_it_takes_more_of_them,
    codes_that_confirm_an_enrollment_are_no_guesses,
    a_try_that_is_just_being_compared_is_no_failure_yet,
    alarms_are_forgotten_once_they_keep_no_other_back,
}

/// What is raised at that time by one of the gateways.
async fn raised(world: &World, now: Timestamp) -> Vec<Alarm> {
    world.store.raise_alarms(Occasion::of_the_gateway(now)).await.expect("answered")
}

/// When a try of that time counts.
fn settled(at: Timestamp) -> Timestamp {
    at.plus(SETTLED)
}

fn about(account: AccountId, failures: u64) -> Alarm {
    Alarm::AtAccount { account, organization: "acme".into(), failures }
}

fn across(organization: &str, accounts: u64) -> Alarm {
    Alarm::AtOrganization { organization: organization.into(), accounts }
}

/// So many people of an organization fail once, from that second on.
async fn each_fails_once(world: &World, organization: &str, people: i64, from: i64) -> Timestamp {
    for number in 0..people {
        let account = world.visitor(organization, &format!("user-{from}-{number}")).await;
        world.charge(account.id, Bucket::Code, at(from + number)).await;
    }
    at(from + people)
}

async fn ten_failures_within_a_day_are_one_alarm_about_the_account(world: World) {
    let ann = world.person("acme", "ann").await;
    let bob = world.visitor("acme", "bob").await;
    let last = world.fail(ann.id, Bucket::Code, 7).await;
    world.charge(bob.id, Bucket::Code, last).await;
    assert_eq!(raised(&world, settled(last)).await, []);
    let last = last.plus(Duration::from_mins(15));
    for bucket in [Bucket::Recovery, Bucket::Recovery, Bucket::Code] {
        world.charge(ann.id, bucket, last).await;
    }
    let (one, other) = {
        let look = |store: std::sync::Arc<dyn vestibule::store::Store>| async move {
            store.raise_alarms(Occasion::of_the_gateway(settled(last))).await.expect("answered")
        };
        tokio::join!(look(world.store.clone()), look(world.other.clone()))
    };
    assert_eq!([one, other].concat(), [about(ann.id, 10)], "by one of them");

    let later = world.fail_once_more(ann.id, last).await;
    assert_eq!(raised(&world, settled(later)).await, [], "once a day");
    let log = world.audit_log().await;
    let told: Vec<_> = log.iter().filter(|entry| entry.kind == EventKind::GuessingAtAccount).collect();
    let [entry] = told[..] else { panic!("{log:#?}") };
    assert_eq!((entry.subject, entry.actor, entry.at), (Some(ann.id), Actor::Gateway, settled(last)));
}

async fn nine_failures_or_ten_on_two_days_are_none(world: World) {
    let (ann, bob) = (world.visitor("acme", "ann").await.id, world.visitor("acme", "bob").await.id);
    let last = world.fail(ann, Bucket::Code, 9).await;
    world.fail(bob, Bucket::Code, 9).await;
    assert_eq!(raised(&world, settled(last)).await, []);
    let first = at(900);
    let tenth = first.plus(ACCOUNT_SPAN).minus(SETTLED);
    world.charge(ann, Bucket::Code, tenth).await;
    world.charge(bob, Bucket::Code, tenth.minus(Duration::from_millis(1))).await;
    assert_eq!(raised(&world, settled(tenth)).await, []);
    assert_eq!(raised(&world, settled(tenth).minus(Duration::from_millis(1))).await, [about(bob, 10)]);
}

async fn an_attack_that_goes_on_is_told_again_the_next_day(world: World) {
    let ann = world.visitor("acme", "ann").await.id;
    let mut last = NOON;
    let mut told = Vec::new();
    // 24 hours and a half, at a failure in a quarter of an hour.
    for _ in 0..10 + 96 + 2 {
        last = world.fail_once_more(ann, last).await;
        told.extend(raised(&world, settled(last)).await);
    }
    assert_eq!(told, [about(ann, 10), about(ann, 96)]);
}

async fn a_failure_at_each_of_five_hundred_accounts_is_one_alarm(world: World) {
    let last = each_fails_once(&world, "acme", 500, 0).await;
    let now = settled(last);
    let mut told = Vec::new();
    for _ in 0..3 {
        let occasion = || Occasion::of_the_gateway(now);
        let (one, other) = tokio::join!(world.store.raise_alarms(occasion()), world.other.raise_alarms(occasion()));
        told.extend([one.expect("answered"), other.expect("answered")].concat());
    }
    assert_eq!(told, [across("acme", 500)]);
    let log = world.audit_log().await;
    let [entry] = &log[..] else { panic!("{log:#?}") };
    assert_eq!((entry.kind, entry.subject), (EventKind::GuessingAtOrganization, None));
    assert_eq!((entry.organization.as_str(), entry.actor), ("acme", Actor::Gateway));
}

async fn an_attack_on_an_organization_that_goes_on_is_told_again_the_next_hour(world: World) {
    let mut told = Vec::new();
    // An hour and a half, at 30 accounts in five minutes.
    for number in 0..18 {
        let last = each_fails_once(&world, "acme", 30, number * 300).await;
        told.extend(raised(&world, settled(last)).await);
    }
    assert_eq!(told.len(), 2, "{told:?}");
    // Long after the last failure it is over.
    assert_eq!(raised(&world, at(18 * 300).plus(ORGANIZATION_SPAN)).await, []);
}

async fn whoever_mistypes_and_then_gives_the_right_code_is_no_part_of_it(world: World) {
    let mut people = Vec::new();
    for number in 0..30 {
        people.push(world.person("acme", &number.to_string()).await);
    }
    for person in &people {
        world.charge(person.id, Bucket::Code, at(10)).await;
    }
    for person in &people[..11] {
        world.give_code(person.id, 101, Effect::SignIn(new_session()), at(20)).await;
    }
    assert_eq!(raised(&world, at(60)).await, []);
    world.charge(people[0].id, Bucket::Code, at(70)).await;
    assert_eq!(raised(&world, at(80)).await, [across("acme", 20)]);
}

async fn a_failure_at_a_few_accounts_is_no_alarm_nor_is_one_in_each_of_many_organizations(world: World) {
    each_fails_once(&world, "acme", 19, 0).await;
    for number in 0..30 {
        each_fails_once(&world, &format!("organization-{number}"), 1, number).await;
    }
    assert_eq!(raised(&world, at(60)).await, []);
    each_fails_once(&world, "acme", 1, 60).await;
    assert_eq!(raised(&world, at(70)).await, [across("acme", 20)]);
}

/// That many people of the organization "acme" have an authenticator, none of which is used here.
async fn are_enrolled(world: &World, people: i64) {
    let acme = world.organization("acme").await.id.0;
    let columns = "accounts (organization, user_id, listing, secret, enrolled_at, last_step)";
    match &world.place {
        Place::Sqlite(file) => {
            let numbers = format!("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {people})");
            let sql = format!("INSERT INTO {columns} {numbers} SELECT {acme}, 'e-' || i, '', x'00', 1, 1 FROM n");
            Connection::open(file).expect("SQLite").execute(&sql, []).expect("good SQL");
        }
        Place::Postgres(database) => {
            let sql = format!(
                "INSERT INTO {columns} SELECT {acme}, 'e-' || i, '', '\\x00', 1, 1 FROM generate_series(1, {people}) i;
                 UPDATE tallies SET enrolled = enrolled + {people}
                 WHERE (organization, slice) = (SELECT organization, slice FROM tallies WHERE organization = {acme} LIMIT 1)"
            );
            connect(database).await.batch_execute(&sql).await.expect("good SQL");
        }
    }
}

async fn where_many_are_enrolled_it_takes_more_of_them(world: World) {
    each_fails_once(&world, "acme", 21, 0).await;
    are_enrolled(&world, 2200).await;
    assert_eq!(raised(&world, at(60)).await, [], "not one in a hundred");
    each_fails_once(&world, "acme", 1, 60).await;
    assert_eq!(raised(&world, at(70)).await, [across("acme", 22)]);
}

async fn codes_that_confirm_an_enrollment_are_no_guesses(world: World) {
    for number in 0..30 {
        let account = world.visitor("acme", &number.to_string()).await;
        world.charge(account.id, Bucket::Enrollment, at(number)).await;
    }
    let ann = world.visitor("acme", "ann").await.id;
    let last = world.fail(ann, Bucket::Enrollment, 20).await;
    assert_eq!(raised(&world, at(60)).await, []);
    assert_eq!(raised(&world, settled(last)).await, []);
}

async fn a_try_that_is_just_being_compared_is_no_failure_yet(world: World) {
    let ann = world.person("acme", "ann").await;
    let last = world.fail(ann.id, Bucket::Code, 9).await;
    let now = last.plus(Duration::from_mins(15));
    world.charge(ann.id, Bucket::Code, now).await;
    assert_eq!(raised(&world, settled(now).minus(Duration::from_millis(1))).await, []);
    let step = world.step(ann.id, 101).await;
    let accepted = world.store.accept_step(ann.id, step, Effect::SignIn(new_session()), crate::world::by(ann.id, now));
    accepted.await.expect("answered");
    assert_eq!(raised(&world, settled(now)).await, [], "it was good");
}

async fn alarms_are_forgotten_once_they_keep_no_other_back(world: World) {
    let last = each_fails_once(&world, "acme", 20, 0).await;
    assert_eq!(raised(&world, settled(last)).await.len(), 1);
    let prune = async |now| {
        let expired = Expired { now, idle_since: NOON, verified_before: NOON };
        world.store.prune(expired, 100).await.expect("pruned")
    };
    let end = settled(last).plus(ACCOUNT_SPAN);
    assert_eq!((prune(end.minus(Duration::from_millis(1))).await, prune(end).await), (0, 1));
}
