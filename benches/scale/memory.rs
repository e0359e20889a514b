//! What a verified session takes of the memory of a process that remembers many of them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use vestibule::clock::Clock;
use vestibule::second_factor::session::{Limits, TokenDigest};
use vestibule::standing::Standings;
use vestibule::store::Store;

use crate::Outcome;
use crate::filling::Population;
use crate::place::Place;
use crate::sign_ins::digest;

const SESSIONS: i64 = 500_000;

/// Numbers of digests that nobody else takes.
const FROM: i64 = 100_000_000;

pub(crate) async fn measure(place: &Place, store: Arc<dyn Store>, population: &Population) -> Outcome<()> {
    let sql = format!(
        "INSERT INTO sessions (digest, account, verified_by, verified_at, code_at, last_seen, browser)
         SELECT {}, account, 'totp', {now}, {now}, {now}, 'Firefox'
         FROM (SELECT {FROM} + n AS n, n % {} + 1 AS account FROM {}) AS people",
        place.digest(),
        population.accounts,
        place.numbers(SESSIONS),
        now = population.now.as_millis(),
    );
    place.run(&sql).await?;
    let day = Duration::from_hours(24);
    let standings = Arc::new(Standings::new(store, Clock::system(), Limits { idle: day, lifetime: day }));
    standings.catch_up().await?;
    let before = resident()?;
    let mut asking = tokio::task::JoinSet::new();
    for part in 0..16 {
        let standings = Arc::clone(&standings);
        asking.spawn(async move {
            for number in (1 + part..=SESSIONS).step_by(16) {
                let session = standings.session(TokenDigest(digest(FROM + number))).await?;
                session.ok_or("a session is missing")?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    let each = (resident()? - before) / SESSIONS.unsigned_abs();
    println!("{SESSIONS} sessions are remembered, in {each} bytes each");
    Ok(())
}

/// What this process has of the machine's memory, in bytes.
fn resident() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
