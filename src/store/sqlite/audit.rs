//! The audit log: written in the transaction of what it tells, never changed.

use rusqlite::types::Type;
use rusqlite::{Connection, Row, named_params, params};

use super::administration::{self, row_number};
use super::job::Outcome;
use super::tallies;
use super::values::Address;
use crate::second_factor::account::{AccountId, OrganizationId};
use crate::second_factor::event::{Actor, Event, EventKind, Occasion};
use crate::store::{AuditEntry, AuditQuery, Extent, Page, search};

/// Writes an entry about an account, in its organization.
pub(super) fn about(tx: &Connection, account: AccountId, kind: EventKind, occasion: &Occasion) -> Outcome<()> {
    let organization =
        tx.prepare_cached("SELECT organization FROM accounts WHERE id = ?1")?.query_row([account], |row| row.get(0))?;
    enter(tx, organization, Event { kind, subject: Some(account) }, occasion)
}

/// Writes an entry, with everybody's name as it is now. The subject must be of that organization.
pub(super) fn enter(tx: &Connection, organization: OrganizationId, event: Event, occasion: &Occasion) -> Outcome<()> {
    let (actor, actor_account) = occasion.actor.as_kept();
    let written = tx
        .prepare_cached(
            "INSERT INTO audit (at, kind, actor, actor_account, actor_name, subject, subject_name,
                                organization, organization_name, address, request)
             SELECT :at, :kind, :actor, :actor_account,
                    (SELECT coalesce(name, email, user_id) FROM accounts WHERE id = :actor_account),
                    s.id, coalesce(s.name, s.email, s.user_id), o.id, o.name, :address, :request
             FROM organizations o LEFT JOIN accounts s ON s.id = :subject AND s.organization = o.id
             WHERE o.id = :organization AND s.id IS :subject",
        )?
        .execute(named_params! {
            ":at": occasion.at, ":kind": event.kind, ":actor": actor, ":actor_account": actor_account,
            ":address": Address(occasion.address), ":request": occasion.request,
            ":subject": event.subject, ":organization": organization,
        })?;
    if written == 1 { Ok(()) } else { Err("there is no such account in that organization".into()) }
}

/// Writes an entry about the whole store.
pub(super) fn of_store(tx: &Connection, kind: EventKind, occasion: &Occasion) -> Outcome<()> {
    let (actor, actor_account) = occasion.actor.as_kept();
    tx.prepare_cached(
        "INSERT INTO audit (at, kind, actor, actor_account, organization, organization_name, address, request)
         VALUES (?1, ?2, ?3, ?4, 0, '', ?5, ?6)",
    )?
    .execute(params![occasion.at, kind, actor, actor_account, Address(occasion.address), occasion.request])?;
    Ok(())
}

/// Writes an entry into the log of each organization.
pub(super) fn of_each_organization(tx: &Connection, kind: EventKind, occasion: &Occasion) -> Outcome<()> {
    for organization in administration::organizations(tx)? {
        enter(tx, organization.id, Event { kind, subject: None }, occasion)?;
    }
    Ok(())
}

pub(super) fn read(db: &Connection, query: &AuditQuery) -> Outcome<Page<AuditEntry>> {
    let filter = filter(query);
    let (total, extent) = total(db, query)?;
    // The inner query walks an index alone; only the entries of this page are then looked up.
    let sql = format!(
        "SELECT number, at, kind, actor, actor_account, actor_name, subject, subject_name,
                organization_name, address, request
         FROM audit WHERE number IN
             (SELECT number FROM audit {filter} AND number < :before ORDER BY number DESC LIMIT :limit OFFSET :offset)
         ORDER BY number DESC"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(
        named_params! {
            ":organization": query.organization, ":subject": query.subject,
            ":before": query.before.unwrap_or(i64::MAX),
            ":limit": row_number(query.limit), ":offset": row_number(query.offset),
        },
        entry,
    )?;
    Ok(Page { rows: rows.collect::<rusqlite::Result<_>>()?, total, extent })
}

/// How many entries there are, from whichever on.
fn total(db: &Connection, query: &AuditQuery) -> Outcome<(u64, Extent)> {
    let Some(subject) = query.subject else { return Ok((tallies::entries(db, query.organization)?, Extent::Exact)) };
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM audit {} LIMIT :limit)", filter(query));
    let counted: i64 = db.prepare_cached(&sql)?.query_row(
        named_params! {
            ":organization": query.organization, ":subject": subject, ":limit": row_number(search::REACH + 1),
        },
        |row| row.get(0),
    )?;
    Ok(search::counted(counted.unsigned_abs()))
}

/// Each condition names its parameter, so that all variants take the same.
fn filter(query: &AuditQuery) -> String {
    let organization = match query.organization {
        Some(_) => "organization = :organization",
        None => ":organization IS NULL",
    };
    let subject = match query.subject {
        Some(_) => "subject = :subject",
        None => ":subject IS NULL",
    };
    format!("WHERE {organization} AND {subject}")
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let word: String = row.get(3)?;
    let actor = Actor::of_kept(&word, row.get(4)?).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(3, Type::Text, format!("no such actor: {word:?}").into())
    })?;
    let happened: String = row.get(2)?;
    Ok(AuditEntry {
        number: row.get(0)?,
        at: row.get(1)?,
        kind: EventKind::of_kept(&happened),
        word: happened,
        actor,
        actor_name: row.get(5)?,
        subject: row.get(6)?,
        subject_name: row.get(7)?,
        organization: row.get(8)?,
        address: row.get::<_, Address>(9)?.0,
        request: row.get(10)?,
    })
}
