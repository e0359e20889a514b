//! The value by which the store recognizes its key file.

use rusqlite::{Connection, OptionalExtension};

use super::job::Outcome;
use crate::second_factor::sealing::Sealed;

pub(super) fn read(db: &Connection) -> Outcome<Option<Sealed>> {
    Ok(db.prepare_cached("SELECT sealed FROM key_check")?.query_row([], |row| row.get(0)).optional()?)
}

/// Sets it if it is not set yet, and returns the one that stands.
pub(super) fn set(tx: &Connection, sealed: &Sealed) -> Outcome<Sealed> {
    tx.prepare_cached("INSERT INTO key_check (only_row, sealed) VALUES (1, ?1) ON CONFLICT DO NOTHING")?
        .execute([sealed])?;
    read(tx)?.ok_or_else(|| "it is gone again".into())
}
