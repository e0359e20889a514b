//! The audit log: written in the transaction of what it tells, never changed.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::administration::Value;
use super::connection::Connection;
use super::failure::Outcome;
use super::values::{Address, row_number};
use super::{administration, tallies};
use crate::second_factor::account::{AccountId, OrganizationId};
use crate::second_factor::event::{Actor, Event, EventKind, Occasion};
use crate::store::{AuditEntry, AuditQuery, Extent, Page, search};

/// Writes an entry about an account, in its organization.
pub(super) async fn about(tx: &Connection, account: AccountId, kind: EventKind, occasion: &Occasion) -> Outcome<()> {
    write(tx, None, Event { kind, subject: Some(account) }, occasion).await
}

/// Writes an entry, with everybody's name as it is now. The subject must be of that organization.
pub(super) async fn enter(
    tx: &Connection,
    organization: OrganizationId,
    event: Event,
    occasion: &Occasion,
) -> Outcome<()> {
    write(tx, Some(organization), event, occasion).await
}

/// Writes an entry into the log of each organization.
pub(super) async fn of_each_organization(tx: &Connection, kind: EventKind, occasion: &Occasion) -> Outcome<()> {
    for organization in administration::organizations(tx).await? {
        enter(tx, organization.id, Event { kind, subject: None }, occasion).await?;
    }
    Ok(())
}

/// In the subject's organization, unless another is named.
async fn write(
    tx: &Connection,
    organization: Option<OrganizationId>,
    event: Event,
    occasion: &Occasion,
) -> Outcome<()> {
    let (actor, actor_account) = occasion.actor.as_kept();
    let entry = "INSERT INTO audit (at, kind, actor, actor_account, actor_name, subject, subject_name,
                                  organization, organization_name, address, request)
               SELECT $1, $2, $3, $4::BIGINT,
                      (SELECT coalesce(name, email, user_id) FROM accounts WHERE id = $4),
                      s.id, coalesce(s.name, s.email, s.user_id), o.id, o.name, $5, $6
               FROM organizations o LEFT JOIN accounts s ON s.id = $7 AND s.organization = o.id
               WHERE o.id = coalesce($8, (SELECT organization FROM accounts WHERE id = $7))
                     AND ($7 IS NULL OR s.id IS NOT NULL)
               RETURNING organization, subject";
    let sql = format!("WITH entry AS ({entry}) {}", tallies::COUNT_ENTRY);
    let address = occasion.address.map(Address);
    let written = tx
        .execute(
            &sql,
            &[
                &occasion.at,
                &event.kind,
                &actor,
                &actor_account,
                &address,
                &occasion.request,
                &event.subject,
                &organization,
            ],
        )
        .await?;
    if written == 1 { Ok(()) } else { Err("there is no such account in that organization".into()) }
}

/// Writes an entry about the whole store.
pub(super) async fn of_store(tx: &Connection, kind: EventKind, occasion: &Occasion) -> Outcome<()> {
    let (actor, actor_account) = occasion.actor.as_kept();
    let entry = "INSERT INTO audit (at, kind, actor, actor_account, organization, organization_name, address, request)
                 VALUES ($1, $2, $3, $4, 0, '', $5, $6) RETURNING organization, subject";
    let sql = format!("WITH entry AS ({entry}) {}", tallies::COUNT_ENTRY);
    let address = occasion.address.map(Address);
    tx.execute(&sql, &[&occasion.at, &kind, &actor, &actor_account, &address, &occasion.request]).await?;
    Ok(())
}

pub(super) async fn read(db: &Connection, query: &AuditQuery) -> Outcome<Page<AuditEntry>> {
    let (total, extent) = total(db, query).await?;
    // The inner query walks an index alone; only the entries of this page are then looked up.
    let sql = format!(
        "SELECT number, at, kind, actor, actor_account, actor_name, subject, subject_name,
                organization_name, address, request
         FROM audit WHERE number IN
             (SELECT number FROM audit {} AND number < $3 ORDER BY number DESC LIMIT $4 OFFSET $5)
         ORDER BY number DESC",
        filter(query)
    );
    let (before, limit, offset) = (query.before.unwrap_or(i64::MAX), row_number(query.limit), row_number(query.offset));
    let values: [Value<'_>; 5] = [
        (&query.organization, Type::INT8),
        (&query.subject, Type::INT8),
        (&before, Type::INT8),
        (&limit, Type::INT8),
        (&offset, Type::INT8),
    ];
    let rows = db.planned_rows(&sql, &values).await?;
    Ok(Page { rows: rows.iter().map(entry).collect::<Outcome<_>>()?, total, extent })
}

/// How many entries there are, from whichever on.
async fn total(db: &Connection, query: &AuditQuery) -> Outcome<(u64, Extent)> {
    if query.subject.is_none() {
        return Ok((tallies::entries(db, query.organization).await?, Extent::Exact));
    }
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM audit {} LIMIT $3) AS entries", filter(query));
    let limit = row_number(search::REACH + 1);
    let values: [Value<'_>; 3] =
        [(&query.organization, Type::INT8), (&query.subject, Type::INT8), (&limit, Type::INT8)];
    let counted = db.planned_rows(&sql, &values).await?;
    let counted: i64 = counted.first().ok_or("a count is one row")?.try_get(0)?;
    Ok(search::counted(counted.unsigned_abs()))
}

/// Each condition names its parameter, so that all variants take the same.
fn filter(query: &AuditQuery) -> String {
    let organization = if query.organization.is_some() { "organization = $1" } else { "$1::BIGINT IS NULL" };
    let subject = if query.subject.is_some() { "subject = $2" } else { "$2::BIGINT IS NULL" };
    format!("WHERE {organization} AND {subject}")
}

fn entry(row: &Row) -> Outcome<AuditEntry> {
    let word: &str = row.try_get(3)?;
    let actor = Actor::of_kept(word, row.try_get(4)?).ok_or_else(|| format!("no such actor: {word:?}"))?;
    let address: Option<Address> = row.try_get(9)?;
    let happened: String = row.try_get(2)?;
    Ok(AuditEntry {
        number: row.try_get(0)?,
        at: row.try_get(1)?,
        kind: EventKind::of_kept(&happened),
        word: happened,
        actor,
        actor_name: row.try_get(5)?,
        subject: row.try_get(6)?,
        subject_name: row.try_get(7)?,
        organization: row.try_get(8)?,
        address: address.map(|address| address.0),
        request: row.try_get(10)?,
    })
}
