//! The chain of the audit log: which entry has which place, and what was deleted of its beginning.
//!
//! Entries are not committed in the order of their numbers. So each time everything is looked at that came since the chain
//! was last known to be complete up to a number. Now and then that is found out anew: whoever writes an entry holds a lock
//! on the table from before it has a number until it is committed, so once all of these locks were let go, nothing comes
//! below the newest number of before.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::Connection;
use super::failure::{Failure, Outcome};
use super::tallies;
use super::values::row_number;
use crate::second_factor::digests::Link;
use crate::store::{AuditRow, ChainEnds, Cut, Linked, Place};

/// The columns that [`row`] reads.
const COLUMNS: &str = "a.number, a.at, a.kind, a.actor, a.actor_account, a.actor_name, a.subject, a.subject_name, \
    a.organization, a.organization_name, a.address, a.request";

/// Up to which number nobody writes an entry any more, as far as this process knows.
pub(super) struct Quiet(AtomicI64);

/// How many numbers may come before that is found out anew.
const APART: i64 = 1000;

impl Default for Quiet {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Quiet {
    /// That number, or a smaller one up to which nothing is still to come.
    pub(super) fn up_to(&self, number: i64) -> i64 {
        number.min(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn is_due(&self, number: i64) -> bool {
        number.saturating_sub(self.0.load(Ordering::Relaxed)) >= APART
    }

    pub(super) fn is_known_to(&self, number: i64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }
}

/// Returns the newest number from before everybody had let go of the table who was writing to it. New writers queue behind
/// this one for as long as it waits.
pub(super) async fn wait_for_writers(tx: &Connection) -> Outcome<i64> {
    tx.batch("SET LOCAL lock_timeout = 50").await?;
    let row = tx.row("SELECT coalesce(max(number), 0) FROM audit", &[]).await?.ok_or("a maximum is one row")?;
    tx.batch("LOCK TABLE audit IN SHARE MODE").await?;
    Ok(row.try_get(0)?)
}

/// Another has linked entries meanwhile, or deleted some.
#[derive(Debug, thiserror::Error)]
#[error("the audit log has changed meanwhile")]
struct Overtaken;

/// Whether somebody else was faster.
pub(super) fn was_overtaken(failure: &Failure) -> bool {
    failure.is::<Overtaken>()
}

pub(super) async fn ends(db: &Connection) -> Outcome<ChainEnds> {
    let sql = "SELECT newest, place, link, settled, cut, cut_link, cut_seal
               FROM (SELECT max(number) AS newest FROM audit) log LEFT JOIN audit_chain_ends ON true";
    let row = db.row(sql, &[]).await?.ok_or("a maximum is one row")?;
    let newest = row.try_get(0)?;
    let Some(number) = row.try_get(1)? else {
        return Ok(ChainEnds { cut: None, last: Place::BEGINNING, settled: i64::MIN, newest });
    };
    let cut = row
        .try_get::<_, Option<i64>>(4)?
        .map(|number| Outcome::Ok(Cut { place: Place { number, link: row.try_get(5)? }, seal: row.try_get(6)? }));
    let last = Place { number, link: row.try_get(2)? };
    Ok(ChainEnds { cut: cut.transpose()?, last, settled: row.try_get(3)?, newest })
}

/// One look for each entry from `after` on, and not at the whole chain, however little the server knows of the tables.
pub(super) async fn unlinked(db: &Connection, after: i64, limit: u64) -> Outcome<Vec<AuditRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM audit a
         WHERE a.number > $1 AND (SELECT c.place FROM audit_chain c WHERE c.entry = a.number) IS NULL
         ORDER BY a.number LIMIT {}",
        row_number(limit)
    );
    let found = db.planned_rows(&sql, &[(&after, Type::INT8)]).await?;
    found.iter().map(|found| row(found, 0)).collect()
}

/// Whoever is first has the row of the ends to itself until it is done; the next finds another end there.
pub(super) async fn link(tx: &Connection, before: Place, entries: &[(i64, Place)], settled: i64) -> Outcome<()> {
    let Some((_, last)) = entries.last() else { return Ok(()) };
    let sql = "INSERT INTO audit_chain_ends AS ends (only_row, place, link, settled) VALUES (1, $1, $2, $3)
               ON CONFLICT (only_row) DO UPDATE
               SET place = excluded.place, link = excluded.link, settled = greatest(ends.settled, excluded.settled)
               WHERE ends.place = $4 AND ends.link = $5";
    if tx.execute(sql, &[&last.number, &last.link, &settled, &before.number, &before.link]).await? == 0 {
        return Err(Overtaken.into());
    }
    let numbers: Vec<i64> = entries.iter().map(|(entry, _)| *entry).collect();
    let places: Vec<i64> = entries.iter().map(|(_, place)| place.number).collect();
    let links: Vec<Link> = entries.iter().map(|(_, place)| place.link).collect();
    let sql = "INSERT INTO audit_chain (place, entry, link)
               SELECT p.place, a.number, p.link
               FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BYTEA[]) AS p (entry, place, link)
                    JOIN audit a ON a.number = p.entry";
    if tx.execute(sql, &[&numbers, &places, &links]).await? < entries.len() as u64 {
        return Err(Overtaken.into());
    }
    Ok(())
}

