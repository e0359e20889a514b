//! The chain of the audit log: which entry has which place, and what was deleted of its beginning.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::administration::row_number;
use super::job::Outcome;
use crate::store::{AuditRow, ChainEnds, Cut, Linked, Place};

/// The columns that [`row`] reads.
const COLUMNS: &str = "a.number, a.at, a.kind, a.actor, a.actor_account, a.actor_name, a.subject, a.subject_name, \
    a.organization, a.organization_name, a.address, a.request";

pub(super) fn ends(db: &Connection) -> Outcome<ChainEnds> {
    let newest = db.prepare_cached("SELECT max(number) FROM audit")?.query_row([], |row| row.get(0))?;
    let found = db
        .prepare_cached("SELECT place, link, settled, cut, cut_link, cut_seal FROM audit_chain_ends")?
        .query_row([], |row| {
            let cut = row.get::<_, Option<i64>>(3)?.map(|number| {
                Ok::<_, rusqlite::Error>(Cut { place: Place { number, link: row.get(4)? }, seal: row.get(5)? })
            });
            let last = Place { number: row.get(0)?, link: row.get(1)? };
            Ok(ChainEnds { cut: cut.transpose()?, last, settled: row.get(2)?, newest })
        })
        .optional()?;
    Ok(found.unwrap_or(ChainEnds { cut: None, last: Place::BEGINNING, settled: i64::MIN, newest }))
}

pub(super) fn unlinked(db: &Connection, after: i64, limit: u64) -> Outcome<Vec<AuditRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM audit a
         WHERE a.number > ?1 AND NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.entry = a.number)
         ORDER BY a.number LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, row_number(limit)], |found| row(found, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Numbers are committed in their order here: below the last of these nothing is still to come.
pub(super) fn link(tx: &Connection, before: Place, entries: &[(i64, Place)]) -> Outcome<bool> {
    let Some(&(newest, last)) = entries.last() else { return Ok(true) };
    let mut there = tx.prepare_cached("SELECT 1 FROM audit WHERE number = ?1")?;
    for (entry, _) in entries {
        if !there.exists([entry])? {
            return Ok(false);
        }
    }
    let moved = tx
        .prepare_cached(
            "INSERT INTO audit_chain_ends (only_row, place, link, settled) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (only_row) DO UPDATE
             SET place = excluded.place, link = excluded.link, settled = max(settled, excluded.settled)
             WHERE place = ?4 AND link = ?5",
        )?
        .execute(params![last.number, last.link, newest, before.number, before.link])?;
    if moved == 0 {
        return Ok(false);
    }
    let mut put = tx.prepare_cached("INSERT INTO audit_chain (place, entry, link) VALUES (?1, ?2, ?3)")?;
    for (entry, place) in entries {
        put.execute(params![place.number, entry, place.link])?;
    }
    Ok(true)
}

pub(super) fn linked(db: &Connection, after: i64, limit: u64) -> Outcome<Vec<Linked>> {
    let sql = format!(
        "SELECT c.place, c.link, c.entry, {COLUMNS}
         FROM (SELECT place, link, entry FROM audit_chain WHERE place > ?1 ORDER BY place LIMIT ?2) c
              LEFT JOIN audit a ON a.number = c.entry
         ORDER BY c.place"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, row_number(limit)], |found| {
        let place = Place { number: found.get(0)?, link: found.get(1)? };
        let is_there = found.get::<_, Option<i64>>(3)?.is_some();
        Ok(Linked { place, entry: found.get(2)?, row: is_there.then(|| row(found, 3)).transpose()? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn rows(db: &Connection, after: i64, limit: u64) -> Outcome<Vec<(AuditRow, Option<Place>)>> {
    let sql = format!(
        "SELECT {COLUMNS}, c.place, c.link FROM audit a LEFT JOIN audit_chain c ON c.entry = a.number
         WHERE a.number > ?1 ORDER BY a.number LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, row_number(limit)], |found| {
        let place = found.get::<_, Option<i64>>(12)?;
        let place = place.map(|number| Ok::<_, rusqlite::Error>(Place { number, link: found.get(13)? }));
        Ok((row(found, 0)?, place.transpose()?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn cut(tx: &Connection, cut: Cut, entries: &[i64]) -> Outcome<u64> {
    let Cut { place, seal } = cut;
    let moved = tx
        .prepare_cached(
            "UPDATE audit_chain_ends SET cut = ?1, cut_link = ?2, cut_seal = ?3
             WHERE (cut IS NULL OR cut < ?1) AND place > ?1",
        )?
        .execute(params![place.number, place.link, seal])?;
    if moved == 0 {
        return Ok(0);
    }
    tx.prepare_cached("DELETE FROM audit_chain WHERE place <= ?1")?.execute([place.number])?;
    let mut delete = tx.prepare_cached("DELETE FROM audit WHERE number = ?1")?;
    let mut gone = 0;
    for entry in entries {
        gone += delete.execute([entry])? as u64;
    }
    Ok(gone)
}

/// Whatever stands there. What is no text is read as well as can be: it is not what was linked in any case.
fn row(found: &Row<'_>, first: usize) -> rusqlite::Result<AuditRow> {
    let words = |column: usize| {
        Ok::<_, rusqlite::Error>(match found.get_ref(first + column)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
        })
    };
    Ok(AuditRow {
        number: found.get(first)?,
        at: found.get(first + 1)?,
        kind: words(2)?.unwrap_or_default(),
        actor: words(3)?.unwrap_or_default(),
        actor_account: found.get(first + 4)?,
        actor_name: words(5)?,
        subject: found.get(first + 6)?,
        subject_name: words(7)?,
        organization: found.get(first + 8)?,
        organization_name: words(9)?.unwrap_or_default(),
        address: words(10)?,
        request: words(11)?,
    })
}
