//! Codes that are given by many at once: each charged, compared with, and accepted, on disk when it is answered.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use vestibule::entropy;
use vestibule::second_factor::event::{Actor, Occasion};
use vestibule::second_factor::session::TokenDigest;
use vestibule::second_factor::throttle::{Bucket, Charge};
use vestibule::second_factor::totp::Step;
use vestibule::store::{Acceptance, Effect, MatchedStep, NewSession, Store};

use crate::Outcome;
use crate::figures::Times;
use crate::filling::Population;
use crate::place::Place;

/// How many people are on the challenge page before the measuring begins; more than can sign in meanwhile.
const WAITING: i64 = 80_000;

/// How many of them a statement puts there.
const BATCH: i64 = 1_000;

/// How long codes are given.
const LENGTH: Duration = Duration::from_secs(8);

/// Everybody who signs in is somebody else.
static NEXT: AtomicI64 = AtomicI64::new(0);

/// How many callers there are, one number after the other: some twice, since whoever comes first finds other connections and
/// other caches.
const CALLERS: [usize; 6] = [1, 16, 64, 512, 64, 16];

pub(crate) async fn measure(place: &Place, store: &Arc<dyn Store>, population: &Population) -> Outcome<()> {
    for callers in CALLERS {
        let times = run(place, store, population, callers).await?;
        let rate = times.len() as u64 / LENGTH.as_secs();
        times.tell(&format!("codes accepted, {callers} callers"), &format!("{rate} per second"));
    }
    Ok(())
}

/// How long each code took, given by so many people at once.
pub(crate) async fn run(
    place: &Place,
    store: &Arc<dyn Store>,
    population: &Population,
    callers: usize,
) -> Outcome<Times> {
    let first = challenge(place, population).await?;
    let (next, end) = (Arc::new(AtomicI64::new(first)), Instant::now() + LENGTH);
    let mut people = JoinSet::new();
    for _ in 0..callers {
        let (store, next, population) = (Arc::clone(store), Arc::clone(&next), population.clone());
        people.spawn(async move {
            let mut times = Times::default();
            while Instant::now() < end {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= first + WAITING {
                    return Err("more people should be waiting".into());
                }
                let begun = Instant::now();
                sign_in(store.as_ref(), &population, turn).await?;
                times.add(begun.elapsed());
            }
            Outcome::Ok(times)
        });
    }
    let mut all = Times::default();
    while let Some(times) = people.join_next().await {
        all.append(times??);
    }
    Ok(all)
}

/// Leads people to the challenge page, and tells the first one's turn.
async fn challenge(place: &Place, population: &Population) -> Outcome<i64> {
    let first = NEXT.fetch_add(WAITING, Ordering::Relaxed);
    for batch in (0..WAITING / BATCH).map(|number| first + number * BATCH) {
        let rows: Vec<_> =
            (batch..batch + BATCH).map(|turn| format!("({turn}, {})", population.enrolled(turn).0)).collect();
        let sql = format!(
            "INSERT INTO pending_sessions (digest, account, opened) SELECT {}, account, {}
             FROM (SELECT column1 AS n, column2 AS account FROM (VALUES {}) AS rows) AS people",
            place.digest(),
            population.now.as_millis(),
            rows.join(", ")
        );
        place.run(&sql).await?;
    }
    Ok(first)
}

/// What the store does when somebody sends the right code.
async fn sign_in(store: &dyn Store, population: &Population, turn: i64) -> Outcome<()> {
    let (account, now) = (population.enrolled(turn), population.now);
    let pending = TokenDigest(digest(turn));
    store.pending_session(pending).await?.ok_or("nobody waits")?;
    let Charge::Compare(_) = store.charge_attempt(account, Bucket::Code, now).await? else {
        return Err("nobody failed before".into());
    };
    let key = store.enrolled_key(account).await?.ok_or("everybody has a key")?;
    let session = NewSession {
        digest: TokenDigest(entropy::random()),
        binding: None,
        instead_of: Some(pending),
        address: Some(Ipv4Addr::LOCALHOST.into()),
        browser: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
    };
    // Larger than that of an earlier run.
    let step = Step(now.as_millis() + turn);
    let matched = MatchedStep { key: key.id, step };
    let occasion = Occasion {
        at: now,
        actor: Actor::Account(account),
        address: session.address,
        request: Some(format!("{turn:016x}")),
    };
    match store.accept_step(account, matched, Effect::SignIn(session), occasion).await? {
        Acceptance::Accepted(_) => Ok(()),
        other => Err(format!("the code was not accepted: {other:?}").into()),
    }
}

/// As [`Place::digest`] has it.
pub(crate) fn digest(number: i64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(format!("{number:032}").as_bytes());
    digest
}
