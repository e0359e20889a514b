//! The change feed: what other processes' caches have to forget, in the transaction that made it so.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::job::Outcome;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{AccountId, OrganizationId};
use crate::second_factor::session::TokenDigest;
use crate::store::{Change, Cursor};

pub(super) fn account(tx: &Connection, account: AccountId, at: Timestamp) -> Outcome<()> {
    tx.prepare_cached("INSERT INTO changes (at, account) VALUES (?1, ?2)")?.execute(params![at, account])?;
    Ok(())
}

pub(super) fn organization(tx: &Connection, organization: OrganizationId, at: Timestamp) -> Outcome<()> {
    tx.prepare_cached("INSERT INTO changes (at, organization) VALUES (?1, ?2)")?.execute(params![at, organization])?;
    Ok(())
}

pub(super) fn session(tx: &Connection, digest: TokenDigest, at: Timestamp) -> Outcome<()> {
    tx.prepare_cached("INSERT INTO changes (at, session) VALUES (?1, ?2)")?.execute(params![at, digest])?;
    Ok(())
}

/// The number of the last change; its row is never deleted.
pub(super) fn cursor(db: &Connection) -> Outcome<Cursor> {
    let last = db
        .prepare_cached("SELECT number FROM changes ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(Cursor(last.unwrap_or(0)))
}

/// Reads from the cursor's own row on: if that is gone and the next one too, some of what followed it is gone as well.
pub(super) fn since(db: &Connection, cursor: Cursor) -> Outcome<(Vec<Change>, Cursor)> {
    let mut statement = db.prepare_cached(
        "SELECT number, account, organization, session FROM changes WHERE number >= ?1 ORDER BY number",
    )?;
    let rows: Vec<(i64, Change)> = statement.query_map([cursor.0], read)?.collect::<rusqlite::Result<_>>()?;
    let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else {
        let nothing_yet = cursor == Cursor(0);
        return Ok((if nothing_yet { vec![] } else { vec![Change::Everything] }, self::cursor(db)?));
    };
    let standing = Cursor(*last);
    if *first > cursor.0.saturating_add(1) {
        return Ok((vec![Change::Everything], standing));
    }
    let news = rows.into_iter().filter(|(number, _)| *number > cursor.0);
    Ok((news.map(|(_, change)| change).collect(), standing))
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, Change)> {
    let change = match (row.get(1)?, row.get(2)?) {
        (Some(account), _) => Change::Account(account),
        (None, Some(organization)) => Change::Organization(organization),
        (None, None) => Change::Session(row.get(3)?),
    };
    Ok((row.get(0)?, change))
}
