//! Running totals for each organization, kept in the transactions that change them: lists say how long they are.

use super::connection::Connection;
use super::failure::Outcome;
use crate::second_factor::account::{AccountId, OrganizationId};
use crate::store::Counts;

/// What becomes of an account.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// It was made.
    Seen,
    /// It got a key.
    Enrolled,
    /// It lost its key.
    Left,
}

/// Counts what became of an account. The transaction has the account to itself.
pub(super) async fn count(tx: &Connection, account: AccountId, turn: Turn) -> Outcome<()> {
    let (accounts, enrolled) = match turn {
        Turn::Seen => (1_i64, 0_i64),
        Turn::Enrolled => (0, 1),
        Turn::Left => (0, -1),
    };
    let sql = "INSERT INTO tallies (organization, slice, accounts, enrolled, entries)
               SELECT organization, id % 32, $2, $3, 0 FROM accounts WHERE id = $1
               ON CONFLICT (organization, slice) DO UPDATE
               SET accounts = tallies.accounts + excluded.accounts, enrolled = tallies.enrolled + excluded.enrolled";
    tx.execute(sql, &[&account, &accounts, &enrolled]).await?;
    Ok(())
}

/// The end of a statement that writes an entry of the audit log as `entry`, with a subject or none: counts that too.
pub(super) const COUNT_ENTRY: &str = "
    INSERT INTO tallies (organization, slice, accounts, enrolled, entries)
    SELECT organization, coalesce(subject % 32, 0), 0, 0, 1 FROM entry
    ON CONFLICT (organization, slice) DO UPDATE SET entries = tallies.entries + 1";

/// A part of a statement that deletes entries of the audit log as `gone`: counts them no more.
pub(super) const COUNT_GONE: &str = "
    UPDATE tallies SET entries = tallies.entries - less.entries
    FROM (SELECT organization, coalesce(subject % 32, 0) AS slice, count(*) AS entries FROM gone GROUP BY 1, 2) less
    WHERE tallies.organization = less.organization AND tallies.slice = less.slice";

/// Counts everything that there is, where nothing was counted yet.
pub(super) async fn count_anew(tx: &Connection) -> Outcome<()> {
    let sql = "INSERT INTO tallies (organization, slice, accounts, enrolled, entries)
               SELECT organization, slice, sum(accounts), sum(enrolled), sum(entries)
               FROM (SELECT organization, id % 32 AS slice, 1 AS accounts, (secret IS NOT NULL)::INT AS enrolled,
                            0 AS entries FROM accounts
                     UNION ALL
                     SELECT organization, coalesce(subject % 32, 0), 0, 0, 1 FROM audit) counted
               GROUP BY organization, slice";
    tx.execute(sql, &[]).await?;
    Ok(())
}

/// How many accounts an organization has, or all of them together.
pub(super) async fn counts(db: &Connection, organization: Option<OrganizationId>) -> Outcome<Counts> {
    let [accounts, enrolled, _] = sums(db, organization).await?;
    Ok(Counts { accounts, enrolled })
}

/// How many entries of the audit log are about an organization, or about all of them together.
pub(super) async fn entries(db: &Connection, organization: Option<OrganizationId>) -> Outcome<u64> {
    let [.., entries] = sums(db, organization).await?;
    Ok(entries)
}

async fn sums(db: &Connection, organization: Option<OrganizationId>) -> Outcome<[u64; 3]> {
    let all = "SELECT coalesce(sum(accounts), 0)::BIGINT, coalesce(sum(enrolled), 0)::BIGINT,
                      coalesce(sum(entries), 0)::BIGINT FROM tallies";
    let row = match organization {
        None => db.row(all, &[]).await?,
        Some(organization) => db.row(&format!("{all} WHERE organization = $1"), &[&organization]).await?,
    };
    let row = row.ok_or("sums are one row")?;
    let sum = |column| -> Outcome<u64> { Ok(row.try_get::<_, i64>(column)?.unsigned_abs()) };
    Ok([sum(0)?, sum(1)?, sum(2)?])
}
