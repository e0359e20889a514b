//! The value by which the store recognizes its key file.

use super::audit;
use super::connection::Connection;
use super::failure::Outcome;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::sealing::Sealed;

pub(super) async fn read(db: &Connection) -> Outcome<Option<Sealed>> {
    Ok(db.row("SELECT sealed FROM key_check", &[]).await?.map(|row| row.try_get(0)).transpose()?)
}

/// Sets it if it is not set yet, and returns the one that stands.
pub(super) async fn set(db: &Connection, sealed: &Sealed) -> Outcome<Sealed> {
    let sql = "INSERT INTO key_check (only_row, sealed) VALUES (1, $1) ON CONFLICT DO NOTHING";
    db.execute(sql, &[sealed]).await?;
    read(db).await?.ok_or_else(|| "it is gone again".into())
}

pub(super) async fn replace(
    tx: &Connection,
    (old, new): (&Sealed, &Sealed),
    logged: EventKind,
    occasion: &Occasion,
) -> Outcome<bool> {
    if tx.execute("UPDATE key_check SET sealed = $2 WHERE sealed = $1", &[old, new]).await? == 0 {
        return Ok(false);
    }
    audit::of_store(tx, logged, occasion).await?;
    Ok(true)
}

/// Fails for a secret that another key sealed than the check: that key may be gone from the key file at any time. The
/// check stays as it is until the end of the transaction.
pub(super) async fn admit(tx: &Connection, secret: &Sealed) -> Outcome<()> {
    let check: Option<Sealed> =
        tx.row("SELECT sealed FROM key_check FOR SHARE", &[]).await?.map(|row| row.try_get(0)).transpose()?;
    if check.is_none_or(|check| check.mark() == secret.mark()) {
        return Ok(());
    }
    Err("it was sealed with a key that the store has gone over from".into())
}
