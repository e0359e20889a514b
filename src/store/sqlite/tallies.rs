//! Running totals for each organization, kept by triggers: lists say how long they are.

use rusqlite::{Connection, Row, named_params};

use super::job::Outcome;
use crate::second_factor::account::OrganizationId;
use crate::store::Counts;

/// How many accounts an organization has, or all of them together.
pub(super) fn counts(db: &Connection, organization: Option<OrganizationId>) -> Outcome<Counts> {
    let read = |row: &Row<'_>| Ok(Counts { accounts: number(row, 0)?, enrolled: number(row, 1)? });
    sums(db, organization, read)
}

/// How many entries of the audit log are about an organization, or about all of them together.
pub(super) fn entries(db: &Connection, organization: Option<OrganizationId>) -> Outcome<u64> {
    sums(db, organization, |row| number(row, 2))
}

fn sums<T>(
    db: &Connection,
    organization: Option<OrganizationId>,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Outcome<T> {
    let which = if organization.is_some() { "organization = :organization" } else { ":organization IS NULL" };
    let sql = format!(
        "SELECT coalesce(sum(accounts), 0), coalesce(sum(enrolled), 0), coalesce(sum(entries), 0) FROM tallies WHERE {which}"
    );
    Ok(db.prepare_cached(&sql)?.query_row(named_params! { ":organization": organization }, read)?)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
