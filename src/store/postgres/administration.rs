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
use crate::store::{AccountQuery, AccountRecord, Page};

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

pub(super) async fn accounts(db: &Connection, query: &AccountQuery) -> Outcome<Page<AccountRecord>> {
    let filter = filter(query);
    let search = pattern(query.search.as_deref().unwrap_or_default());
    let sought: [(&(dyn ToSql + Sync), Type); 2] = [(&query.organization, Type::INT8), (&search, Type::TEXT)];
    let total = match (query.search.as_deref(), query.enrolled_only) {
        (None | Some(""), false) => tallies::counts(db, query.organization).await?.accounts,
        (None | Some(""), true) => tallies::counts(db, query.organization).await?.enrolled,
        (Some(_), _) => {
            let counted = db.planned_rows(&format!("SELECT count(*) FROM accounts a {filter}"), &sought).await?;
            counted.first().ok_or("a count is one row")?.try_get::<_, i64>(0)?.unsigned_abs()
        }
    };
    // The inner query walks an index alone; only the rows of this page are then looked up.
    let sql = format!(
        "SELECT {},
                (SELECT failures FROM failures_in_a_row f WHERE f.account = a.id AND f.bucket = $5),
                (SELECT count(*) FROM failed_tries t WHERE t.account = a.id AND t.bucket = $5 AND t.at > $6),
                (SELECT count(*) FROM recovery_codes c WHERE c.account = a.id)
         FROM (SELECT a.id FROM accounts a {filter} ORDER BY a.listing, a.id LIMIT $3 OFFSET $4) page
         JOIN accounts a ON a.id = page.id JOIN organizations o ON o.id = a.organization
         ORDER BY a.listing, a.id",
        accounts::COLUMNS
    );
    let (limit, offset, since) = (row_number(query.limit), row_number(query.offset), query.now.minus(WINDOW));
    let [organization, search] = sought;
    let part: [(&(dyn ToSql + Sync), Type); 6] = [
        organization,
        search,
        (&limit, Type::INT8),
        (&offset, Type::INT8),
        (&Bucket::Code, Type::TEXT),
        (&since, Type::INT8),
    ];
    let rows = db.planned_rows(&sql, &part).await?;
    Ok(Page { rows: rows.iter().map(record).collect::<Outcome<_>>()?, total })
}

/// Conditions that are all answered by one of the indexes on `listing`. Each names its parameter, so that all variants
/// take the same.
fn filter(query: &AccountQuery) -> String {
    let organization = if query.organization.is_some() { "a.organization = $1" } else { "$1::BIGINT IS NULL" };
    let enrolled = if query.enrolled_only { "a.enrolled_at IS NOT NULL" } else { "TRUE" };
    let found = match query.search.as_deref() {
        None | Some("") => "$2::TEXT IS NOT NULL",
        // The server can't keep it in a text, so no text contains it.
        Some(search) if search.contains('\0') => "$2::TEXT IS NULL",
        Some(_) => "a.listing LIKE $2",
    };
    format!("WHERE {organization} AND {enrolled} AND {found}")
}

/// What LIKE finds whatever contains it with, every character for itself.
fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for character in search.chars().filter(|character| *character != '\0') {
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
