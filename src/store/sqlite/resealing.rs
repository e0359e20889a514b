//! What another key sealed than the one the store is at: found, and put under that one.

use rusqlite::{Connection, params};

use super::administration::row_number;
use super::job::Outcome;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{AccountId, AccountKey};
use crate::second_factor::enrollment::ENROLLMENT_LIFETIME;
use crate::second_factor::sealing::{KeyMark, MARK_BYTES};
use crate::store::{Resealed, SealedSecret};

pub(super) fn by_others(db: &Connection, key: KeyMark, after: AccountId, limit: u64) -> Outcome<Vec<SealedSecret>> {
    let sql = format!(
        "SELECT a.id, o.realm, o.name, a.user_id, a.secret FROM accounts a JOIN organizations o ON o.id = a.organization
         WHERE a.id > ?1 AND a.secret IS NOT NULL AND substr(a.secret, 1, {MARK_BYTES}) <> ?2 ORDER BY a.id LIMIT ?3"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let secrets = statement.query_map(params![after, key.0, row_number(limit)], |row| {
        let key = AccountKey { realm: row.get(1)?, organization: row.get(2)?, user: row.get(3)? };
        Ok(SealedSecret { account: row.get(0)?, key, secret: row.get(4)? })
    })?;
    Ok(secrets.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn reseal(tx: &Connection, secrets: &[Resealed]) -> Outcome<()> {
    let mut replace = tx.prepare_cached("UPDATE accounts SET secret = ?3 WHERE id = ?1 AND secret = ?2")?;
    for Resealed { account, old, new } in secrets {
        replace.execute(params![account, old, new])?;
    }
    Ok(())
}

pub(super) fn enrollments(tx: &Connection, key: KeyMark, now: Timestamp) -> Outcome<u64> {
    let others = format!("FROM pending_enrollments WHERE substr(secret, 1, {MARK_BYTES}) <> ?1");
    tx.prepare_cached(&format!("DELETE {others} AND started <= ?2"))?
        .execute(params![key.0, now.minus(ENROLLMENT_LIFETIME)])?;
    let left: i64 = tx.prepare_cached(&format!("SELECT count(*) {others}"))?.query_row([key.0], |row| row.get(0))?;
    Ok(left.unsigned_abs())
}
