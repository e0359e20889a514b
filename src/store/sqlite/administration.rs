//! What administrators and the operator see and do: always of one organization, which stands in the statement itself.

use rusqlite::{Connection, named_params, params};

use super::job::Outcome;
use super::{accounts, attempts, audit, changes, codes, sessions, tickets};
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, Organization, OrganizationId, Requirement};
use crate::second_factor::event::{Event, EventKind, Occasion};
use crate::second_factor::policy::Authority;
use crate::second_factor::throttle::Bucket;
use crate::store::{AccountQuery, AccountRecord, Counts, Page};

pub(super) fn reset(
    tx: &Connection,
    by: Authority,
    account: AccountId,
    occasion: &Occasion,
) -> Outcome<Option<Account>> {
    let organization = by.organization();
    let reset = tx
        .prepare_cached(
            "UPDATE accounts
             SET secret = NULL, enrolled_at = NULL, last_step = NULL, last_used = NULL, reset_at = ?3
             WHERE id = ?1 AND organization = ?2 AND secret IS NOT NULL",
        )?
        .execute(params![account, organization, occasion.at])?;
    if reset == 0 {
        return Ok(None);
    }
    codes::delete_recovery_codes(tx, account)?;
    attempts::forget_all(tx, account)?;
    tickets::close(tx, account)?;
    sessions::end_all(tx, account, occasion.at)?;
    changes::account(tx, account, occasion.at)?;
    audit::enter(tx, organization, Event { kind: EventKind::Reset, subject: Some(account) }, occasion)?;
    Ok(accounts::by_id(tx, account)?.map(|(account, _)| account))
}

pub(super) fn set_requirement(
    tx: &Connection,
    by: Authority,
    requirement: Requirement,
    occasion: &Occasion,
) -> Outcome<bool> {
    let organization = by.organization();
    let changed = tx
        .prepare_cached("UPDATE organizations SET requirement = ?2 WHERE id = ?1 AND requirement <> ?2")?
        .execute(params![organization, requirement])?;
    if changed == 0 {
        return Ok(false);
    }
    let kind = match requirement {
        Requirement::Required => EventKind::RequirementTurnedOn,
        Requirement::Optional => EventKind::RequirementTurnedOff,
    };
    changes::organization(tx, organization, occasion.at)?;
    audit::enter(tx, organization, Event { kind, subject: None }, occasion)?;
    Ok(true)
}

pub(super) fn accounts(db: &Connection, query: &AccountQuery) -> Outcome<Page<AccountRecord>> {
    let search = query.search.as_deref().unwrap_or_default().to_ascii_lowercase();
    let filter = filter(query, &search);
    let sought = named_params! { ":organization": query.organization, ":search": search };
    let total: i64 =
        db.prepare_cached(&format!("SELECT count(*) FROM accounts a {filter}"))?.query_row(sought, |row| row.get(0))?;
    // The inner query walks an index alone; only the rows of this page are then looked up.
    let sql = format!(
        "SELECT {} FROM (SELECT a.id FROM accounts a {filter} ORDER BY a.listing, a.id LIMIT :limit OFFSET :offset) page
         CROSS JOIN accounts a ON a.id = page.id CROSS JOIN organizations o ON o.id = a.organization
         ORDER BY a.listing, a.id",
        accounts::COLUMNS
    );
    let mut page = db.prepare_cached(&sql)?;
    let page = page.query_map(
        named_params! {
            ":organization": query.organization, ":search": search,
            ":limit": row_number(query.limit), ":offset": row_number(query.offset),
        },
        accounts::read,
    )?;
    let mut rows = Vec::new();
    for account in page {
        rows.push(record(db, account?.0, query.now)?);
    }
    Ok(Page { rows, total: total.unsigned_abs() })
}

/// Conditions that are all answered by one of the indexes on `listing`. Each names its parameter, so that all variants
/// take the same.
fn filter(query: &AccountQuery, search: &str) -> String {
    let organization = match query.organization {
        Some(_) => "a.organization = :organization",
        None => ":organization IS NULL",
    };
    let enrolled = if query.enrolled_only { "a.enrolled_at IS NOT NULL" } else { "TRUE" };
    let found = if search.is_empty() { ":search = ''" } else { "instr(a.listing, :search) > 0" };
    format!("WHERE {organization} AND {enrolled} AND {found}")
}

fn record(db: &Connection, account: Account, now: Timestamp) -> Outcome<AccountRecord> {
    Ok(AccountRecord {
        locked: attempts::failures(db, account.id, Bucket::Code, now)?.is_locked(Bucket::Code),
        recovery_codes_left: codes::recovery_codes_left(db, account.id)?,
        account,
    })
}

pub(super) fn counts(db: &Connection, organization: OrganizationId) -> Outcome<Counts> {
    let count = |sql| -> Outcome<u64> {
        let count: i64 = db.prepare_cached(sql)?.query_row([organization], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    Ok(Counts {
        accounts: count("SELECT count(*) FROM accounts WHERE organization = ?1")?,
        enrolled: count("SELECT count(*) FROM accounts WHERE organization = ?1 AND enrolled_at IS NOT NULL")?,
    })
}

pub(super) fn organizations(db: &Connection) -> Outcome<Vec<Organization>> {
    let mut statement =
        db.prepare_cached("SELECT id, realm, name, requirement FROM organizations ORDER BY realm, name")?;
    let rows = statement.query_map([], |row| accounts::read_organization(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A number of rows as SQLite takes it.
pub(super) fn row_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
