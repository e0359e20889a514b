//! Deleting what has run out, a few rows at a time, so that nobody's code waits for it; what somebody else has in hand is
//! left for the next time.

use super::connection::{Connection, Params};
use super::failure::Outcome;
use super::values::row_number;
use crate::second_factor::enrollment::ENROLLMENT_LIFETIME;
use crate::second_factor::guessing::ACCOUNT_SPAN;
use crate::second_factor::session::PENDING_LIFETIME;
use crate::second_factor::throttle::WINDOW;
use crate::store::{CHANGES_KEPT, Expired};

pub(super) async fn prune(tx: &Connection, expired: Expired, limit: u64) -> Outcome<u64> {
    let now = expired.now;
    let limit = row_number(limit);
    let pruned = [
        tx.execute(ENROLLMENTS, &[&now.minus(ENROLLMENT_LIFETIME), &limit]).await?,
        tx.execute(TICKETS, &[&now, &limit]).await?,
        counted(tx, PENDING_SESSIONS, &[&now.minus(PENDING_LIFETIME), &limit]).await?,
        counted(tx, SESSIONS, &[&expired.idle_since, &expired.verified_before, &limit, &now]).await?,
        tx.execute(FAILED_TRIES, &[&now.minus(WINDOW), &limit]).await?,
        tx.execute(ALARMS, &[&now.minus(ACCOUNT_SPAN), &limit]).await?,
        counted(tx, CHANGES, &[&now.minus(CHANGES_KEPT), &limit]).await?,
    ];
    Ok(pruned.iter().sum())
}

/// What a statement counts itself.
async fn counted(tx: &Connection, sql: &str, params: Params<'_>) -> Outcome<u64> {
    let row = tx.row(sql, params).await?.ok_or("a count is one row")?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

const ENROLLMENTS: &str = "
    DELETE FROM pending_enrollments WHERE session IN
        (SELECT session FROM pending_enrollments WHERE started <= $1 ORDER BY started LIMIT $2 FOR UPDATE SKIP LOCKED)";

const TICKETS: &str = "
    DELETE FROM tickets WHERE account IN
        (SELECT account FROM tickets WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)";

const PENDING_SESSIONS: &str = "
    WITH ended AS (DELETE FROM pending_sessions WHERE id IN
                       (SELECT id FROM pending_sessions WHERE opened <= $1 ORDER BY opened LIMIT $2
                        FOR UPDATE SKIP LOCKED)
                   RETURNING digest),
         enrollments AS (DELETE FROM pending_enrollments WHERE session IN (SELECT digest FROM ended))
    SELECT count(*) FROM ended";

const SESSIONS: &str = "
    WITH ended AS (DELETE FROM sessions WHERE id IN
                       (SELECT id FROM sessions WHERE last_seen < $1 OR verified_at < $2 LIMIT $3
                        FOR UPDATE SKIP LOCKED)
                   RETURNING digest),
         enrollments AS (DELETE FROM pending_enrollments WHERE session IN (SELECT digest FROM ended)),
         told AS (INSERT INTO changes (at, session) SELECT $4, digest FROM ended)
    SELECT count(*) FROM ended";

const FAILED_TRIES: &str = "
    DELETE FROM failed_tries WHERE id IN
        (SELECT id FROM failed_tries WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)";

const ALARMS: &str = "
    DELETE FROM alarms WHERE (kind, about) IN
        (SELECT kind, about FROM alarms WHERE raised <= $1 ORDER BY raised LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Only from the beginning, so that no reader of the feed can miss one in the middle; and never the last.
const CHANGES: &str = "
    WITH pruned AS (DELETE FROM changes WHERE number IN
                        (SELECT number FROM changes
                         WHERE number < coalesce((SELECT number FROM changes WHERE at >= $1 ORDER BY number LIMIT 1),
                                                 (SELECT max(number) FROM changes))
                         ORDER BY number LIMIT $2)
                    RETURNING account, organization, session)
    SELECT count(*) FROM pruned WHERE account IS NOT NULL OR organization IS NOT NULL OR session IS NOT NULL";
