//! Alarms about guessing: looked for by reading, raised by whichever process writes first.

use rusqlite::{Connection, named_params, params};

use super::administration::row_number;
use super::job::Outcome;
use super::{audit, tallies};
use crate::second_factor::Timestamp;
use crate::second_factor::account::OrganizationId;
use crate::second_factor::event::{Event, EventKind, Occasion};
use crate::second_factor::guessing::{
    ACCOUNT_FAILURES, ACCOUNT_SPAN, Alarm, FEWEST_ACCOUNTS, GUESSED, LATELY, ORGANIZATION_SPAN, SETTLED,
    accounts_that_alarm,
};
use crate::store::{ALARMS_AT_ONCE, FAILURES_LOOKED_AT, Suspicion};

/// What there is to raise an alarm about and was not raised yet.
pub(super) fn look(db: &Connection, now: Timestamp) -> Outcome<Vec<Suspicion>> {
    let lately = db
        .prepare_cached("SELECT 1 FROM failed_tries WHERE at > ?1 AND at <= ?2 LIMIT 1")?
        .exists(params![now.minus(LATELY), now.minus(SETTLED)])?;
    if !lately {
        return Ok(Vec::new());
    }
    let mut found = accounts(db, now)?;
    found.extend(organizations(db, now)?);
    Ok(found)
}

/// The latest failures are looked at alone, so it takes no longer when there are very many.
fn accounts(db: &Connection, now: Timestamp) -> Outcome<Vec<Suspicion>> {
    let mut select = db.prepare_cached(
        "SELECT account, organization, name, failures FROM
             (SELECT a.id AS account, o.id AS organization, o.name,
                     (SELECT count(*) FROM failed_tries t
                      WHERE t.account = a.id AND t.bucket IN (:code, :recovery) AND t.at > :since AND t.at <= :settled)
                         AS failures
              FROM (SELECT DISTINCT account FROM
                        (SELECT account FROM failed_tries WHERE at > :lately AND at <= :settled
                         ORDER BY at DESC LIMIT :most)) latest
              JOIN accounts a ON a.id = latest.account JOIN organizations o ON o.id = a.organization
              WHERE NOT EXISTS (SELECT 1 FROM alarms WHERE kind = :kind AND about = a.id AND raised > :since))
         WHERE failures >= :many ORDER BY account LIMIT :at_once",
    )?;
    let [code, recovery] = GUESSED;
    let rows = select.query_map(
        named_params! {
            ":code": code, ":recovery": recovery, ":since": now.minus(ACCOUNT_SPAN), ":settled": now.minus(SETTLED),
            ":lately": now.minus(LATELY), ":most": row_number(FAILURES_LOOKED_AT),
            ":kind": EventKind::GuessingAtAccount, ":many": row_number(ACCOUNT_FAILURES),
            ":at_once": row_number(ALARMS_AT_ONCE),
        },
        |row| {
            let failures: i64 = row.get(3)?;
            let alarm =
                Alarm::AtAccount { account: row.get(0)?, organization: row.get(2)?, failures: failures.unsigned_abs() };
            Ok(Suspicion { organization: row.get(1)?, alarm })
        },
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn organizations(db: &Connection, now: Timestamp) -> Outcome<Vec<Suspicion>> {
    let mut select = db.prepare_cached(
        "SELECT o.id, o.name, count(*)
         FROM (SELECT DISTINCT account FROM
                   (SELECT account FROM failed_tries WHERE at > :since AND at <= :settled
                    ORDER BY at DESC LIMIT :most)) latest
         JOIN accounts a ON a.id = latest.account JOIN organizations o ON o.id = a.organization
         WHERE EXISTS (SELECT 1 FROM failures_in_a_row r WHERE r.account = a.id AND r.bucket IN (:code, :recovery))
               AND NOT EXISTS (SELECT 1 FROM alarms WHERE kind = :kind AND about = o.id AND raised > :since)
         GROUP BY o.id, o.name HAVING count(*) >= :many ORDER BY o.id LIMIT :at_once",
    )?;
    let [code, recovery] = GUESSED;
    let rows = select.query_map(
        named_params! {
            ":code": code, ":recovery": recovery, ":since": now.minus(ORGANIZATION_SPAN),
            ":settled": now.minus(SETTLED), ":most": row_number(FAILURES_LOOKED_AT),
            ":kind": EventKind::GuessingAtOrganization, ":many": row_number(FEWEST_ACCOUNTS),
            ":at_once": row_number(ALARMS_AT_ONCE),
        },
        |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs())),
    )?;
    let mut found = Vec::new();
    for row in rows {
        let (organization, name, accounts): (OrganizationId, String, u64) = row?;
        if accounts >= accounts_that_alarm(tallies::counts(db, Some(organization))?.enrolled) {
            found.push(Suspicion { organization, alarm: Alarm::AtOrganization { organization: name, accounts } });
        }
    }
    Ok(found)
}

/// Raises an alarm, unless that was done in its span already. Whether it was raised now.
pub(super) fn raise(tx: &Connection, suspicion: &Suspicion, occasion: &Occasion) -> Outcome<bool> {
    let (about, span, subject) = suspicion.about();
    let kind = suspicion.alarm.kind();
    let raised = tx
        .prepare_cached(
            "INSERT INTO alarms (kind, about, raised) VALUES (?1, ?2, ?3)
             ON CONFLICT (kind, about) DO UPDATE SET raised = excluded.raised WHERE alarms.raised <= ?4",
        )?
        .execute(params![kind, about, occasion.at, occasion.at.minus(span)])?;
    if raised == 0 {
        return Ok(false);
    }
    audit::enter(tx, suspicion.organization, Event { kind, subject }, occasion)?;
    Ok(true)
}
