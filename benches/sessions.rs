//! What a verified session takes of the memory of a gateway that remembers a million of them.
//!
//! They are put into a store, and asked for one after the other. Run it with `cargo run --release --example sessions`; it
//! takes a minute or two.
#![expect(clippy::print_stdout, reason = "it answers on standard output")]

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use mimalloc::MiMalloc;
use rusqlite::{Connection, params};
use vestibule::clock::Clock;
use vestibule::second_factor::account::{AccountKey, Requirement};
use vestibule::second_factor::session::{Limits, TokenDigest};
use vestibule::standing::Standings;
use vestibule::store::sqlite::SqliteStore;
use vestibule::store::{Sighting, Store};

/// As the gateway has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SESSIONS: u32 = 1_000_000;

/// The clients' sessions, all of one account.
const FILL: &str = "
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1)
    INSERT INTO sessions (digest, account, verified_by, verified_at, code_at, last_seen, browser)
    SELECT CAST(printf('%032d', n) AS BLOB), ?2, 'totp', ?3, ?3, ?3, 'Firefox' FROM numbers";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("vestibule.db");
    let clock = Clock::system();
    let store = Arc::new(SqliteStore::open(&file)?);
    let key = AccountKey { realm: "insights".into(), organization: "acme".into(), user: "42".into() };
    let sighting = Sighting { key, email: None, name: None, initial: Requirement::Required, at: clock.now() };
    let (account, _) = store.sight(sighting).await?;
    let database = Connection::open(&file)?;
    database.execute(FILL, params![SESSIONS, account.id.0, clock.now().as_millis()])?;

    let day = Duration::from_hours(24);
    let standings = Standings::new(store, clock, Limits { idle: day, lifetime: day });
    standings.catch_up().await?;
    let before = memory()?;
    for number in 0..SESSIONS {
        standings.session(digest(number)).await?.ok_or("a session is missing")?;
    }
    let after = memory()?;

    database.execute("DELETE FROM sessions", [])?;
    let mut remembered = 0;
    for number in 0..SESSIONS {
        if number % 10_000 == 0 {
            standings.catch_up().await?;
        }
        remembered += u64::from(standings.session(digest(number)).await?.is_some());
    }
    println!("{remembered} sessions are remembered, in {} bytes each", (after - before) / remembered.max(1));
    Ok(())
}

fn digest(number: u32) -> TokenDigest {
    let mut digest = [0; 32];
    digest.copy_from_slice(format!("{number:032}").as_bytes());
    TokenDigest(digest)
}

/// What this process has of the machine's memory, in bytes.
fn memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
