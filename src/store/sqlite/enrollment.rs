//! Enrollments: a secret waits in the session it was shown in, and becomes the account's key once.

use rusqlite::{Connection, OptionalExtension, params};

use super::job::Outcome;
use super::{attempts, audit, changes, codes, key_check, sessions, tickets};
use crate::second_factor::Timestamp;
use crate::second_factor::enrollment::PendingEnrollment;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::session::{TokenDigest, VerifiedBy};
use crate::second_factor::throttle::Bucket;
use crate::store::{Acceptance, Confirmation, KeyId};

pub(super) fn start(tx: &Connection, pending: PendingEnrollment) -> Outcome<Option<PendingEnrollment>> {
    let has_session = tx
        .prepare_cached(
            "SELECT 1 FROM pending_sessions WHERE digest = ?1 AND account = ?2
             UNION ALL SELECT 1 FROM sessions WHERE digest = ?1 AND account = ?2",
        )?
        .exists(params![pending.session, pending.account])?;
    if !has_session || codes::key_id(tx, pending.account)?.is_some() {
        return Ok(None);
    }
    if !tickets::is_open(tx, pending.account, pending.ticket, pending.started)? {
        return Ok(None);
    }
    if pending.ticket.is_some() {
        attempts::take_back(tx, pending.account, Bucket::Ticket)?;
    }
    keep_or_put(tx, pending, None).map(Some)
}

pub(super) fn start_replacement(
    tx: &Connection,
    pending: PendingEnrollment,
    fresh_since: Timestamp,
) -> Outcome<Option<PendingEnrollment>> {
    let recovered = tx
        .prepare_cached(
            "SELECT 1 FROM sessions WHERE digest = ?1 AND account = ?2 AND verified_by = ?3 AND code_at >= ?4",
        )?
        .exists(params![pending.session, pending.account, VerifiedBy::RecoveryCode, fresh_since])?;
    let Some(key) = codes::key_id(tx, pending.account)?.filter(|_| recovered) else { return Ok(None) };
    keep_or_put(tx, pending, Some(key)).map(Some)
}

/// The session's enrollment for the same end if it has one that has not expired, else the new one, kept from now on.
fn keep_or_put(tx: &Connection, new: PendingEnrollment, replaces: Option<KeyId>) -> Outcome<PendingEnrollment> {
    let is_for_the_same = |there: &PendingEnrollment| there.account == new.account && there.ticket == new.ticket;
    match find(tx, new.session)? {
        Some((there, end)) if is_for_the_same(&there) && end == replaces && new.started < there.expires() => Ok(there),
        _ => {
            put(tx, &new, replaces)?;
            Ok(new)
        }
    }
}

/// Keeps an enrollment in place of the one that the session may have.
pub(super) fn put(tx: &Connection, pending: &PendingEnrollment, replaces: Option<KeyId>) -> Outcome<()> {
    key_check::admit(tx, &pending.secret)?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO pending_enrollments (session, account, secret, started, replaces, ticket)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        pending.session,
        pending.account,
        pending.secret,
        pending.started,
        replaces,
        pending.ticket
    ])?;
    Ok(())
}

pub(super) fn unexpired(db: &Connection, session: TokenDigest, now: Timestamp) -> Outcome<Option<PendingEnrollment>> {
    let Some((pending, _)) = find(db, session)? else { return Ok(None) };
    let lasts = now < pending.expires() && tickets::is_open(db, pending.account, pending.ticket, now)?;
    Ok(lasts.then_some(pending))
}

/// The session's enrollment, and the key that it may replace.
fn find(db: &Connection, session: TokenDigest) -> Outcome<Option<(PendingEnrollment, Option<KeyId>)>> {
    let found = db
        .prepare_cached(
            "SELECT account, secret, started, ticket, replaces FROM pending_enrollments WHERE session = ?1",
        )?
        .query_row([session], |row| {
            let pending = PendingEnrollment {
                session,
                account: row.get(0)?,
                secret: row.get(1)?,
                started: row.get(2)?,
                ticket: row.get(3)?,
            };
            Ok((pending, row.get(4)?))
        })
        .optional()?;
    Ok(found)
}

pub(super) fn confirm(tx: &Connection, confirmation: Confirmation, occasion: &Occasion) -> Outcome<Acceptance> {
    let at = occasion.at;
    let Confirmation { pending, secret, step, recovery_codes, session } = confirmation;
    let account = pending.account;
    let Some((there, replaces)) = find(tx, pending.session)? else { return Ok(Acceptance::Gone) };
    if there != pending || at >= there.expires() || codes::key_id(tx, account)? != replaces {
        return Ok(Acceptance::Gone);
    }
    if !tickets::is_open(tx, account, there.ticket, at)? {
        return Ok(Acceptance::Gone);
    }
    key_check::admit(tx, &secret)?;
    tx.prepare_cached(
        "UPDATE accounts SET secret = ?2, enrolled_at = ?3, last_step = ?4, last_used = ?3, reset_at = NULL,
                             key_number = key_number + 1
         WHERE id = ?1",
    )?
    .execute(params![account, secret, at, step])?;
    codes::replace_recovery_codes(tx, account, &recovery_codes)?;
    attempts::take_back(tx, account, Bucket::Enrollment)?;
    tickets::close(tx, account)?;
    sessions::end_all(tx, account, at)?;
    let session = sessions::open(tx, account, &session, VerifiedBy::Totp, at)?;
    changes::account(tx, account, at)?;
    if there.ticket.is_some() {
        audit::about(tx, account, EventKind::TicketUsed, occasion)?;
    }
    let kind = if replaces.is_some() { EventKind::Replaced } else { EventKind::Enrolled };
    audit::about(tx, account, kind, occasion)?;
    Ok(Acceptance::Accepted(Some(session)))
}

/// An enrollment goes with the session it was started in.
pub(super) fn end_with(tx: &Connection, session: TokenDigest) -> Outcome<()> {
    tx.prepare_cached("DELETE FROM pending_enrollments WHERE session = ?1")?.execute([session])?;
    Ok(())
}

/// An enrollment moves along when its session gets a new token.
pub(super) fn move_to(tx: &Connection, old: TokenDigest, new: TokenDigest) -> Outcome<()> {
    tx.prepare_cached("UPDATE pending_enrollments SET session = ?2 WHERE session = ?1")?.execute(params![old, new])?;
    Ok(())
}
