//! Searches of the list of accounts, none of which has anybody wait: `store::search` says how.

use rusqlite::{Connection, named_params, params};

use super::administration::{filter, ids, row_number};
use super::job::Outcome;
use super::tallies;
use crate::second_factor::account::AccountId;
use crate::store::search::{CANDIDATES, Found, REACH, Sought, WALK};
use crate::store::{AccountQuery, Extent};

/// The part of those found that is asked for, how many there are, and whether that is everybody.
pub(super) fn accounts(
    db: &Connection,
    query: &AccountQuery,
    sought: &Sought,
) -> Outcome<(Vec<AccountId>, u64, Extent)> {
    let found = find(db, query, sought)?;
    Ok(found.part(query.offset, query.limit))
}

fn find(db: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Found<AccountId>> {
    let mut found = begin_with(db, query, sought)?;
    walk(db, query, sought, &mut found)?;
    let page = query.offset.saturating_add(query.limit);
    if is_walked_to_the_end(db, query)? || found.len() as u64 > REACH {
        return Ok(Found::everybody(found));
    }
    if found.len() as u64 > page || !sought.is_indexed() {
        return Ok(Found::some(found));
    }
    Ok(match by_letters(db, query, sought)? {
        Some(all) => Found::everybody(all),
        None => Found::some(found),
    })
}

fn is_walked_to_the_end(db: &Connection, query: &AccountQuery) -> Outcome<bool> {
    Ok(query.length(tallies::counts(db, query.organization)?) <= WALK)
}

/// Those whose list entry begins with what is sought.
fn begin_with(db: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Vec<AccountId>> {
    let sql = format!(
        "SELECT a.id FROM accounts a WHERE {} AND a.listing >= :from AND a.listing < :to
         ORDER BY a.listing, a.id LIMIT :limit",
        filter(query)
    );
    let mut found = Vec::new();
    for (from, to) in &sought.beginnings {
        let room = (REACH + 1).saturating_sub(found.len() as u64);
        found.extend(ids(
            db,
            &sql,
            named_params! {
                ":organization": query.organization, ":from": from, ":to": to, ":limit": row_number(room),
            },
        )?);
    }
    Ok(found)
}

/// Adds those who have it elsewhere, from the beginning of the list.
fn walk(db: &Connection, query: &AccountQuery, sought: &Sought, found: &mut Vec<AccountId>) -> Outcome<()> {
    let sql = format!(
        "SELECT id FROM (SELECT a.id, a.listing FROM accounts a WHERE {} ORDER BY a.listing, a.id LIMIT :walk) AS a
         WHERE instr(a.listing, :text) > 0 AND NOT {} LIMIT :limit",
        filter(query),
        BEGINS
    );
    let [(from_1, to_1), (from_2, to_2), (from_3, to_3)] = &sought.beginnings;
    let room = (REACH + 1).saturating_sub(found.len() as u64);
    found.extend(ids(
        db,
        &sql,
        named_params! {
            ":organization": query.organization, ":walk": row_number(WALK), ":text": sought.text,
            ":from_1": from_1, ":to_1": to_1, ":from_2": from_2, ":to_2": to_2, ":from_3": from_3, ":to_3": to_3,
            ":limit": row_number(room),
        },
    )?);
    Ok(())
}

/// Everybody who has it, in order, by the index of letters; `None` if too many have the letters.
fn by_letters(db: &Connection, query: &AccountQuery, sought: &Sought) -> Outcome<Option<Vec<AccountId>>> {
    let letters: Vec<_> = sought.letters().iter().map(|three| format!("\"{}\"", three.replace('"', "\"\""))).collect();
    let letters = letters.join(" AND ");
    let (candidates, count): (String, i64) = db
        .prepare_cached(
            "SELECT json_group_array(id), count(*)
             FROM (SELECT rowid AS id FROM accounts_search WHERE accounts_search MATCH ?1 LIMIT ?2)",
        )?
        .query_row(params![letters, row_number(CANDIDATES + 1)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if count.unsigned_abs() > CANDIDATES {
        return Ok(None);
    }
    let sql = format!(
        "SELECT a.id FROM json_each(:candidates) AS candidate CROSS JOIN accounts a ON a.id = candidate.value
         WHERE {} AND instr(a.listing, :text) > 0 ORDER BY NOT {BEGINS}, a.listing, a.id LIMIT :limit",
        filter(query)
    );
    let [(from_1, to_1), (from_2, to_2), (from_3, to_3)] = &sought.beginnings;
    let all = ids(
        db,
        &sql,
        named_params! {
            ":organization": query.organization, ":candidates": candidates, ":text": sought.text,
            ":from_1": from_1, ":to_1": to_1, ":from_2": from_2, ":to_2": to_2, ":from_3": from_3, ":to_3": to_3,
            ":limit": row_number(REACH + 1),
        },
    )?;
    Ok(Some(all))
}

/// Whether an account's list entry begins with it.
const BEGINS: &str = "(a.listing >= :from_1 AND a.listing < :to_1 OR a.listing >= :from_2 AND a.listing < :to_2
     OR a.listing >= :from_3 AND a.listing < :to_3)";
