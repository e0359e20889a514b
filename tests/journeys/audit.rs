//! The audit log: who, whom, when, from where.

use std::time::Duration;

use vestibule::second_factor::event::EventKind;

use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn it_tells_what_happened_the_latest_first() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    world.passes(Duration::from_mins(1));
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/reports").await;
    let wrong = bob.authenticator().wrong_code();
    bob.gives(&wrong).await.shows(Sight::CodeRefused);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    let mut alice = world.enrolled("alice").await;
    alice.posts("/_2fa/settings/requirement", &[("requirement", "required")]).await.shows(Sight::Settings);
    alice.resets("Bob Brown").await.shows(Sight::Security);

    let page = alice.opens("/_2fa/settings/audit").await;
    page.shows(Sight::Audit);
    let told: Vec<_> = page.rows().into_iter().map(|row| format!("{} | {} | {}", row[0], row[2], row[3])).collect();
    assert_eq!(
        told,
        [
            "2-factor authentication reset | Alice Ames | Bob Brown",
            "2-factor authentication made required | Alice Ames | Everybody",
            "Authenticator set up | Alice Ames | Alice Ames",
            "Code accepted | Bob Brown | Bob Brown",
            "Wrong code | Bob Brown | Bob Brown",
            "Logged out | Bob Brown | Bob Brown",
            "Authenticator set up | Bob Brown | Bob Brown",
        ]
    );
    for row in page.rows() {
        assert!(row[1].contains("15 Jan 2027"), "when: {row:?}");
        assert!(row[4].contains("127.0.0.1 Request "), "from where, and in which request: {row:?}");
    }
}

#[tokio::test]
async fn refused_recovery_codes_and_the_lock_are_in_it_too() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    bob.opens("/").await;
    bob.recovers_with("0000").await.shows(Sight::RecoveryCodeRefused);
    for _ in 0..20 {
        bob.opens("/").await;
        let wrong = bob.authenticator().wrong_code();
        let page = bob.gives(&wrong).await;
        world.passes(page.wait().unwrap_or_default());
    }
    let mut alice = world.enrolled("alice").await;
    let page = alice.opens("/_2fa/settings/audit").await;
    page.says("Wrong recovery code");
    page.says("Authenticator locked after too many wrong codes");
}

#[tokio::test]
async fn a_long_log_has_pages() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for _ in 0..30 {
        bob.logs_out().await;
        bob.signs_in().await;
    }
    let mut alice = world.enrolled("alice").await;
    assert_eq!(alice.opens("/_2fa/settings/audit").await.rows().len(), 25);
    let second = alice.opens("/_2fa/settings/audit?page=2").await;
    assert_eq!(second.rows().len(), 25);
    assert_eq!(alice.opens("/_2fa/settings/audit?page=3").await.rows().len(), 62 - 50);
}

/// What the operator does at the command line: `tests/binary/commands.rs` has all of that.
const OF_THE_OPERATOR: [EventKind; 5] = [
    EventKind::StoreCopied,
    EventKind::StoreRestored,
    EventKind::KeyAdded,
    EventKind::KeyRotated,
    EventKind::KeyRetired,
];

/// What has its own stories: `tests/journeys/tickets.rs`.
const OF_TICKETS: [EventKind; 3] = [EventKind::TicketIssued, EventKind::TicketUsed, EventKind::TicketRefused];

/// What the gateway finds by looking now and then: `tests/attacks/guessing.rs`.
const ALARMS: [EventKind; 2] = [EventKind::GuessingAtAccount, EventKind::GuessingAtOrganization];

#[tokio::test]
async fn every_event_is_told_once_and_nothing_else_is() {
    let world = World::open(optional()).await;
    let third = uses_codes(&world).await;
    let bob = changes_the_authenticator(&world, third).await;
    is_locked_out(&world, bob).await;
    administers(&world).await;

    let mut log = log(&world);
    log.retain(|entry| ALARMS.iter().all(|alarm| entry.kind != alarm.as_str()));
    let told: Vec<_> = log.iter().map(|entry| format!("{} {}", entry.kind, entry.subject)).collect();
    let locked = ["code_refused Bob Brown"; 19];
    let expected = [
        &["enrolled Bob Brown", "code_refused Bob Brown", "recovery_codes_regenerated Bob Brown"][..],
        &["verified Bob Brown", "session_ended Bob Brown", "otp_replay Bob Brown"],
        &["recovery_code_refused Bob Brown", "recovery_code_used Bob Brown", "code_refused Bob Brown"],
        &["replaced Bob Brown", "verified Bob Brown", "replaced Bob Brown"],
        &["disabled Bob Brown", "enrolled Bob Brown", "logged_out Bob Brown"],
        &locked,
        &["factor_locked Bob Brown", "code_refused Bob Brown"],
        &["enrolled Alice Ames", "requirement_turned_on ", "requirement_turned_off ", "reset Bob Brown"],
    ];
    assert_eq!(told, expected.concat());

    let of_gateway = EventKind::FactorLocked.as_str();
    for Entry { kind, actor, has_origin, .. } in &log {
        let by = if kind == of_gateway { "gateway" } else { "account" };
        assert_eq!(
            (actor.as_str(), *has_origin),
            (by, kind != of_gateway),
            "who, from where, in which request: {kind}"
        );
    }
    // `Later` stands for what a later release writes.
    let elsewhere = [&OF_THE_OPERATOR[..], &OF_TICKETS, &ALARMS, &[EventKind::Later]].concat();
    for kind in EventKind::ALL.iter().filter(|kind| !elsewhere.contains(kind)) {
        assert!(log.iter().any(|entry| entry.kind == kind.as_str()), "{kind:?} is not in this story");
    }
}

