//! The change feed: what other processes' caches have to forget, in the transaction that made it so.
//!
//! A sequence numbers the changes, so transactions need not wait for each other; they are not committed in the order of
//! their numbers. A reader that sees 11 and not 10 must not go on to 12: whoever holds 10 may still commit it. It may
//! have been given up, too. The reader finds out by writing row 10 itself, without a content: the primary key has it
//! wait for a transaction that has written that row, and refuses it if that is committed. If the reader's row stands,
//! whoever has drawn 10 and not used it yet is refused in turn, and tries again with another number. So what is passed
//! over is never written afterwards, whatever is delayed by how much; no clock and no time limit takes part in it.
//!
//! Until it is settled the reader stays before the gap, and hears what comes after it each time anew. Most gaps are those
//! of transactions that are just being committed, and gone at the next reading; only one that stays is settled.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;

use super::connection::Connection;
use super::failure::Outcome;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{AccountId, OrganizationId};
use crate::second_factor::session::TokenDigest;
use crate::store::{Change, Cursor};

/// How long a number has to be missing before it is settled, and how long after that before it is tried again.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a reader waits for a transaction that is under way, in milliseconds, before it tells what it knows.
const WAIT: &str = "SET LOCAL lock_timeout = 20";

/// What the readers of this process have waited for: everything that was missing below a number, since when.
#[derive(Default)]
pub(super) struct Standstill(Mutex<Option<(i64, Instant)>>);

impl Standstill {
    /// The number below which everything that is missing now has been missing for long enough to be settled.
    pub(super) fn due(&self, news: &News) -> Option<i64> {
        let now = Instant::now();
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (gap, last) = (news.gap()?, *news.numbers.last()?);
        match *awaited {
            Some((end, since)) if gap.start < end && now < since + PATIENCE => None,
            Some((end, _)) if gap.start < end => {
                *awaited = Some((last, now));
                Some(end)
            }
            _ => {
                *awaited = Some((last, now));
                None
            }
        }
    }
}

pub(super) async fn account(tx: &Connection, account: AccountId, at: Timestamp) -> Outcome<()> {
    tx.execute("INSERT INTO changes (at, account) VALUES ($1, $2)", &[&at, &account]).await?;
    Ok(())
}

pub(super) async fn organization(tx: &Connection, organization: OrganizationId, at: Timestamp) -> Outcome<()> {
    tx.execute("INSERT INTO changes (at, organization) VALUES ($1, $2)", &[&at, &organization]).await?;
    Ok(())
}

pub(super) async fn session(tx: &Connection, digest: TokenDigest, at: Timestamp) -> Outcome<()> {
    tx.execute("INSERT INTO changes (at, session) VALUES ($1, $2)", &[&at, &digest]).await?;
    Ok(())
}

/// The last number before which nothing is missing.
pub(super) async fn cursor(db: &Connection) -> Outcome<Cursor> {
    let sql = "SELECT number FROM (SELECT number, lead(number) OVER (ORDER BY number) AS next FROM changes) numbers
               WHERE next IS NULL OR next > number + 1 ORDER BY number LIMIT 1";
    match db.row(sql, &[]).await? {
        Some(row) => Ok(Cursor(row.try_get(0)?)),
        None => Err("the last change is missing, which is never deleted".into()),
    }
}

/// What a reader finds from its cursor's own row on.
pub(super) struct News {
    numbers: Vec<i64>,
    changes: Vec<Change>,
    from: Cursor,
}

impl News {
    /// Numbers that are missing between others, from the first on.
    pub(super) fn gaps(&self) -> impl Iterator<Item = Range<i64>> {
        self.numbers.windows(2).filter(|pair| pair[1] > pair[0] + 1).map(|pair| pair[0] + 1..pair[1])
    }

    fn gap(&self) -> Option<Range<i64>> {
        self.gaps().next()
    }

    /// Whether some of what followed the cursor is gone: its own row, which was there when it was read, and the next.
    fn is_behind(&self) -> bool {
        self.numbers.first().is_none_or(|first| *first > self.from.0.saturating_add(1))
    }

    pub(super) async fn since(db: &Connection, from: Cursor) -> Outcome<Self> {
        let sql = "SELECT number, account, organization, session FROM changes WHERE number >= $1 ORDER BY number";
        let mut news = Self { numbers: Vec::new(), changes: Vec::new(), from };
        for row in db.rows(sql, &[&from.0]).await? {
            let number = row.try_get(0)?;
            news.numbers.push(number);
            if number > from.0 {
                news.changes.extend(read(&row)?);
            }
        }
        Ok(news)
    }

    /// What to forget, and where the reader stands now; `None` if there is nothing left of what the reader knows.
    pub(super) fn told(self) -> Option<(Vec<Change>, Cursor)> {
        let last = *self.numbers.last()?;
        let stands = Cursor(self.gap().map_or(last, |gap| gap.start - 1));
        Some((if self.is_behind() { vec![Change::Everything] } else { self.changes }, stands))
    }
}

/// Takes the numbers in a gap for good, as far as no transaction has them. Waits for one that is under way; if that
/// takes too long nothing is done.
pub(super) async fn settle(tx: &Connection, gap: &Range<i64>) -> Outcome<()> {
    tx.batch(WAIT).await?;
    // With the time of what comes next, so that all of it is pruned together.
    let sql = "INSERT INTO changes (number, at)
               SELECT missing.number, following.at FROM generate_series($1::BIGINT, $2::BIGINT - 1) AS missing (number)
               JOIN changes following ON following.number = $2
               ON CONFLICT DO NOTHING";
    tx.execute(sql, &[&gap.start, &gap.end]).await?;
    Ok(())
}

/// `None` for a row that only holds a place.
fn read(row: &Row) -> Outcome<Option<Change>> {
    Ok(match (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?) {
        (Some(account), _, _) => Some(Change::Account(account)),
        (_, Some(organization), _) => Some(Change::Organization(organization)),
        (_, _, Some(session)) => Some(Change::Session(session)),
        (None, None, None) => None,
    })
}
