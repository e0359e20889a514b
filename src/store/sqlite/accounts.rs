//! Accounts and organizations: made on first sight, found by their key or number.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::changes;
use super::job::Outcome;
use crate::second_factor::account::{Account, AccountId, AccountKey, Factor, Organization, OrganizationId};
use crate::store::{Sighting, sighting};

/// The columns that [`read`] reads, of an account `a` in an organization `o`.
pub(super) const COLUMNS: &str = "a.id, o.id, o.realm, o.name, o.requirement, \
    a.user_id, a.email, a.name, a.reset_at, a.enrolled_at, a.last_used";

/// An account and its organization, from a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(Account, Organization)> {
    let organization = read_organization(row, 1)?;
    let key =
        AccountKey { realm: organization.realm.clone(), organization: organization.name.clone(), user: row.get(5)? };
    let account = Account {
        id: row.get(0)?,
        organization: organization.id,
        key: Arc::new(key),
        email: row.get(6)?,
        name: row.get(7)?,
        factor: match (row.get(8)?, row.get(9)?) {
            (_, Some(since)) => Factor::Enrolled { since, last_used: row.get(10)? },
            (Some(at), None) => Factor::Reset { at },
            (None, None) => Factor::NotEnrolled,
        },
    };
    Ok((account, organization))
}

/// An organization, from its four columns beginning at `first`.
pub(super) fn read_organization(row: &Row<'_>, first: usize) -> rusqlite::Result<Organization> {
    Ok(Organization {
        id: row.get(first)?,
        realm: row.get(first + 1)?,
        name: row.get(first + 2)?,
        requirement: row.get(first + 3)?,
    })
}

pub(super) fn by_id(db: &Connection, id: AccountId) -> Outcome<Option<(Account, Organization)>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts a JOIN organizations o ON o.id = a.organization WHERE a.id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id], read).optional()?)
}

pub(super) fn of(db: &Connection, organization: OrganizationId, id: AccountId) -> Outcome<Option<Account>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM accounts a JOIN organizations o ON o.id = a.organization
         WHERE a.id = ?1 AND a.organization = ?2"
    );
    Ok(db.prepare_cached(&sql)?.query_row(params![id, organization], read).optional()?.map(|(account, _)| account))
}

pub(super) fn of_user(db: &Connection, organization: OrganizationId, user: &str) -> Outcome<Option<Account>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM accounts a JOIN organizations o ON o.id = a.organization
         WHERE a.organization = ?1 AND a.user_id = ?2"
    );
    let found = db.prepare_cached(&sql)?.query_row(params![organization, user], read).optional()?;
    Ok(found.map(|(account, _)| account))
}

/// The visitor's account if there is nothing to write: it is known, and has the name and address of the sighting.
pub(super) fn up_to_date(db: &Connection, sighting: &Sighting) -> Outcome<Option<(Account, Organization)>> {
    Ok(by_key(db, &sighting.key)?.filter(|(account, _)| !sighting::is_news(sighting, account)))
}

/// The visitor's account, made or brought up to date.
pub(super) fn sight(tx: &Connection, sighting: &Sighting) -> Outcome<(Account, Organization)> {
    match by_key(tx, &sighting.key)? {
        None => make(tx, sighting)?,
        Some((account, _)) if sighting::is_news(sighting, &account) => rename(tx, &account, sighting)?,
        Some(known) => return Ok(known),
    }
    by_key(tx, &sighting.key)?.ok_or_else(|| "it is gone again".into())
}

fn by_key(db: &Connection, key: &AccountKey) -> Outcome<Option<(Account, Organization)>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM organizations o JOIN accounts a ON a.organization = o.id
         WHERE o.realm = ?1 AND o.name = ?2 AND a.user_id = ?3"
    );
    Ok(db.prepare_cached(&sql)?.query_row([&key.realm, &key.organization, &key.user], read).optional()?)
}

fn make(tx: &Connection, sighting: &Sighting) -> Outcome<()> {
    let key = &sighting.key;
    tx.prepare_cached(
        "INSERT INTO organizations (realm, name, requirement) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?
    .execute(params![key.realm, key.organization, sighting.initial])?;
    let organization: OrganizationId = tx
        .prepare_cached("SELECT id FROM organizations WHERE realm = ?1 AND name = ?2")?
        .query_row([&key.realm, &key.organization], |row| row.get(0))?;
    let listing = sighting::listing(sighting.name.as_deref(), sighting.email.as_deref(), &key.user);
    tx.prepare_cached(
        "INSERT INTO accounts (organization, user_id, email, name, listing) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![organization, key.user, sighting.email, sighting.name, listing])?;
    Ok(())
}

fn rename(tx: &Connection, account: &Account, sighting: &Sighting) -> Outcome<()> {
    let email = sighting.email.as_deref().or(account.email.as_deref());
    let name = sighting.name.as_deref().or(account.name.as_deref());
    tx.prepare_cached("UPDATE accounts SET email = ?2, name = ?3, listing = ?4 WHERE id = ?1")?.execute(params![
        account.id,
        email,
        name,
        sighting::listing(name, email, &account.key.user)
    ])?;
    changes::account(tx, account.id, sighting.at)
}