/// Bob enrolls, makes new recovery codes, and signs in elsewhere, in the end with a recovery code.
async fn uses_codes(world: &World) -> Visitor {
    let mut bob = world.logged_in("bob").await;
    // To look at a key is nothing that happens to the account.
    bob.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob.opens("/_2fa/profile").await;
    let wrong = bob.authenticator().wrong_code();
    bob.submits("/_2fa/profile/recovery-codes", &[("code", &wrong)]).await.shows(Sight::ProfileRefusesCode);
    world.passes(Duration::from_mins(1));
    let code = bob.authenticator().fresh_code();
    let page = bob.submits("/_2fa/profile/recovery-codes", &[("code", &code)]).await;
    bob.recovery_codes = page.recovery_codes();

    let mut second = bob.elsewhere();
    second.logs_in().await;
    second.opens("/").await.shows(Sight::Challenge);
    let used = second.authenticator().fresh_code();
    second.gives(&used).await.shows(Sight::Dashboard);
    let others = bob.opens("/_2fa/profile").await.other_sessions();
    bob.posts("/_2fa/profile/sessions/end", &[("session", &others[0])]).await.shows(Sight::Profile);
    bob.posts("/_2fa/profile/sessions/end", &[("session", &others[0])]).await.shows(Sight::NoSuchSession);

    let mut third = bob.elsewhere();
    third.logs_in().await;
    third.opens("/").await;
    third.gives(&used).await.shows(Sight::CodeRefused);
    third.recovers_with("0000").await.shows(Sight::RecoveryCodeRefused);
    let code = third.recovery_codes[0].clone();
    third.recovers_with(&code).await.shows(Sight::Dashboard);
    third
}

/// Bob replaces the authenticator, once after the recovery code and once with a code, switches it off, and on again.
async fn changes_the_authenticator(world: &World, mut bob: Visitor) -> Visitor {
    bob.opens("/_2fa/profile").await;
    bob.submits("/_2fa/profile/replace", &[]).await.shows(Sight::Enrollment);
    bob.scans();
    let wrong = bob.authenticator().wrong_code();
    bob.gives(&wrong).await.shows(Sight::FirstCodeRefused);
    world.passes(Duration::from_mins(1));
    bob.enrolls().await;
    bob.opens("/_2fa/profile").await;
    let code = bob.authenticator().fresh_code();
    bob.submits("/_2fa/profile/replace", &[("code", &code)]).await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob.opens("/_2fa/profile").await;
    let code = bob.authenticator().fresh_code();
    bob.submits("/_2fa/profile/disable", &[("code", &code)]).await.shows(Sight::Profile);
    bob.submits("/_2fa/profile/enable", &[]).await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob
}

/// Bob logs out, and somebody guesses.
async fn is_locked_out(world: &World, mut bob: Visitor) {
    bob.logs_out().await;
    bob.logs_in().await;
    for _ in 0..20 {
        bob.opens("/").await;
        let wrong = bob.authenticator().wrong_code();
        let page = bob.gives(&wrong).await;
        world.passes(page.wait().unwrap_or_default());
    }
}

/// Alice has it required, once more, and not any longer; and resets Bob.
async fn administers(world: &World) {
    let mut alice = world.enrolled("alice").await;
    for requirement in ["required", "required", "optional"] {
        alice.posts("/_2fa/settings/requirement", &[("requirement", requirement)]).await.shows(Sight::Settings);
    }
    alice.resets("Bob Brown").await.shows(Sight::Security);
}

struct Entry {
    kind: String,
    actor: String,
    subject: String,
    /// Whether it says from which address it was done, and in which request.
    has_origin: bool,
}

/// The whole log, as it is on the disk.
fn log(world: &World) -> Vec<Entry> {
    let store = rusqlite::Connection::open(world.file("vestibule.db")).expect("the store is there");
    let query = "SELECT kind, actor, coalesce(subject_name, ''), address IS NOT NULL AND request IS NOT NULL
                 FROM audit ORDER BY number";
    let mut statement = store.prepare(query).expect("good SQL");
    let entry = |row: &rusqlite::Row<'_>| {
        Ok(Entry { kind: row.get(0)?, actor: row.get(1)?, subject: row.get(2)?, has_origin: row.get(3)? })
    };
    statement.query_map([], entry).expect("read").collect::<Result<_, _>>().expect("read")
}
