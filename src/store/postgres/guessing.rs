//! Alarms about guessing: looked for by reading, raised by whichever process writes first.

use super::connection::Connection;
use super::failure::Outcome;
use super::values::row_number;
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
pub(super) async fn look(db: &Connection, now: Timestamp) -> Outcome<Vec<Suspicion>> {
    let lately = "SELECT 1 FROM failed_tries WHERE at > $1 AND at <= $2 LIMIT 1";
    if db.row(lately, &[&now.minus(LATELY), &now.minus(SETTLED)]).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut found = accounts(db, now).await?;
    found.extend(organizations(db, now).await?);
    Ok(found)
}

/// The latest failures are looked at alone, so it takes no longer when there are very many.
async fn accounts(db: &Connection, now: Timestamp) -> Outcome<Vec<Suspicion>> {
    let sql = "SELECT account, organization, name, failures FROM
             (SELECT a.id AS account, o.id AS organization, o.name,
                     (SELECT count(*) FROM failed_tries t
                      WHERE t.account = a.id AND t.bucket IN ($1, $2) AND t.at > $3 AND t.at <= $4) AS failures
              FROM (SELECT DISTINCT account FROM
                        (SELECT account FROM failed_tries WHERE at > $5 AND at <= $4 ORDER BY at DESC LIMIT $6) tries)
                  latest
              JOIN accounts a ON a.id = latest.account JOIN organizations o ON o.id = a.organization
              WHERE NOT EXISTS (SELECT 1 FROM alarms WHERE kind = $7 AND about = a.id AND raised > $3)) counted
         WHERE failures >= $8 ORDER BY account LIMIT $9";
    let [code, recovery] = GUESSED;
    let (since, settled, lately) = (now.minus(ACCOUNT_SPAN), now.minus(SETTLED), now.minus(LATELY));
    let (most, many) = (row_number(FAILURES_LOOKED_AT), row_number(ACCOUNT_FAILURES));
    let (kind, at_once) = (EventKind::GuessingAtAccount, row_number(ALARMS_AT_ONCE));
    let rows = db.rows(sql, &[&code, &recovery, &since, &settled, &lately, &most, &kind, &many, &at_once]).await?;
    let suspicion = |row: &tokio_postgres::Row| {
        let failures = row.try_get::<_, i64>(3)?.unsigned_abs();
        let alarm = Alarm::AtAccount { account: row.try_get(0)?, organization: row.try_get(2)?, failures };
        Ok(Suspicion { organization: row.try_get(1)?, alarm })
    };
    rows.iter().map(suspicion).collect()
}

async fn organizations(db: &Connection, now: Timestamp) -> Outcome<Vec<Suspicion>> {
    let sql = "SELECT o.id, o.name, count(*)
         FROM (SELECT DISTINCT account FROM
                   (SELECT account FROM failed_tries WHERE at > $3 AND at <= $4 ORDER BY at DESC LIMIT $5) tries) latest
         JOIN accounts a ON a.id = latest.account JOIN organizations o ON o.id = a.organization
         WHERE EXISTS (SELECT 1 FROM failures_in_a_row r WHERE r.account = a.id AND r.bucket IN ($1, $2))
               AND NOT EXISTS (SELECT 1 FROM alarms WHERE kind = $6 AND about = o.id AND raised > $3)
         GROUP BY o.id, o.name HAVING count(*) >= $7 ORDER BY o.id LIMIT $8";
    let [code, recovery] = GUESSED;
    let (since, settled) = (now.minus(ORGANIZATION_SPAN), now.minus(SETTLED));
    let (most, many) = (row_number(FAILURES_LOOKED_AT), row_number(FEWEST_ACCOUNTS));
    let (kind, at_once) = (EventKind::GuessingAtOrganization, row_number(ALARMS_AT_ONCE));
    let mut found = Vec::new();
    for row in db.rows(sql, &[&code, &recovery, &since, &settled, &most, &kind, &many, &at_once]).await? {
        let organization: OrganizationId = row.try_get(0)?;
        let accounts = row.try_get::<_, i64>(2)?.unsigned_abs();
        if accounts >= accounts_that_alarm(tallies::counts(db, Some(organization)).await?.enrolled) {
            let alarm = Alarm::AtOrganization { organization: row.try_get(1)?, accounts };
            found.push(Suspicion { organization, alarm });
        }
    }
    Ok(found)
}

/// Raises an alarm, unless that was done in its span already. Whether it was raised now. Who comes second waits for the row.
pub(super) async fn raise(tx: &Connection, suspicion: &Suspicion, occasion: &Occasion) -> Outcome<bool> {
    let (about, span, subject) = suspicion.about();
    let kind = suspicion.alarm.kind();
    let sql = "INSERT INTO alarms (kind, about, raised) VALUES ($1, $2, $3)
               ON CONFLICT (kind, about) DO UPDATE SET raised = excluded.raised WHERE alarms.raised <= $4";
    if tx.execute(sql, &[&kind, &about, &occasion.at, &occasion.at.minus(span)]).await? == 0 {
        return Ok(false);
    }
    audit::enter(tx, suspicion.organization, Event { kind, subject }, occasion).await?;
    Ok(true)
}
