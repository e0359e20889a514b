//! The value by which the store recognizes its key file.

use super::connection::Connection;
use super::failure::Outcome;
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