pub(super) async fn linked(db: &Connection, after: i64, limit: u64) -> Outcome<Vec<Linked>> {
    let sql = format!(
        "SELECT c.place, c.link, c.entry, {COLUMNS}
         FROM (SELECT place, link, entry FROM audit_chain WHERE place > $1 ORDER BY place LIMIT {}) c
              LEFT JOIN audit a ON a.number = c.entry
         ORDER BY c.place",
        row_number(limit)
    );
    let linked = |found: &Row| {
        let place = Place { number: found.try_get(0)?, link: found.try_get(1)? };
        let is_there = found.try_get::<_, Option<i64>>(3)?.is_some();
        Ok(Linked { place, entry: found.try_get(2)?, row: is_there.then(|| row(found, 3)).transpose()? })
    };
    db.planned_rows(&sql, &[(&after, Type::INT8)]).await?.iter().map(linked).collect()
}

pub(super) async fn rows(db: &Connection, after: i64, limit: u64) -> Outcome<Vec<(AuditRow, Option<Place>)>> {
    let sql = format!(
        "SELECT {COLUMNS}, c.place, c.link
         FROM (SELECT * FROM audit WHERE number > $1 ORDER BY number LIMIT {}) a
              LEFT JOIN audit_chain c ON c.entry = a.number
         ORDER BY a.number",
        row_number(limit)
    );
    let placed = |found: &Row| {
        let place = found.try_get::<_, Option<i64>>(12)?;
        let place = place.map(|number| Outcome::Ok(Place { number, link: found.try_get(13)? }));
        Ok((row(found, 0)?, place.transpose()?))
    };
    db.planned_rows(&sql, &[(&after, Type::INT8)]).await?.iter().map(placed).collect()
}

pub(super) async fn cut(tx: &Connection, cut: Cut, entries: &[i64]) -> Outcome<u64> {
    let Cut { place, seal } = cut;
    let sql = "UPDATE audit_chain_ends SET cut = $1, cut_link = $2, cut_seal = $3
               WHERE (cut IS NULL OR cut < $1) AND place > $1";
    if tx.execute(sql, &[&place.number, &place.link, &seal]).await? == 0 {
        return Ok(0);
    }
    tx.execute("DELETE FROM audit_chain WHERE place <= $1", &[&place.number]).await?;
    let gone = "DELETE FROM audit WHERE number = ANY($1) RETURNING organization, subject";
    let sql = format!("WITH gone AS ({gone}), counted AS ({}) SELECT count(*) FROM gone", tallies::COUNT_GONE);
    let row = tx.row(&sql, &[&entries]).await?.ok_or("a count is one row")?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

/// Whatever stands there.
fn row(found: &Row, first: usize) -> Outcome<AuditRow> {
    Ok(AuditRow {
        number: found.try_get(first)?,
        at: found.try_get(first + 1)?,
        kind: found.try_get(first + 2)?,
        actor: found.try_get(first + 3)?,
        actor_account: found.try_get(first + 4)?,
        actor_name: found.try_get(first + 5)?,
        subject: found.try_get(first + 6)?,
        subject_name: found.try_get(first + 7)?,
        organization: found.try_get(first + 8)?,
        organization_name: found.try_get(first + 9)?,
        address: found.try_get(first + 10)?,
        request: found.try_get(first + 11)?,
    })
}
