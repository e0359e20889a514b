//! The value by which the store recognizes its key file.

use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::job::Outcome;
use crate::second_factor::event::{EventKind, Occasion};
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

pub(super) fn replace(
    tx: &Connection,
    (old, new): (&Sealed, &Sealed),
    logged: EventKind,
    occasion: &Occasion,
) -> Outcome<bool> {
    let replaced =
        tx.prepare_cached("UPDATE key_check SET sealed = ?2 WHERE sealed = ?1")?.execute(params![old, new])?;
    if replaced == 0 {
        return Ok(false);
    }
    audit::of_store(tx, logged, occasion)?;
    Ok(true)
}

/// Fails for a secret that another key sealed than the check: that key may be gone from the key file at any time.
pub(super) fn admit(tx: &Connection, secret: &Sealed) -> Outcome<()> {
    let check = read(tx)?;
    if check.is_none_or(|check| check.mark() == secret.mark()) {
        return Ok(());
    }
    Err("it was sealed with a key that the store has gone over from".into())
}
