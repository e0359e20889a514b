//! Failed tries: charged before anything is compared, taken back by success. The arithmetic is the rules'.

use super::accounts::lock_and_read;
use super::audit;
use super::connection::Connection;
use super::failure::Outcome;
use crate::second_factor::Timestamp;
use crate::second_factor::account::AccountId;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::throttle::{Bucket, Charge, Failures, WINDOW};

/// Charges a try where none is counted, as nearly always: one statement, which is a transaction of its own. `None`, and
/// nothing done, if it is not like that.
///
/// It may have waited for another that charged one: that one's row is there by then, though the statement did not see it
/// when it began.
pub(super) async fn charge_first(
    db: &Connection,
    account: AccountId,
    bucket: Bucket,
    now: Timestamp,
) -> Outcome<Option<Charge>> {
    let charged = db
        .execute(
            "WITH locked AS (SELECT id FROM accounts WHERE id = $1 FOR UPDATE),
                  first AS (INSERT INTO failures_in_a_row (account, bucket, failures)
                            SELECT id, $2, 1 FROM locked
                            WHERE NOT EXISTS (SELECT 1 FROM failed_tries WHERE account = $1 AND bucket = $2)
                            ON CONFLICT DO NOTHING RETURNING account)
             INSERT INTO failed_tries (account, bucket, at) SELECT account, $2, $3 FROM first",
            &[&account, &bucket, &now],
        )
        .await?;
    Ok(if charged == 1 { Some(counted(None, 0, None)?.charge(bucket, now)) } else { None })
}

pub(super) async fn charge(tx: &Connection, account: AccountId, bucket: Bucket, now: Timestamp) -> Outcome<Charge> {
    let since = now.minus(WINDOW);
    let (locked, counts) = lock_and_read(tx, account, FAILURES, &[&account, &bucket, &since]).await?;
    let (Some(_), Some(row)) = (locked, counts) else { return Err("there is no such account".into()) };
    let before = counted(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)?;
    let charge = before.charge(bucket, now);
    let (Charge::Compare(after) | Charge::Locked(after)) = charge else { return Ok(charge) };
    tx.execute(
        "WITH try AS (INSERT INTO failed_tries (account, bucket, at) VALUES ($1, $2, $3))
         INSERT INTO failures_in_a_row (account, bucket, failures) VALUES ($1, $2, $4)
         ON CONFLICT (account, bucket) DO UPDATE SET failures = excluded.failures",
        &[&account, &bucket, &now, &i64::from(after.in_a_row)],
    )
    .await?;
    if after.is_locked(bucket) && !before.is_locked(bucket) {
        let occasion = Occasion::of_the_gateway(now);
        audit::about(tx, account, EventKind::FactorLocked, &occasion).await?;
    }
    Ok(charge)
}

/// The failures in a bucket that count, to the millisecond. One that is as old as the window counts no more. The last one is
/// so by its number: after a clock was set back, none before would be older than those to come, and no delay would pass or
/// begin for as long.
const FAILURES: &str = "
    SELECT (SELECT failures FROM failures_in_a_row WHERE account = $1 AND bucket = $2), count(*),
           (array_agg(at ORDER BY id DESC))[1]
    FROM failed_tries WHERE account = $1 AND bucket = $2 AND at > $3";

/// What the store's numbers mean to the rules.
pub(super) fn counted(in_a_row: Option<i64>, in_window: i64, last: Option<Timestamp>) -> Outcome<Failures> {
    Ok(Failures { in_a_row: u32::try_from(in_a_row.unwrap_or(0))?, in_window: u32::try_from(in_window)?, last })
}

/// After a success: nothing in a row any more, and one failure less in the window, since the charge was none.
///
/// It takes the latest. Where tries overlap that may be another's, which changes no count, and the time at which it
/// leaves the window by as much as they lay apart.
pub(super) async fn take_back(tx: &Connection, account: AccountId, bucket: Bucket) -> Outcome<()> {
    tx.execute(&format!("WITH {NONE_IN_A_ROW} {ONE_LESS}"), &[&account, &bucket]).await?;
    Ok(())
}

/// The parts of a statement that takes back a charge.
pub(super) const NONE_IN_A_ROW: &str = "in_a_row AS (DELETE FROM failures_in_a_row WHERE account = $1 AND bucket = $2)";
pub(super) const ONE_LESS: &str = "
    DELETE FROM failed_tries WHERE id = (SELECT id FROM failed_tries WHERE account = $1 AND bucket = $2
                                         ORDER BY id DESC LIMIT 1)";

/// Forgets every failure in a bucket, those in the window too.
pub(super) async fn forget(tx: &Connection, account: AccountId, bucket: Bucket) -> Outcome<()> {
    tx.execute(
        "WITH in_a_row AS (DELETE FROM failures_in_a_row WHERE account = $1 AND bucket = $2)
         DELETE FROM failed_tries WHERE account = $1 AND bucket = $2",
        &[&account, &bucket],
    )
    .await?;
    Ok(())
}

pub(super) async fn forget_all(tx: &Connection, account: AccountId) -> Outcome<()> {
    for bucket in Bucket::ALL {
        forget(tx, account, bucket).await?;
    }
    Ok(())
}
