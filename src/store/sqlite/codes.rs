//! Codes that were right: each used up once, in the transaction that does what it was given for.

use rusqlite::{Connection, OptionalExtension, params};

use super::job::Outcome;
use super::{attempts, audit, changes, enrollment, sessions};
use crate::second_factor::account::AccountId;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::recovery::CodeDigest;
use crate::second_factor::session::{VerifiedBy, VerifiedSession};
use crate::second_factor::throttle::Bucket;
use crate::second_factor::totp::Step;
use crate::store::{Acceptance, Effect, EnrolledKey, KeyId, MatchedStep};

pub(super) fn enrolled_key(db: &Connection, account: AccountId) -> Outcome<Option<EnrolledKey>> {
    let key = db
        .prepare_cached("SELECT key_number, secret, last_step FROM accounts WHERE id = ?1 AND secret IS NOT NULL")?
        .query_row([account], |row| Ok(EnrolledKey { id: row.get(0)?, secret: row.get(1)?, last_step: row.get(2)? }))
        .optional()?;
    Ok(key)
}

/// The number of the account's key.
pub(super) fn key_id(db: &Connection, account: AccountId) -> Outcome<Option<KeyId>> {
    let number = db
        .prepare_cached("SELECT key_number FROM accounts WHERE id = ?1 AND secret IS NOT NULL")?
        .query_row([account], |row| row.get(0))
        .optional()?;
    Ok(number)
}

pub(super) fn accept_step(
    tx: &Connection,
    account: AccountId,
    matched: MatchedStep,
    effect: Effect,
    occasion: &Occasion,
) -> Outcome<Acceptance> {
    let last: Option<Step> = tx
        .prepare_cached("SELECT last_step FROM accounts WHERE id = ?1 AND key_number = ?2 AND secret IS NOT NULL")?
        .query_row(params![account, matched.key], |row| row.get(0))
        .optional()?;
    let Some(last) = last else { return Ok(Acceptance::Gone) };
    if matched.step <= last {
        return Ok(Acceptance::AlreadyUsed);
    }
    if !has_its_session(tx, account, &effect)? {
        return Ok(Acceptance::Gone);
    }
    tx.prepare_cached("UPDATE accounts SET last_step = ?2, last_used = ?3 WHERE id = ?1")?.execute(params![
        account,
        matched.step,
        occasion.at
    ])?;
    attempts::take_back(tx, account, Bucket::Code)?;
    let kind = match effect {
        Effect::SignIn(_) | Effect::StepUp { .. } | Effect::StartReplacement(_) => EventKind::Verified,
        Effect::Disable => EventKind::Disabled,
        Effect::RegenerateRecoveryCodes(_) => EventKind::RecoveryCodesRegenerated,
    };
    let session = bring_about(tx, account, effect, VerifiedBy::Totp, occasion)?;
    audit::about(tx, account, kind, occasion)?;
    Ok(Acceptance::Accepted(session))
}

pub(super) fn spend(
    tx: &Connection,
    account: AccountId,
    code: CodeDigest,
    effect: Effect,
    occasion: &Occasion,
) -> Outcome<Acceptance> {
    match effect {
        Effect::SignIn(_) | Effect::StepUp { .. } => {}
        Effect::Disable | Effect::RegenerateRecoveryCodes(_) | Effect::StartReplacement(_) => {
            return Err("a recovery code is not enough for that".into());
        }
    }
    if key_id(tx, account)?.is_none() || !has_its_session(tx, account, &effect)? {
        return Ok(Acceptance::Gone);
    }
    let spent = tx
        .prepare_cached("DELETE FROM recovery_codes WHERE account = ?1 AND digest = ?2")?
        .execute(params![account, code])?;
    if spent == 0 {
        return Ok(Acceptance::AlreadyUsed);
    }
    attempts::take_back(tx, account, Bucket::Recovery)?;
    attempts::forget(tx, account, Bucket::Code)?;
    let session = bring_about(tx, account, effect, VerifiedBy::RecoveryCode, occasion)?;
    audit::about(tx, account, EventKind::RecoveryCodeUsed, occasion)?;
    Ok(Acceptance::Accepted(session))
}

/// Whether the verified session is still there that the effect happens in, if it happens in one.
fn has_its_session(tx: &Connection, account: AccountId, effect: &Effect) -> Outcome<bool> {
    match effect {
        Effect::SignIn(_) | Effect::Disable | Effect::RegenerateRecoveryCodes(_) => Ok(true),
        Effect::StepUp { session, .. } => {
            let mut there = tx.prepare_cached("SELECT 1 FROM sessions WHERE id = ?1 AND account = ?2")?;
            Ok(there.exists(params![session, account])?)
        }
        Effect::StartReplacement(pending) => {
            let mut there = tx.prepare_cached("SELECT 1 FROM sessions WHERE digest = ?1 AND account = ?2")?;
            Ok(pending.account == account && there.exists(params![pending.session, account])?)
        }
    }
}

fn bring_about(
    tx: &Connection,
    account: AccountId,
    effect: Effect,
    by: VerifiedBy,
    occasion: &Occasion,
) -> Outcome<Option<VerifiedSession>> {
    match effect {
        Effect::SignIn(new) => return sessions::open(tx, account, &new, by, occasion.at).map(Some),
        Effect::StepUp { session, digest } => return sessions::renew(tx, session, digest, by, occasion.at).map(Some),
        Effect::Disable => disable(tx, account, occasion)?,
        Effect::RegenerateRecoveryCodes(codes) => replace_recovery_codes(tx, account, &codes)?,
        Effect::StartReplacement(pending) => {
            let key = key_id(tx, account)?;
            enrollment::put(tx, &pending, key)?;
        }
    }
    Ok(None)
}

fn disable(tx: &Connection, account: AccountId, occasion: &Occasion) -> Outcome<()> {
    tx.prepare_cached(
        "UPDATE accounts SET secret = NULL, enrolled_at = NULL, last_step = NULL, last_used = NULL WHERE id = ?1",
    )?
    .execute([account])?;
    delete_recovery_codes(tx, account)?;
    sessions::end_all(tx, account, occasion.at)?;
    changes::account(tx, account, occasion.at)
}

pub(super) fn recovery_codes_left(db: &Connection, account: AccountId) -> Outcome<u32> {
    let mut count = db.prepare_cached("SELECT count(*) FROM recovery_codes WHERE account = ?1")?;
    Ok(count.query_row([account], |row| row.get(0))?)
}

pub(super) fn replace_recovery_codes(tx: &Connection, account: AccountId, codes: &[CodeDigest]) -> Outcome<()> {
    delete_recovery_codes(tx, account)?;
    let mut insert = tx.prepare_cached("INSERT INTO recovery_codes (account, digest) VALUES (?1, ?2)")?;
    for code in codes {
        insert.execute(params![account, code])?;
    }
    Ok(())
}

pub(super) fn delete_recovery_codes(tx: &Connection, account: AccountId) -> Outcome<()> {
    tx.prepare_cached("DELETE FROM recovery_codes WHERE account = ?1")?.execute([account])?;
    Ok(())
}
