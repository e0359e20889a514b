//! The shapes the database has had, one numbered file each; opening brings it to the last.
//!
//! A gateway of the release before goes on working beside one that has brought the database further, so a migration only
//! adds. One that can't be written like that says so in [`OLDEST`]: programs that know less are then turned away.

use tokio_postgres::error::SqlState;

use super::connection::Connection;
use super::failure::{Failure, Outcome, state};

/// In their order. A file that was released once never changes again.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_audit_chain.sql"),
    include_str!("migrations/0003_alarms.sql"),
    include_str!("migrations/0004_tickets.sql"),
    include_str!("migrations/0005_listings.sql"),
];

/// What makes the store faster where the server has it, by the number of the file that it belongs to.
const OPTIONAL: [(i64, &str); 2] = [
    // Most servers let the owner of a database have it. Without it, searches for what few have look at every account of a long
    // list.
    (
        1,
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;
         CREATE INDEX accounts_by_search ON accounts USING gin (listing gin_trgm_ops);",
    ),
    // An index alone tells who is in a list as long as little was written since the last vacuum.
    (
        5,
        "ALTER TABLE listings SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.01);",
    ),
];

/// The version that this program reads and writes: the number of the last file.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// The oldest version whose programs can work with this one.
const OLDEST: i64 = 1;

/// Which version a database has, and the oldest whose programs can work with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) number: i64,
    pub(super) oldest: i64,
}

impl Version {
    /// Whether this program has something to add.
    pub(super) fn is_behind(self) -> bool {
        usize::try_from(self.number).map_or(true, |number| number < VERSION)
    }

    /// Whether a later program has added something.
    pub(super) fn is_ahead(self) -> bool {
        usize::try_from(self.number).is_ok_and(|number| number > VERSION)
    }
}

/// `None` for a database in which no store was made yet.
pub(super) async fn version(db: &Connection) -> Outcome<Option<Version>> {
    let found = db.row("SELECT version, oldest FROM vestibule_schema", &[]).await;
    match found {
        Ok(Some(row)) => Ok(Some(Version { number: row.try_get(0)?, oldest: row.try_get(1)? })),
        Ok(None) => Ok(None),
        Err(failure) if state(&failure) == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Brings the database to [`VERSION`] in one transaction. Another process may be doing the same: one waits for the other.
pub(super) async fn bring_up_to_date(tx: &Connection) -> Outcome<()> {
    // An index on a table that has grown takes its time.
    tx.batch("SET LOCAL statement_timeout = 0").await?;
    tx.batch(
        "CREATE TABLE IF NOT EXISTS vestibule_schema (
             only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
             version BIGINT NOT NULL,
             oldest BIGINT NOT NULL
         );
         INSERT INTO vestibule_schema VALUES (1, 0, 0) ON CONFLICT DO NOTHING;",
    )
    .await?;
    let row = tx.row("SELECT version FROM vestibule_schema FOR UPDATE", &[]).await?.ok_or("its version is gone")?;
    let number: i64 = row.try_get(0)?;
    for (_, sql) in (1..).zip(MIGRATIONS).filter(|(step, _)| *step > number) {
        tx.batch(sql).await?;
    }
    for (_, sql) in OPTIONAL.iter().filter(|(step, _)| *step > number) {
        if_it_can(tx, sql).await?;
    }
    let sql = "UPDATE vestibule_schema SET version = greatest(version, $1), oldest = greatest(oldest, $2)";
    tx.execute(sql, &[&i64::try_from(VERSION)?, &OLDEST]).await?;
    Ok(())
}

/// What the server does not have, or does not allow, is left out.
async fn if_it_can(tx: &Connection, sql: &str) -> Outcome<()> {
    tx.batch("SAVEPOINT optional").await?;
    if tx.batch(sql).await.is_err() {
        tx.batch("ROLLBACK TO optional").await?;
    }
    Ok(())
}

/// Two processes made the same table at the same moment, and the server let one of them win.
pub(super) fn lost_to_another(failure: &Failure) -> bool {
    let taken = [&SqlState::UNIQUE_VIOLATION, &SqlState::DUPLICATE_TABLE, &SqlState::DUPLICATE_OBJECT];
    state(failure).is_some_and(|state| taken.contains(&state))
}
