//! Sessions: opened, renewed and ended, each end told to the change feed.

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::job::Outcome;
use super::values::Address;
use super::{audit, changes, enrollment};
use crate::second_factor::Timestamp;
use crate::second_factor::account::AccountId;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::session::{PendingSession, SessionId, TokenDigest, VerifiedBy, VerifiedSession};
use crate::store::network::network;
use crate::store::{NewSession, PENDING_SESSIONS, SessionRecord};

use super::administration::row_number;

pub(super) fn open_pending(tx: &Connection, session: &PendingSession, from: Option<IpAddr>) -> Outcome<()> {
    make_room(tx, session.account)?;
    tx.prepare_cached(
        "INSERT INTO pending_sessions (digest, account, binding, opened, network) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![session.digest, session.account, session.binding, session.opened, from.map(network)])?;
    Ok(())
}

fn make_room(tx: &Connection, account: AccountId) -> Outcome<()> {
    let evicted: Option<TokenDigest> = tx
        .prepare_cached(
            "DELETE FROM pending_sessions WHERE id =
                 (SELECT id FROM (SELECT id, opened, count(*) OVER (PARTITION BY network) AS crowd, count(*) OVER () AS everybody
                                  FROM pending_sessions WHERE account = ?1)
                  WHERE everybody >= ?2 ORDER BY crowd DESC, opened, id LIMIT 1)
             RETURNING digest",
        )?
        .query_row(params![account, row_number(PENDING_SESSIONS)], |row| row.get(0))
        .optional()?;
    match evicted {
        Some(digest) => enrollment::end_with(tx, digest),
        None => Ok(()),
    }
}

pub(super) fn pending(db: &Connection, digest: TokenDigest) -> Outcome<Option<PendingSession>> {
    let found = db
        .prepare_cached("SELECT account, binding, opened FROM pending_sessions WHERE digest = ?1")?
        .query_row([digest], |row| {
            Ok(PendingSession { digest, account: row.get(0)?, binding: row.get(1)?, opened: row.get(2)? })
        })
        .optional()?;
    Ok(found)
}

/// The columns that [`read`] reads.
const COLUMNS: &str = "id, digest, account, binding, verified_by, verified_at, code_at, last_seen";

fn read(row: &Row<'_>) -> rusqlite::Result<VerifiedSession> {
    Ok(VerifiedSession {
        id: row.get(0)?,
        digest: row.get(1)?,
        account: row.get(2)?,
        binding: row.get(3)?,
        by: row.get(4)?,
        verified_at: row.get(5)?,
        code_at: row.get(6)?,
        last_seen: row.get(7)?,
    })
}

pub(super) fn verified(db: &Connection, digest: TokenDigest) -> Outcome<Option<VerifiedSession>> {
    let sql = format!("SELECT {COLUMNS} FROM sessions WHERE digest = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([digest], read).optional()?)
}

pub(super) fn of(db: &Connection, account: AccountId) -> Outcome<Vec<SessionRecord>> {
    let sql =
        format!("SELECT {COLUMNS}, address, browser FROM sessions WHERE account = ?1 ORDER BY last_seen DESC, id DESC");
    let mut statement = db.prepare_cached(&sql)?;
    let records = statement.query_map([account], |row| {
        Ok(SessionRecord { session: read(row)?, address: row.get::<_, Address>(8)?.0, browser: row.get(9)? })
    })?;
    Ok(records.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn touch(tx: &Connection, seen: &[(SessionId, Timestamp)]) -> Outcome<()> {
    let mut forward = tx.prepare_cached("UPDATE sessions SET last_seen = ?2 WHERE id = ?1 AND last_seen < ?2")?;
    for (session, at) in seen {
        forward.execute(params![session, at])?;
    }
    Ok(())
}

/// Opens a verified session, in place of the one that it names.
pub(super) fn open(
    tx: &Connection,
    account: AccountId,
    new: &NewSession,
    by: VerifiedBy,
    at: Timestamp,
) -> Outcome<VerifiedSession> {
    if let Some(old) = new.instead_of {
        end(tx, old, at)?;
    }
    tx.prepare_cached(
        "INSERT INTO sessions (digest, account, binding, verified_by, verified_at, code_at, last_seen, address, browser)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5, ?6, ?7)",
    )?
    .execute(params![new.digest, account, new.binding, by, at, Address(new.address), new.browser])?;
    Ok(VerifiedSession {
        id: SessionId(tx.last_insert_rowid()),
        digest: new.digest,
        account,
        binding: new.binding,
        by,
        verified_at: at,
        code_at: at,
        last_seen: at,
    })
}

/// Gives a session a new token, for a code that was given in it.
pub(super) fn renew(
    tx: &Connection,
    session: SessionId,
    digest: TokenDigest,
    by: VerifiedBy,
    at: Timestamp,
) -> Outcome<VerifiedSession> {
    let old: TokenDigest =
        tx.prepare_cached("SELECT digest FROM sessions WHERE id = ?1")?.query_row([session], |row| row.get(0))?;
    let sql = format!(
        "UPDATE sessions SET digest = ?2, verified_by = ?3, code_at = ?4, last_seen = max(last_seen, ?4)
         WHERE id = ?1 RETURNING {COLUMNS}"
    );
    let renewed = tx.prepare_cached(&sql)?.query_row(params![session, digest, by, at], read)?;
    enrollment::move_to(tx, old, digest)?;
    changes::session(tx, old, at)?;
    Ok(renewed)
}

pub(super) fn end_logged(
    tx: &Connection,
    digest: TokenDigest,
    logged: Option<EventKind>,
    occasion: &Occasion,
) -> Outcome<bool> {
    let ended = end(tx, digest, occasion.at)?;
    if let (Some(Ended::Verified(account)), Some(kind)) = (&ended, logged) {
        audit::about(tx, *account, kind, occasion)?;
    }
    Ok(ended.is_some())
}

pub(super) fn end_own(tx: &Connection, account: AccountId, session: SessionId, occasion: &Occasion) -> Outcome<bool> {
    let digest = tx
        .prepare_cached("SELECT digest FROM sessions WHERE id = ?1 AND account = ?2")?
        .query_row(params![session, account], |row| row.get(0))
        .optional()?;
    match digest {
        Some(digest) => end_logged(tx, digest, Some(EventKind::SessionEnded), occasion),
        None => Ok(false),
    }
}

enum Ended {
    Pending,
    Verified(AccountId),
}

fn end(tx: &Connection, digest: TokenDigest, at: Timestamp) -> Outcome<Option<Ended>> {
    enrollment::end_with(tx, digest)?;
    let pending = tx.prepare_cached("DELETE FROM pending_sessions WHERE digest = ?1")?.execute([digest])?;
    if pending > 0 {
        return Ok(Some(Ended::Pending));
    }
    let verified = tx
        .prepare_cached("DELETE FROM sessions WHERE digest = ?1 RETURNING account")?
        .query_row([digest], |row| row.get(0))
        .optional()?;
    if verified.is_some() {
        changes::session(tx, digest, at)?;
    }
    Ok(verified.map(Ended::Verified))
}

/// Ends every session of an account, pending and verified, and the enrollments that were started in them.
pub(super) fn end_all(tx: &Connection, account: AccountId, at: Timestamp) -> Outcome<()> {
    let verified: Vec<TokenDigest> = tx
        .prepare_cached("DELETE FROM sessions WHERE account = ?1 RETURNING digest")?
        .query_map([account], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for digest in verified {
        changes::session(tx, digest, at)?;
    }
    tx.prepare_cached("DELETE FROM pending_sessions WHERE account = ?1")?.execute([account])?;
    tx.prepare_cached("DELETE FROM pending_enrollments WHERE account = ?1")?.execute([account])?;
    Ok(())
}
