//! Searches of the list of accounts, none of which has anybody wait: `store::search` says how.

use tokio_postgres::types::{ToSql, Type};

use super::administration::{Value, filter, ids, pattern, records};
use super::connection::Connection;
use super::failure::Outcome;
use super::tallies;
use super::values::row_number;
use crate::second_factor::account::AccountId;
use crate::store::search::{CANDIDATES, Found, REACH, Sought, WALK};
use crate::store::{AccountQuery, AccountRecord, Extent, Page};

pub(super) async fn accounts(tx: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Page<AccountRecord>> {
    // The server can't keep it in a text, so no text contains it.
    if sought.text.contains('\0') {
        return Ok(Page { rows: Vec::new(), total: 0, extent: Extent::Exact });
    }
    let (ids, total, extent) = find(tx, query, sought).await?.part(query.offset, query.limit);
    Ok(Page { rows: records(tx, &ids, query.now).await?, total, extent })
}

async fn find(tx: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Found<AccountId>> {
    let mut found = begin_with(tx, query, sought).await?;
    walk(tx, query, sought, &mut found).await?;
    let page = query.offset.saturating_add(query.limit);
    if is_walked_to_the_end(tx, query).await? || found.len() as u64 > REACH {
        return Ok(Found::everybody(found));
    }
    if found.len() as u64 > page || !sought.is_indexed() {
        return Ok(Found::some(found));
    }
    if !has_index(tx).await? {
        return Ok(Found::everybody(all(tx, query, sought).await?));
    }
    Ok(match by_letters(tx, query, sought).await? {
        Some(all) => Found::everybody(all),
        None => Found::some(found),
    })
}

async fn is_walked_to_the_end(tx: &Connection, query: &AccountQuery) -> Outcome<bool> {
    Ok(query.length(tallies::counts(tx, query.organization).await?) <= WALK)
}

/// Those whose list entry begins with what is sought.
async fn begin_with(tx: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Vec<AccountId>> {
    let sql = format!(
        "SELECT a.id FROM listings a WHERE {} AND a.listing >= $2 AND a.listing < $3
         ORDER BY a.listing, a.id LIMIT $4",
        filter(query)
    );
    let mut found = Vec::new();
    for (from, to) in &sought.beginnings {
        let room = row_number((REACH + 1).saturating_sub(found.len() as u64));
        let values: [Value<'_>; 4] =
            [(&query.organization, Type::INT8), (from, Type::TEXT), (to, Type::TEXT), (&room, Type::INT8)];
        found.extend(ids(tx, &sql, &values).await?);
    }
    Ok(found)
}

/// Adds those who have it elsewhere, from the beginning of the list.
async fn walk(tx: &Connection, query: &AccountQuery, sought: &Sought, found: &mut Vec<AccountId>) -> Outcome<()> {
    let sql = format!(
        "SELECT id FROM (SELECT a.id, a.listing FROM listings a WHERE {} ORDER BY a.listing, a.id LIMIT $10) AS a
         WHERE a.listing LIKE $2 AND NOT {BEGINS} LIMIT $9",
        filter(query)
    );
    let room = (REACH + 1).saturating_sub(found.len() as u64);
    let (pattern, room, walk) = (pattern(&sought.text), row_number(room), row_number(WALK));
    let mut values = values(query, sought, &pattern, &room);
    values.push((&walk, Type::INT8));
    found.extend(ids(tx, &sql, &values).await?);
    Ok(())
}

/// Whether there is an index of letters: not every server has the extension that makes it.
async fn has_index(tx: &Connection) -> Outcome<bool> {
    let sql = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('accounts_by_search') AND indisvalid";
    Ok(tx.row(sql, &[]).await?.is_some())
}

/// Everybody who has it, in order, by that index; `None` if too many have the letters.
async fn by_letters(tx: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Option<Vec<AccountId>>> {
    // The server does not know how few there are, and would rather look at everybody.
    tx.batch("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off")
        .await?;
    let (pattern, most) = (pattern(&sought.text), row_number(CANDIDATES + 1));
    let candidates = "SELECT id FROM accounts WHERE listing LIKE $1 LIMIT $2";
    let candidates = ids(tx, candidates, &[(&pattern, Type::TEXT), (&most, Type::INT8)]).await?;
    if candidates.len() as u64 > CANDIDATES {
        return Ok(None);
    }
    all(tx, query, sought).await.map(Some)
}

/// Everybody who has it, in order, however long that takes.
async fn all(tx: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Vec<AccountId>> {
    let sql = format!(
        "SELECT a.id FROM accounts a WHERE {} AND a.listing LIKE $2 ORDER BY NOT {BEGINS}, a.listing, a.id LIMIT $9",
        filter(query)
    );
    let (pattern, most) = (pattern(&sought.text), row_number(REACH + 1));
    ids(tx, &sql, &values(query, sought, &pattern, &most)).await
}

/// Whether an account's list entry begins with it.
const BEGINS: &str =
    "(a.listing >= $3 AND a.listing < $4 OR a.listing >= $5 AND a.listing < $6 OR a.listing >= $7 AND a.listing < $8)";

/// What is asked for with a parameter.
type Asked<'v> = &'v (dyn ToSql + Sync);

/// The first nine parameters of a statement with [`BEGINS`].
fn values<'v>(query: &'v AccountQuery, sought: &'v Sought, pattern: Asked<'v>, most: Asked<'v>) -> Vec<Value<'v>> {
    let mut values: Vec<Value<'v>> = vec![(&query.organization, Type::INT8), (pattern, Type::TEXT)];
    for (from, to) in &sought.beginnings {
        values.extend([(from as _, Type::TEXT), (to as _, Type::TEXT)]);
    }
    values.push((most, Type::INT8));
    values
}
