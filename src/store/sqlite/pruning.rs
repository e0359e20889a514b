//! Deleting what has run out, a few rows at a time, so that nobody's code waits for it.

use rusqlite::{Connection, Params, params};

use super::administration::row_number;
use super::job::Outcome;
use super::{changes, enrollment};
use crate::second_factor::enrollment::ENROLLMENT_LIFETIME;
use crate::second_factor::guessing::ACCOUNT_SPAN;
use crate::second_factor::session::{PENDING_LIFETIME, TokenDigest};
use crate::second_factor::throttle::WINDOW;
use crate::store::{CHANGES_KEPT, Expired};

pub(super) fn prune(tx: &Connection, expired: Expired, limit: u64) -> Outcome<u64> {
    let limit = row_number(limit);
    let pruned = enrollments(tx, expired, limit)?
        + tickets(tx, expired, limit)?
        + pending_sessions(tx, expired, limit)?
        + sessions(tx, expired, limit)?
        + failed_tries(tx, expired, limit)?
        + alarms(tx, expired, limit)?
        + old_changes(tx, expired, limit)?;
    Ok(pruned as u64)
}

fn enrollments(tx: &Connection, expired: Expired, limit: i64) -> Outcome<usize> {
    let mut delete = tx.prepare_cached(
        "DELETE FROM pending_enrollments WHERE session IN
             (SELECT session FROM pending_enrollments WHERE started <= ?1 ORDER BY started LIMIT ?2)",
    )?;
    Ok(delete.execute(params![expired.now.minus(ENROLLMENT_LIFETIME), limit])?)
}

fn tickets(tx: &Connection, expired: Expired, limit: i64) -> Outcome<usize> {
    let mut delete = tx.prepare_cached(
        "DELETE FROM tickets WHERE account IN (SELECT account FROM tickets WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
    )?;
    Ok(delete.execute(params![expired.now, limit])?)
}

fn pending_sessions(tx: &Connection, expired: Expired, limit: i64) -> Outcome<usize> {
    let ended = delete_sessions(
        tx,
        "DELETE FROM pending_sessions WHERE id IN
             (SELECT id FROM pending_sessions WHERE opened <= ?1 ORDER BY opened LIMIT ?2)
         RETURNING digest",
        params![expired.now.minus(PENDING_LIFETIME), limit],
    )?;
    Ok(ended.len())
}

fn sessions(tx: &Connection, expired: Expired, limit: i64) -> Outcome<usize> {
    let ended = delete_sessions(
        tx,
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE last_seen < ?1 OR verified_at < ?2 LIMIT ?3)
         RETURNING digest",
        params![expired.idle_since, expired.verified_before, limit],
    )?;
    for digest in &ended {
        changes::session(tx, *digest, expired.now)?;
    }
    Ok(ended.len())
}

fn delete_sessions(tx: &Connection, sql: &str, params: impl Params) -> Outcome<Vec<TokenDigest>> {
    let ended: Vec<TokenDigest> =
        tx.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for digest in &ended {
        enrollment::end_with(tx, *digest)?;
    }
    Ok(ended)
}

fn failed_tries(tx: &Connection, expired: Expired, limit: i64) -> Outcome<usize> {
    let mut delete = tx.prepare_cached(
        "DELETE FROM failed_tries WHERE id IN (SELECT id FROM failed_tries WHERE at <= ?1 ORDER BY at LIMIT ?2)",
    )?;
    Ok(delete.execute(params![expired.now.minus(WINDOW), limit])?)
}

fn alarms(tx: &Connection, expired: Expired, limit: i64) -> Outcome<usize> {
    let mut delete = tx.prepare_cached(
        "DELETE FROM alarms WHERE (kind, about) IN
             (SELECT kind, about FROM alarms WHERE raised <= ?1 ORDER BY raised LIMIT ?2)",
    )?;
    Ok(delete.execute(params![expired.now.minus(ACCOUNT_SPAN), limit])?)
}

/// Only from the beginning, so that no reader of the feed can miss one in the middle; and never the last.
fn old_changes(tx: &Connection, expired: Expired, limit: i64) -> Outcome<usize> {
    let mut delete = tx.prepare_cached(
        "DELETE FROM changes WHERE number IN
             (SELECT number FROM changes
              WHERE number < coalesce((SELECT number FROM changes WHERE at >= ?1 ORDER BY number LIMIT 1),
                                      (SELECT max(number) FROM changes))
              ORDER BY number LIMIT ?2)",
    )?;
    Ok(delete.execute(params![expired.now.minus(CHANGES_KEPT), limit])?)
}
