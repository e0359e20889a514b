//! What runs out, and goes while people sign in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vestibule::store::{Expired, Store};

use crate::Outcome;
use crate::filling::Population;
use crate::place::Place;
use crate::sign_ins;

/// How many people sign in at once.
const CALLERS: usize = 16;

/// How many rows go at once, and how long nothing does between two batches: as the gateway has it.
const BATCH: u64 = 200;
const PAUSE: Duration = Duration::from_millis(20);

/// How many rows are gone.
static GONE: AtomicU64 = AtomicU64::new(0);

/// How many sessions have run out.
const SESSIONS: i64 = 300_000;

pub(crate) async fn measure(place: &Place, store: &Arc<dyn Store>, population: &Population) -> Outcome<()> {
    let without = sign_ins::run(place, store, population, CALLERS).await?;
    let rate = |count: usize| format!("{count} in all");
    let remark = rate(without.len());
    without.tell("codes accepted, nothing goes", &remark);
    let day = Duration::from_hours(24);
    let long_ago = population.now.minus(day);
    let sql = format!(
        "INSERT INTO sessions (digest, account, verified_by, verified_at, code_at, last_seen, browser)
         SELECT {}, {}, 'totp', {at}, {at}, {at}, 'Firefox' FROM {}",
        place.digest(),
        population.enrolled(0).0,
        place.numbers(SESSIONS),
        at = long_ago.as_millis(),
    );
    place.run(&sql).await?;
    let expired = Expired { now: population.now, idle_since: population.now.minus(day / 2), verified_before: long_ago };
    let sweeping = {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            loop {
                GONE.fetch_add(store.prune(expired, BATCH).await.unwrap_or(0), Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        })
    };
    let with = sign_ins::run(place, store, population, CALLERS).await?;
    sweeping.abort();
    let gone = GONE.load(Ordering::Relaxed);
    let remark = format!("{}, {gone} rows gone", rate(with.len()));
    with.tell("codes accepted, while much goes", &remark);
    Ok(())
}
