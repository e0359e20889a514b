//! Accounts and organizations: made on first sight, found by their key or number, and locked by what decides about them.

use std::sync::Arc;

use tokio::try_join;
use tokio_postgres::Row;

use super::changes;
use super::connection::{Connection, Params};
use super::failure::Outcome;
use super::tallies::{self, Turn};
use crate::second_factor::account::{Account, AccountId, AccountKey, Factor, Organization, OrganizationId};
use crate::second_factor::totp::Step;
use crate::store::{KeyId, Sighting, sighting};

/// The columns that [`read`] reads, of an account `a` in an organization `o`.
pub(super) const COLUMNS: &str = "a.id, o.id, o.realm, o.name, o.requirement, \
    a.user_id, a.email, a.name, a.reset_at, a.enrolled_at, a.last_used";

/// An account and its organization, from a row of [`COLUMNS`].
pub(super) fn read(row: &Row) -> Outcome<(Account, Organization)> {
    let organization = read_organization(row, 1)?;
    let key = AccountKey {
        realm: organization.realm.clone(),
        organization: organization.name.clone(),
        user: row.try_get(5)?,
    };
    let account = Account {
        id: row.try_get(0)?,
        organization: organization.id,
        key: Arc::new(key),
        email: row.try_get(6)?,
        name: row.try_get(7)?,
        factor: match (row.try_get(8)?, row.try_get(9)?) {
            (_, Some(since)) => Factor::Enrolled { since, last_used: row.try_get(10)? },
            (Some(at), None) => Factor::Reset { at },
            (None, None) => Factor::NotEnrolled,
        },
    };
    Ok((account, organization))
}

/// An organization, from its four columns beginning at `first`.
pub(super) fn read_organization(row: &Row, first: usize) -> Outcome<Organization> {
    Ok(Organization {
        id: row.try_get(first)?,
        realm: row.try_get(first + 1)?,
        name: row.try_get(first + 2)?,
        requirement: row.try_get(first + 3)?,
    })
}

/// What is known of an account that this transaction has to itself.
pub(super) struct Locked {
    /// Its key, if it has one, and the last step of it that was accepted.
    pub(super) key: Option<(KeyId, Step)>,
}

/// Has every other transaction that decides about this account wait for the end of this one. Whatever is read after it is
/// then as the last of them left it. `None` if there is no such account.
pub(super) async fn lock(tx: &Connection, id: AccountId) -> Outcome<Option<Locked>> {
    tx.row(LOCK, &[&id]).await?.as_ref().map(locked).transpose()
}

/// Locks an account, and reads a row as it stands then, in one go.
pub(super) async fn lock_and_read(
    tx: &Connection,
    id: AccountId,
    sql: &str,
    params: Params<'_>,
) -> Outcome<(Option<Locked>, Option<Row>)> {
    // Only what is prepared already is asked in the order of asking.
    tx.prepare(LOCK).await?;
    tx.prepare(sql).await?;
    let its_number: Params<'_> = &[&id];
    let (account, row) = try_join!(biased; tx.row(LOCK, its_number), tx.row(sql, params))?;
    Ok((account.as_ref().map(locked).transpose()?, row))
}

const LOCK: &str = "SELECT key_number, last_step FROM accounts WHERE id = $1 FOR UPDATE";

fn locked(row: &Row) -> Outcome<Locked> {
    let number = row.try_get(0)?;
    let last_step: Option<Step> = row.try_get(1)?;
    Ok(Locked { key: last_step.map(|step| (number, step)) })
}

pub(super) async fn by_id(db: &Connection, id: AccountId) -> Outcome<Option<(Account, Organization)>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts a JOIN organizations o ON o.id = a.organization WHERE a.id = $1");
    db.row(&sql, &[&id]).await?.as_ref().map(read).transpose()
}

pub(super) async fn of(db: &Connection, organization: OrganizationId, id: AccountId) -> Outcome<Option<Account>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM accounts a JOIN organizations o ON o.id = a.organization
         WHERE a.id = $1 AND a.organization = $2"
    );
    let found = db.row(&sql, &[&id, &organization]).await?.as_ref().map(read).transpose()?;
    Ok(found.map(|(account, _)| account))
}

