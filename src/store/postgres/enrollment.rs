//! Enrollments: a secret waits in the session it was shown in, and becomes the account's key once.

use tokio_postgres::Row;

use super::accounts::lock;
use super::connection::Connection;
use super::failure::Outcome;
use super::tallies::{self, Turn};
use super::{attempts, audit, changes, codes, key_check, sessions, tickets};
use crate::second_factor::Timestamp;
use crate::second_factor::enrollment::PendingEnrollment;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::session::{TokenDigest, VerifiedBy};
use crate::second_factor::throttle::Bucket;
use crate::store::{Acceptance, Confirmation, KeyId};

pub(super) async fn start(tx: &Connection, pending: &PendingEnrollment) -> Outcome<Option<PendingEnrollment>> {
    let Some(account) = lock(tx, pending.account).await? else { return Ok(None) };
    let has_session = holds_pending(tx, pending).await? || codes::holds(tx, pending.session, pending.account).await?;
    if !has_session || account.key.is_some() {
        return Ok(None);
    }
    if !tickets::is_open(tx, pending.account, pending.ticket, pending.started).await? {
        return Ok(None);
    }
    if pending.ticket.is_some() {
        attempts::take_back(tx, pending.account, Bucket::Ticket).await?;
    }
    keep_or_put(tx, pending, None).await.map(Some)
}

async fn holds_pending(tx: &Connection, pending: &PendingEnrollment) -> Outcome<bool> {
    let sql = "SELECT 1 FROM pending_sessions WHERE digest = $1 AND account = $2 FOR UPDATE";
    Ok(tx.row(sql, &[&pending.session, &pending.account]).await?.is_some())
}

pub(super) async fn start_replacement(
    tx: &Connection,
    pending: &PendingEnrollment,
    fresh_since: Timestamp,
) -> Outcome<Option<PendingEnrollment>> {
    let Some(account) = lock(tx, pending.account).await? else { return Ok(None) };
    let sql = "SELECT 1 FROM sessions WHERE digest = $1 AND account = $2 AND verified_by = $3 AND code_at >= $4
               FOR UPDATE";
    let recovered =
        tx.row(sql, &[&pending.session, &pending.account, &VerifiedBy::RecoveryCode, &fresh_since]).await?.is_some();
    let Some((key, _)) = account.key.filter(|_| recovered) else { return Ok(None) };
    keep_or_put(tx, pending, Some(key)).await.map(Some)
}

/// The session's enrollment for the same end if it has one that has not expired, else the new one, kept from now on.
async fn keep_or_put(tx: &Connection, new: &PendingEnrollment, replaces: Option<KeyId>) -> Outcome<PendingEnrollment> {
    let is_for_the_same = |there: &PendingEnrollment| there.account == new.account && there.ticket == new.ticket;
    match find(tx, new.session).await? {
        Some((there, end)) if is_for_the_same(&there) && end == replaces && new.started < there.expires() => Ok(there),
        _ => {
            put(tx, new, replaces).await?;
            Ok(new.clone())
        }
    }
}

/// Keeps an enrollment in place of the one that the session may have.
pub(super) async fn put(tx: &Connection, pending: &PendingEnrollment, replaces: Option<KeyId>) -> Outcome<()> {
    key_check::admit(tx, &pending.secret).await?;
    tx.execute(
        "INSERT INTO pending_enrollments (session, account, secret, started, replaces, ticket)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (session) DO UPDATE SET account = excluded.account, secret = excluded.secret,
                                             started = excluded.started, replaces = excluded.replaces,
                                             ticket = excluded.ticket",
        &[&pending.session, &pending.account, &pending.secret, &pending.started, &replaces, &pending.ticket],
    )
    .await?;
    Ok(())
}

pub(super) async fn unexpired(
    db: &Connection,
    session: TokenDigest,
    now: Timestamp,
) -> Outcome<Option<PendingEnrollment>> {
    let sql = "SELECT account, secret, started, ticket FROM pending_enrollments WHERE session = $1";
    let Some(row) = db.row(sql, &[&session]).await? else { return Ok(None) };
    let pending = read(session, &row)?;
    let lasts = now < pending.expires() && tickets::is_open(db, pending.account, pending.ticket, now).await?;
    Ok(lasts.then_some(pending))
}

fn read(session: TokenDigest, row: &Row) -> Outcome<PendingEnrollment> {
    Ok(PendingEnrollment {
        session,
        account: row.try_get(0)?,
        secret: row.try_get(1)?,
        started: row.try_get(2)?,
        ticket: row.try_get(3)?,
    })
}

/// The session's enrollment, and the key that it may replace. Locked, so that nobody prunes it meanwhile.
async fn find(tx: &Connection, session: TokenDigest) -> Outcome<Option<(PendingEnrollment, Option<KeyId>)>> {
    let sql =
        "SELECT account, secret, started, ticket, replaces FROM pending_enrollments WHERE session = $1 FOR UPDATE";
    let Some(row) = tx.row(sql, &[&session]).await? else { return Ok(None) };
    Ok(Some((read(session, &row)?, row.try_get(4)?)))
}

pub(super) async fn confirm(tx: &Connection, confirmation: &Confirmation, occasion: &Occasion) -> Outcome<Acceptance> {
    let at = occasion.at;
    let Confirmation { pending, secret, step, recovery_codes, session } = confirmation;
    let account = pending.account;
    let Some(locked) = lock(tx, account).await? else { return Ok(Acceptance::Gone) };
    let Some((there, replaces)) = find(tx, pending.session).await? else { return Ok(Acceptance::Gone) };
    if there != *pending || at >= there.expires() || locked.key.map(|(key, _)| key) != replaces {
        return Ok(Acceptance::Gone);
    }
    if !tickets::is_open(tx, account, there.ticket, at).await? {
        return Ok(Acceptance::Gone);
    }
    key_check::admit(tx, secret).await?;
    tx.execute(
        "UPDATE accounts SET secret = $2, enrolled_at = $3, last_step = $4, last_used = $3, reset_at = NULL,
                             key_number = key_number + 1
         WHERE id = $1",
        &[&account, secret, &at, step],
    )
    .await?;
    codes::replace_recovery_codes(tx, account, recovery_codes).await?;
    attempts::take_back(tx, account, Bucket::Enrollment).await?;
    tickets::close(tx, account).await?;
    sessions::end_all(tx, account, at).await?;
    let session = sessions::open(tx, account, session, VerifiedBy::Totp, at).await?;
    changes::account(tx, account, at).await?;
    let kind = if replaces.is_some() { EventKind::Replaced } else { EventKind::Enrolled };
    if replaces.is_none() {
        tallies::count(tx, account, Turn::Enrolled).await?;
    }
    if there.ticket.is_some() {
        audit::about(tx, account, EventKind::TicketUsed, occasion).await?;
    }
    audit::about(tx, account, kind, occasion).await?;
    Ok(Acceptance::Accepted(Some(session)))
}
