//! Sessions: opened, renewed and ended, each end told to the change feed.

use std::net::IpAddr;

use tokio_postgres::Row;

use super::accounts::lock;
use super::connection::{Connection, Params};
use super::failure::Outcome;
use super::values::{Address, row_number};
use super::{audit, changes};
use crate::second_factor::Timestamp;
use crate::second_factor::account::AccountId;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::session::{PendingSession, SessionId, TokenDigest, VerifiedBy, VerifiedSession};
use crate::store::network::network;
use crate::store::{NewSession, PENDING_SESSIONS, SessionRecord};

pub(super) async fn open_pending(tx: &Connection, session: &PendingSession, from: Option<IpAddr>) -> Outcome<()> {
    lock(tx, session.account).await?;
    tx.execute(
        "WITH evicted AS (DELETE FROM pending_sessions WHERE id =
                              (SELECT id FROM (SELECT id, opened, count(*) OVER (PARTITION BY network) AS crowd,
                                                      count(*) OVER () AS everybody
                                               FROM pending_sessions WHERE account = $1) those
                               WHERE everybody >= $2 ORDER BY crowd DESC, opened, id LIMIT 1)
                          RETURNING digest)
         DELETE FROM pending_enrollments WHERE session IN (SELECT digest FROM evicted)",
        &[&session.account, &row_number(PENDING_SESSIONS)],
    )
    .await?;
    tx.execute(
        "INSERT INTO pending_sessions (digest, account, binding, opened, network) VALUES ($1, $2, $3, $4, $5)",
        &[&session.digest, &session.account, &session.binding, &session.opened, &from.map(network)],
    )
    .await?;
    Ok(())
}

pub(super) async fn pending(db: &Connection, digest: TokenDigest) -> Outcome<Option<PendingSession>> {
    let sql = "SELECT account, binding, opened FROM pending_sessions WHERE digest = $1";
    let Some(row) = db.row(sql, &[&digest]).await? else { return Ok(None) };
    let session =
        PendingSession { digest, account: row.try_get(0)?, binding: row.try_get(1)?, opened: row.try_get(2)? };
    Ok(Some(session))
}

/// The columns that [`read`] reads, of a session `s`.
const COLUMNS: &str = "s.id, s.digest, s.account, s.binding, s.verified_by, s.verified_at, s.code_at, s.last_seen";

fn read(row: &Row) -> Outcome<VerifiedSession> {
    Ok(VerifiedSession {
        id: row.try_get(0)?,
        digest: row.try_get(1)?,
        account: row.try_get(2)?,
        binding: row.try_get(3)?,
        by: row.try_get(4)?,
        verified_at: row.try_get(5)?,
        code_at: row.try_get(6)?,
        last_seen: row.try_get(7)?,
    })
}

pub(super) async fn verified(db: &Connection, digest: TokenDigest) -> Outcome<Option<VerifiedSession>> {
    let sql = format!("SELECT {COLUMNS} FROM sessions s WHERE digest = $1");
    db.row(&sql, &[&digest]).await?.as_ref().map(read).transpose()
}

pub(super) async fn of(db: &Connection, account: AccountId) -> Outcome<Vec<SessionRecord>> {
    let sql = format!(
        "SELECT {COLUMNS}, address, browser FROM sessions s WHERE account = $1 ORDER BY last_seen DESC, id DESC"
    );
    let record = |row: &Row| -> Outcome<SessionRecord> {
        let address: Option<Address> = row.try_get(8)?;
        Ok(SessionRecord { session: read(row)?, address: address.map(|address| address.0), browser: row.try_get(9)? })
    };
    db.rows(&sql, &[&account]).await?.iter().map(record).collect()
}

/// Locks the rows in the order of their numbers, so that two gateways that do the same don't wait for each other.
pub(super) async fn touch(db: &Connection, seen: &[(SessionId, Timestamp)]) -> Outcome<()> {
    let (ids, times): (Vec<_>, Vec<_>) = seen.iter().map(|(session, at)| (session.0, at.as_millis())).unzip();
    db.execute(
        "WITH seen AS (SELECT id, max(at) AS at FROM unnest($1::BIGINT[], $2::BIGINT[]) AS seen (id, at) GROUP BY id),
              later AS (SELECT s.id, seen.at FROM sessions s JOIN seen ON s.id = seen.id AND s.last_seen < seen.at
                        ORDER BY s.id FOR UPDATE OF s)
         UPDATE sessions SET last_seen = greatest(last_seen, later.at) FROM later WHERE sessions.id = later.id",
        &[&ids, &times],
    )
    .await?;
    Ok(())
}

