//! Failed tries: charged before anything is compared, taken back by success. The arithmetic is the rules'.

use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::job::Outcome;
use crate::second_factor::Timestamp;
use crate::second_factor::account::AccountId;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::throttle::{Bucket, Charge, Failures, WINDOW};

pub(super) fn charge(tx: &Connection, account: AccountId, bucket: Bucket, now: Timestamp) -> Outcome<Charge> {
    let before = failures(tx, account, bucket, now)?;
    let charge = before.charge(bucket, now);
    let (Charge::Compare(after) | Charge::Locked(after)) = charge else { return Ok(charge) };
    tx.prepare_cached("INSERT INTO failed_tries (account, bucket, at) VALUES (?1, ?2, ?3)")?
        .execute(params![account, bucket, now])?;
    tx.prepare_cached(
        "INSERT INTO failures_in_a_row (account, bucket, failures) VALUES (?1, ?2, ?3)
         ON CONFLICT (account, bucket) DO UPDATE SET failures = excluded.failures",
    )?
    .execute(params![account, bucket, after.in_a_row])?;
    if after.is_locked(bucket) && !before.is_locked(bucket) {
        let occasion = Occasion::of_the_gateway(now);
        audit::about(tx, account, EventKind::FactorLocked, &occasion)?;
    }
    Ok(charge)
}

/// The failures in a bucket that count at `now`, to the millisecond. One that is as old as the window counts no more.
pub(super) fn failures(db: &Connection, account: AccountId, bucket: Bucket, now: Timestamp) -> Outcome<Failures> {
    let in_a_row: Option<u32> = db
        .prepare_cached("SELECT failures FROM failures_in_a_row WHERE account = ?1 AND bucket = ?2")?
        .query_row(params![account, bucket], |row| row.get(0))
        .optional()?;
    // The last one by its number, not by its time: see the other engine. SQLite takes `at` from the row of the maximum.
    let (in_window, last): (u32, _) = db
        .prepare_cached(
            "SELECT count(*), at, max(id) FROM failed_tries WHERE account = ?1 AND bucket = ?2 AND at > ?3",
        )?
        .query_row(params![account, bucket, now.minus(WINDOW)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Failures { in_a_row: in_a_row.unwrap_or(0), in_window, last })
}

/// After a success: nothing in a row any more, and one failure less in the window, since the charge was none.
///
/// It takes the latest. Where tries overlap that may be another's, which changes no count, and the time at which it
/// leaves the window by as much as they lay apart.
pub(super) fn take_back(tx: &Connection, account: AccountId, bucket: Bucket) -> Outcome<()> {
    forget_row(tx, account, bucket)?;
    tx.prepare_cached(
        "DELETE FROM failed_tries WHERE id = (SELECT id FROM failed_tries WHERE account = ?1 AND bucket = ?2
                                              ORDER BY id DESC LIMIT 1)",
    )?
    .execute(params![account, bucket])?;
    Ok(())
}

/// Forgets every failure in a bucket, those in the window too.
pub(super) fn forget(tx: &Connection, account: AccountId, bucket: Bucket) -> Outcome<()> {
    forget_row(tx, account, bucket)?;
    tx.prepare_cached("DELETE FROM failed_tries WHERE account = ?1 AND bucket = ?2")?
        .execute(params![account, bucket])?;
    Ok(())
}

pub(super) fn forget_all(tx: &Connection, account: AccountId) -> Outcome<()> {
    for bucket in Bucket::ALL {
        forget(tx, account, bucket)?;
    }
    Ok(())
}

fn forget_row(tx: &Connection, account: AccountId, bucket: Bucket) -> Outcome<()> {
    tx.prepare_cached("DELETE FROM failures_in_a_row WHERE account = ?1 AND bucket = ?2")?
        .execute(params![account, bucket])?;
    Ok(())
}
