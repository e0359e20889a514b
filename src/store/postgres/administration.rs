//! What administrators and the operator see and do: always of one organization, which stands in the statement itself.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::connection::Connection;
use super::failure::Outcome;
use super::tallies::{self, Turn};
use super::values::row_number;
use super::{accounts, attempts, audit, changes, codes, sessions, tickets};
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, Organization, Requirement};
use crate::second_factor::event::{Event, EventKind, Occasion};
use crate::second_factor::policy::Authority;
use crate::second_factor::throttle::{Bucket, WINDOW};
use crate::store::{AccountQuery, AccountRecord, Extent, Page};

pub(super) async fn reset(
    tx: &Connection,
    by: Authority,
    account: AccountId,
    occasion: &Occasion,
) -> Outcome<Option<Account>> {
    let organization = by.organization();
    accounts::lock(tx, account).await?;
    let reset = tx
        .execute(
            "UPDATE accounts
             SET secret = NULL, enrolled_at = NULL, last_step = NULL, last_used = NULL, reset_at = $3
             WHERE id = $1 AND organization = $2 AND secret IS NOT NULL",
            &[&account, &organization, &occasion.at],
        )
        .await?;
    if reset == 0 {
        return Ok(None);
    }
    codes::delete_recovery_codes(tx, account).await?;
    attempts::forget_all(tx, account).await?;
    tickets::close(tx, account).await?;
    sessions::end_all(tx, account, occasion.at).await?;
    changes::account(tx, account, occasion.at).await?;
    tallies::count(tx, account, Turn::Left).await?;
    audit::enter(tx, organization, Event { kind: EventKind::Reset, subject: Some(account) }, occasion).await?;
    Ok(accounts::by_id(tx, account).await?.map(|(account, _)| account))
}

pub(super) async fn set_requirement(
    tx: &Connection,
    by: Authority,
    requirement: Requirement,
    occasion: &Occasion,
) -> Outcome<bool> {
    let organization = by.organization();
    let sql = "UPDATE organizations SET requirement = $2 WHERE id = $1 AND requirement <> $2";
    if tx.execute(sql, &[&organization, &requirement]).await? == 0 {
        return Ok(false);
    }
    let kind = match requirement {
        Requirement::Required => EventKind::RequirementTurnedOn,
        Requirement::Optional => EventKind::RequirementTurnedOff,
    };
    changes::organization(tx, organization, occasion.at).await?;
    audit::enter(tx, organization, Event { kind, subject: None }, occasion).await?;
    Ok(true)
}

/// A parameter of a statement that is planned anew.
pub(super) type Value<'v> = (&'v (dyn ToSql + Sync), Type);

/// Accounts that nobody searches for.
pub(super) async fn accounts(db: &Connection, query: &AccountQuery) -> Outcome<Page<AccountRecord>> {
    let total = query.length(tallies::counts(db, query.organization).await?);
    let ids = in_order(db, query, total).await?;
    Ok(Page { rows: records(db, &ids, query.now).await?, total, extent: Extent::Exact })
}

/// A part of a list of that length. The index alone is walked, from the end that is nearer.
async fn in_order(db: &Connection, query: &AccountQuery, total: u64) -> Outcome<Vec<AccountId>> {
    let stretch = query.stretch(total);
    let (filter, direction) = (filter(query), stretch.direction());
    let sql = format!(
        "SELECT a.id FROM listings a WHERE {filter} ORDER BY a.listing {direction}, a.id {direction} LIMIT $2 OFFSET $3"
    );
    let (limit, offset) = (row_number(stretch.limit), row_number(stretch.offset));
    let values: [Value<'_>; 3] = [(&query.organization, Type::INT8), (&limit, Type::INT8), (&offset, Type::INT8)];
    Ok(stretch.in_order(ids(db, &sql, &values).await?))
}

/// The numbers that a statement finds.
pub(super) async fn ids(db: &Connection, sql: &str, values: &[Value<'_>]) -> Outcome<Vec<AccountId>> {
    db.planned_rows(sql, values).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

pub(super) async fn accounts_after(
    db: &Connection,
    query: &AccountQuery,
    after: Option<AccountId>,
) -> Outcome<Vec<AccountRecord>> {
    let search = query.search.as_deref().unwrap_or_default();
    // The server can't keep it in a text, so no text contains it.
    if search.contains('\0') {
        return Ok(Vec::new());
    }
    let behind = if after.is_some() {
        "(a.listing, a.id) > (SELECT listing, id FROM listings WHERE id = $3)"
    } else {
        "$3::BIGINT IS NULL"
    };
    let sql = format!(
        "SELECT a.id FROM listings a WHERE {} AND a.listing LIKE $2 AND {behind} ORDER BY a.listing, a.id LIMIT $4",
        filter(query)
    );
    let (pattern, limit) = (pattern(search), row_number(query.limit));
    let values: [Value<'_>; 4] =
        [(&query.organization, Type::INT8), (&pattern, Type::TEXT), (&after, Type::INT8), (&limit, Type::INT8)];
    records(db, &ids(db, &sql, &values).await?, query.now).await
}

/// Conditions on `listings` that are answered by one of its indexes; `accounts` has these columns too. Each names its
/// parameter, so that all variants take the same.
pub(super) fn filter(query: &AccountQuery) -> String {
    let organization = if query.organization.is_some() { "a.organization = $1" } else { "$1::BIGINT IS NULL" };
    let enrolled = if query.enrolled_only { "a.enrolled_at IS NOT NULL" } else { "TRUE" };
    format!("{organization} AND {enrolled}")
}

/// These accounts, as lists show them, in that order.
pub(super) async fn records(db: &Connection, ids: &[AccountId], now: Timestamp) -> Outcome<Vec<AccountRecord>> {
    let sql = format!(
        "SELECT {},
                (SELECT failures FROM failures_in_a_row f WHERE f.account = a.id AND f.bucket = $2),
                (SELECT count(*) FROM failed_tries t WHERE t.account = a.id AND t.bucket = $2 AND t.at > $3),
                (SELECT count(*) FROM recovery_codes c WHERE c.account = a.id)
         FROM unnest($1::BIGINT[]) WITH ORDINALITY AS page (id, place)
         JOIN accounts a ON a.id = page.id JOIN organizations o ON o.id = a.organization ORDER BY page.place",
        accounts::COLUMNS
    );
    let rows = db.rows(&sql, &[&ids, &Bucket::Code, &now.minus(WINDOW)]).await?;
    rows.iter().map(record).collect()
}

/// What LIKE finds whatever contains it with, every character for itself.
pub(super) fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for character in search.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}

fn record(row: &Row) -> Outcome<AccountRecord> {
    let (account, _) = accounts::read(row)?;
    let failures = attempts::counted(row.try_get(11)?, row.try_get(12)?, None::<Timestamp>)?;
    Ok(AccountRecord {
        locked: failures.is_locked(Bucket::Code),
        recovery_codes_left: u32::try_from(row.try_get::<_, i64>(13)?)?,
        account,
    })
}

pub(super) async fn organizations(db: &Connection) -> Outcome<Vec<Organization>> {
    let rows = db.rows("SELECT id, realm, name, requirement FROM organizations ORDER BY realm, name", &[]).await?;
    rows.iter().map(|row| accounts::read_organization(row, 0)).collect()
}