/// Opens a verified session, in place of the one that it names.
pub(super) async fn open(
    tx: &Connection,
    account: AccountId,
    new: &NewSession,
    by: VerifiedBy,
    at: Timestamp,
) -> Outcome<VerifiedSession> {
    // The account is locked: nobody else ends this pending session of it meanwhile.
    let sql = format!(
        "WITH pending AS (DELETE FROM pending_sessions WHERE digest = $8 AND account = $2 RETURNING digest),
              enrollment AS (DELETE FROM pending_enrollments WHERE session IN (SELECT digest FROM pending))
         INSERT INTO sessions AS s
             (digest, account, binding, verified_by, verified_at, code_at, last_seen, address, browser)
         VALUES ($1, $2, $3, $4, $5, $5, $5, $6, $7) RETURNING {COLUMNS}, EXISTS (SELECT 1 FROM pending)"
    );
    let address = new.address.map(Address);
    let values: Params<'_> = &[&new.digest, &account, &new.binding, &by, &at, &address, &new.browser, &new.instead_of];
    let row = tx.row(&sql, values).await?.ok_or("no session was opened")?;
    // Otherwise it is a verified one, or of another account.
    let is_ended: bool = row.try_get(8)?;
    if let Some(old) = new.instead_of.filter(|_| !is_ended) {
        end(tx, old, at).await?;
    }
    read(&row)
}

/// Gives a session a new token, for a code that was given in it.
pub(super) async fn renew(
    tx: &Connection,
    session: SessionId,
    digest: TokenDigest,
    by: VerifiedBy,
    at: Timestamp,
) -> Outcome<VerifiedSession> {
    let sql = format!(
        "UPDATE sessions s SET digest = $2, verified_by = $3, code_at = $4, last_seen = greatest(s.last_seen, $4)
         FROM (SELECT id, digest FROM sessions WHERE id = $1) old
         WHERE s.id = old.id RETURNING {COLUMNS}, old.digest"
    );
    let row = tx.row(&sql, &[&session, &digest, &by, &at]).await?.ok_or("the session is gone")?;
    let old: TokenDigest = row.try_get(8)?;
    tx.execute("UPDATE pending_enrollments SET session = $2 WHERE session = $1", &[&old, &digest]).await?;
    changes::session(tx, old, at).await?;
    read(&row)
}

pub(super) async fn end_logged(
    tx: &Connection,
    digest: TokenDigest,
    logged: Option<EventKind>,
    occasion: &Occasion,
) -> Outcome<bool> {
    let ended = end(tx, digest, occasion.at).await?;
    if let (Some(Ended::Verified(account)), Some(kind)) = (&ended, logged) {
        audit::about(tx, *account, kind, occasion).await?;
    }
    Ok(ended.is_some())
}

pub(super) async fn end_own(
    tx: &Connection,
    account: AccountId,
    session: SessionId,
    occasion: &Occasion,
) -> Outcome<bool> {
    lock(tx, account).await?;
    let sql = "SELECT digest FROM sessions WHERE id = $1 AND account = $2";
    match tx.row(sql, &[&session, &account]).await? {
        Some(row) => end_logged(tx, row.try_get(0)?, Some(EventKind::SessionEnded), occasion).await,
        None => Ok(false),
    }
}

enum Ended {
    Pending,
    Verified(AccountId),
}

async fn end(tx: &Connection, digest: TokenDigest, at: Timestamp) -> Outcome<Option<Ended>> {
    let whose = "SELECT account FROM pending_sessions WHERE digest = $1
                 UNION ALL SELECT account FROM sessions WHERE digest = $1";
    let Some(row) = tx.row(whose, &[&digest]).await? else { return Ok(None) };
    lock(tx, row.try_get(0)?).await?;
    // It may have ended, or got another token, while this one waited.
    let sql = "WITH pending AS (DELETE FROM pending_sessions WHERE digest = $1 RETURNING account),
                    verified AS (DELETE FROM sessions WHERE digest = $1 RETURNING account),
                    enrollment AS (DELETE FROM pending_enrollments WHERE session = $1),
                    told AS (INSERT INTO changes (at, session) SELECT $2, $1 FROM verified)
               SELECT account, FALSE FROM pending UNION ALL SELECT account, TRUE FROM verified";
    let Some(row) = tx.row(sql, &[&digest, &at]).await? else { return Ok(None) };
    Ok(Some(if row.try_get(1)? { Ended::Verified(row.try_get(0)?) } else { Ended::Pending }))
}

/// Ends every session of an account, pending and verified, and the enrollments that were started in them.
pub(super) async fn end_all(tx: &Connection, account: AccountId, at: Timestamp) -> Outcome<()> {
    tx.execute(
        "WITH pending AS (DELETE FROM pending_sessions WHERE account = $1),
              enrollments AS (DELETE FROM pending_enrollments WHERE account = $1),
              verified AS (DELETE FROM sessions WHERE account = $1 RETURNING digest)
         INSERT INTO changes (at, session) SELECT $2, digest FROM verified",
        &[&account, &at],
    )
    .await?;
    Ok(())
}