pub(super) async fn of_user(db: &Connection, organization: OrganizationId, user: &str) -> Outcome<Option<Account>> {
    if user.contains('\0') {
        // The server can't keep it in a text, so nobody is called that.
        return Ok(None);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM accounts a JOIN organizations o ON o.id = a.organization
         WHERE a.organization = $1 AND a.user_id = $2"
    );
    let found = db.row(&sql, &[&organization, &user]).await?;
    Ok(found.as_ref().map(read).transpose()?.map(|(account, _)| account))
}

/// The visitor's account if there is nothing to write: it is known, and has the name and address of the sighting.
pub(super) async fn up_to_date(db: &Connection, sighting: &Sighting) -> Outcome<Option<(Account, Organization)>> {
    Ok(by_key(db, &sighting.key).await?.filter(|(account, _)| !sighting::is_news(sighting, account)))
}

/// The visitor's account, made or brought up to date.
pub(super) async fn sight(tx: &Connection, sighting: &Sighting) -> Outcome<(Account, Organization)> {
    if by_key(tx, &sighting.key).await?.is_none() {
        make(tx, sighting).await?;
    }
    let (account, organization) = by_key(tx, &sighting.key).await?.ok_or("it is gone again")?;
    if !sighting::is_news(sighting, &account) {
        return Ok((account, organization));
    }
    rename(tx, account.id, sighting).await?;
    by_id(tx, account.id).await?.ok_or_else(|| "it is gone again".into())
}

async fn by_key(db: &Connection, key: &AccountKey) -> Outcome<Option<(Account, Organization)>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM organizations o JOIN accounts a ON a.organization = o.id
         WHERE o.realm = $1 AND o.name = $2 AND a.user_id = $3"
    );
    db.row(&sql, &[&key.realm, &key.organization, &key.user]).await?.as_ref().map(read).transpose()
}

/// Makes the account, unless another has done so meanwhile.
async fn make(tx: &Connection, sighting: &Sighting) -> Outcome<()> {
    let key = &sighting.key;
    let organization = match organization(tx, key).await? {
        Some(organization) => organization,
        None => make_organization(tx, sighting).await?,
    };
    let listing = sighting::listing(sighting.name.as_deref(), sighting.email.as_deref(), &key.user);
    let made = tx
        .row(
            "INSERT INTO accounts (organization, user_id, email, name, listing) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING RETURNING id",
            &[&organization, &key.user, &sighting.email, &sighting.name, &listing],
        )
        .await?;
    match made {
        Some(row) => tallies::count(tx, row.try_get(0)?, Turn::Seen).await,
        None => Ok(()),
    }
}

async fn make_organization(tx: &Connection, sighting: &Sighting) -> Outcome<OrganizationId> {
    let key = &sighting.key;
    let sql = "INSERT INTO organizations (realm, name, requirement) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[&key.realm, &key.organization, &sighting.initial]).await?;
    organization(tx, key).await?.ok_or_else(|| "it is gone again".into())
}

async fn organization(tx: &Connection, key: &AccountKey) -> Outcome<Option<OrganizationId>> {
    let sql = "SELECT id FROM organizations WHERE realm = $1 AND name = $2";
    Ok(tx.row(sql, &[&key.realm, &key.organization]).await?.map(|row| row.try_get(0)).transpose()?)
}

async fn rename(tx: &Connection, account: AccountId, sighting: &Sighting) -> Outcome<()> {
    lock(tx, account).await?;
    let (known, _) = by_id(tx, account).await?.ok_or("it is gone again")?;
    if !sighting::is_news(sighting, &known) {
        return Ok(());
    }
    let email = sighting.email.as_deref().or(known.email.as_deref());
    let name = sighting.name.as_deref().or(known.name.as_deref());
    let listing = sighting::listing(name, email, &known.key.user);
    let sql = "UPDATE accounts SET email = $2, name = $3, listing = $4 WHERE id = $1";
    tx.execute(sql, &[&account, &email, &name, &listing]).await?;
    changes::account(tx, account, sighting.at).await
}
