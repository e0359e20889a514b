//! What runs out and what has become too old, and goes while people sign in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use vestibule::audit_chain;
use vestibule::second_factor::Timestamp;
use vestibule::second_factor::digests::DigestKeys;
use vestibule::second_factor::key_check::KeyCheck;
use vestibule::second_factor::sealing::Keyring;
use vestibule::store::{Expired, Store};

use crate::Outcome;
use crate::filling::Population;
use crate::place::Place;
use crate::sign_ins;

/// How many people sign in at once.
const CALLERS: usize = 16;

/// How many rows go at once, how long nothing does between two batches, and how often entries of the audit log are linked:
/// as the gateway has it.
const BATCH: u16 = 200;
const PAUSE: Duration = Duration::from_millis(20);
const LINK_EVERY: Duration = Duration::from_secs(1);

/// How often entries are linked before any of them go: some four thousand each time.
const LINKED_BEFORE: u32 = 25;

/// How many sessions have run out.
const SESSIONS: i64 = 300_000;

const DAY: Duration = Duration::from_hours(24);

/// What a gateway does beside answering.
#[derive(Clone)]
struct Upkeep {
    store: Arc<dyn Store>,
    keys: DigestKeys,
    now: Timestamp,
    sessions_gone: Arc<AtomicU64>,
    entries_gone: Arc<AtomicU64>,
}

pub(crate) async fn measure(place: &Place, store: &Arc<dyn Store>, population: &Population) -> Outcome<()> {
    let upkeep = Upkeep {
        store: Arc::clone(store),
        keys: KeyCheck::new(&Keyring::parse(&Keyring::new_file(&[7; 32]))?).digests,
        now: population.now,
        sessions_gone: Arc::default(),
        entries_gone: Arc::default(),
    };
    run_out(place, population).await?;
    link_the_oldest(place, &upkeep).await?;
    let mut work = JoinSet::new();
    people_sign_in("nothing goes", place, population, &upkeep).await?;
    work.spawn(upkeep.clone().drop_sessions());
    people_sign_in("sessions go", place, population, &upkeep).await?;
    work.spawn(upkeep.clone().forget_entries());
    work.spawn(upkeep.clone().link_entries());
    people_sign_in("entries go too", place, population, &upkeep).await
}

/// Tells how long that takes meanwhile, and how much is gone.
async fn people_sign_in(what: &str, place: &Place, population: &Population, upkeep: &Upkeep) -> Outcome<()> {
    let times = sign_ins::run(place, &upkeep.store, population, CALLERS).await?;
    let sessions = upkeep.sessions_gone.swap(0, Ordering::Relaxed);
    let entries = upkeep.entries_gone.swap(0, Ordering::Relaxed);
    let remark = format!("{} in all; gone: {sessions} sessions, {entries} entries", times.len());
    times.tell(&format!("codes accepted, {what}"), &remark);
    Ok(())
}

/// Leaves sessions in the store that nobody was at for a day.
async fn run_out(place: &Place, population: &Population) -> Outcome<()> {
    let sql = format!(
        "INSERT INTO sessions (digest, account, verified_by, verified_at, code_at, last_seen, browser)
         SELECT {}, {}, 'totp', {at}, {at}, {at}, 'Firefox' FROM {}",
        place.digest(),
        population.enrolled(0).0,
        place.numbers(SESSIONS),
        at = population.now.minus(DAY).as_millis(),
    );
    place.run(&sql).await
}

/// Links more entries than will go, and tells how long that took.
async fn link_the_oldest(place: &Place, upkeep: &Upkeep) -> Outcome<()> {
    // A gateway may have begun it, with other keys.
    place.run("DELETE FROM audit_chain; DELETE FROM audit_chain_ends").await?;
    let begun = Instant::now();
    for _ in 0..LINKED_BEFORE {
        audit_chain::grow(upkeep.store.as_ref(), &upkeep.keys).await?;
    }
    let took = begun.elapsed().as_secs_f64();
    let linked = upkeep.store.chain_ends().await?.last.number;
    println!("{linked} entries of the audit log are linked in {took:.1} s");
    Ok(())
}

impl Upkeep {
    async fn drop_sessions(self) {
        let expired =
            Expired { now: self.now, idle_since: self.now.minus(DAY / 2), verified_before: self.now.minus(DAY) };
        loop {
            let gone = self.store.prune(expired, BATCH.into()).await.unwrap_or(0);
            self.sessions_gone.fetch_add(gone, Ordering::Relaxed);
            sleep(PAUSE).await;
        }
    }

    async fn forget_entries(self) {
        let before = self.now.minus(DAY);
        loop {
            let forgotten = audit_chain::forget(self.store.as_ref(), &self.keys, before, BATCH.into()).await;
            self.entries_gone.fetch_add(forgotten.unwrap_or(0), Ordering::Relaxed);
            sleep(PAUSE).await;
        }
    }

    async fn link_entries(self) {
        loop {
            drop(audit_chain::grow(self.store.as_ref(), &self.keys).await);
            sleep(LINK_EVERY).await;
        }
    }
}
