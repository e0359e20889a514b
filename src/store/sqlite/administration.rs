//! What administrators and the operator see and do: always of one organization, which stands in the statement itself.

use rusqlite::{Connection, OptionalExtension, Params, named_params, params};

use super::job::Outcome;
use super::{accounts, attempts, audit, changes, codes, searching, sessions, tallies, tickets};
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, Organization, Requirement};
use crate::second_factor::event::{Event, EventKind, Occasion};
use crate::second_factor::policy::Authority;
use crate::second_factor::throttle::Bucket;
use crate::store::search::Sought;
use crate::store::{AccountQuery, AccountRecord, Extent, Page};

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
    let (ids, total, extent) = if let Some(sought) = Sought::new(query.search.as_deref()) {
        searching::accounts(db, query, &sought)?
    } else {
        let total = query.length(tallies::counts(db, query.organization)?);
        (in_order(db, query, total)?, total, Extent::Exact)
    };
    Ok(Page { rows: records(db, ids, query.now)?, total, extent })
}

/// A part of a list of that length. The index alone is walked, from the end that is nearer.
fn in_order(db: &Connection, query: &AccountQuery, total: u64) -> Outcome<Vec<AccountId>> {
    let stretch = query.stretch(total);
    let (filter, direction) = (filter(query), stretch.direction());
    let sql = format!(
        "SELECT a.id FROM accounts a WHERE {filter} ORDER BY a.listing {direction}, a.id {direction} LIMIT :limit OFFSET :offset"
    );
    let ids = ids(
        db,
        &sql,
        named_params! {
            ":organization": query.organization, ":limit": row_number(stretch.limit), ":offset": row_number(stretch.offset),
        },
    );
    Ok(stretch.in_order(ids?))
}

/// The numbers that a statement finds.
pub(super) fn ids(db: &Connection, sql: &str, params: impl Params) -> Outcome<Vec<AccountId>> {
    Ok(db.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn accounts_after(
    db: &Connection,
    query: &AccountQuery,
    after: Option<AccountId>,
) -> Outcome<Vec<AccountRecord>> {
    let text = Sought::new(query.search.as_deref()).map(|sought| sought.text);
    let sql = format!(
        "SELECT a.id FROM accounts a WHERE {} AND (:text IS NULL OR instr(a.listing, :text) > 0)
             AND (a.listing, a.id) > (:listing, :after) ORDER BY a.listing, a.id LIMIT :limit",
        filter(query)
    );
    // Nobody is before this: numbers begin at 1.
    let after = after.unwrap_or(AccountId(0));
    let listing: Option<String> = db
        .prepare_cached("SELECT listing FROM accounts WHERE id = ?1")?
        .query_row([after], |row| row.get(0))
        .optional()?;
    let ids = ids(
        db,
        &sql,
        named_params! {
            ":organization": query.organization, ":text": text, ":listing": listing.unwrap_or_default(),
            ":after": after, ":limit": row_number(query.limit),
        },
    );
    records(db, ids?, query.now)
}

/// Conditions that are answered by one of the indexes on `listing`. Each names its parameter, so that all variants take
/// the same.
pub(super) fn filter(query: &AccountQuery) -> String {
    let organization = match query.organization {
        Some(_) => "a.organization = :organization",
        None => ":organization IS NULL",
    };
    let enrolled = if query.enrolled_only { "a.enrolled_at IS NOT NULL" } else { "TRUE" };
    format!("{organization} AND {enrolled}")
}

fn records(db: &Connection, ids: Vec<AccountId>, now: Timestamp) -> Outcome<Vec<AccountRecord>> {
    let found = ids.into_iter().map(|id| accounts::by_id(db, id));
    found.filter_map(Result::transpose).map(|found| record(db, found?.0, now)).collect()
}

fn record(db: &Connection, account: Account, now: Timestamp) -> Outcome<AccountRecord> {
    Ok(AccountRecord {
        locked: attempts::failures(db, account.id, Bucket::Code, now)?.is_locked(Bucket::Code),
        recovery_codes_left: codes::recovery_codes_left(db, account.id)?,
        account,
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
