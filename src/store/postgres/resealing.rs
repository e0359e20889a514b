//! What another key sealed than the one the store is at: found, and put under that one.

use super::connection::Connection;
use super::failure::Outcome;
use super::values::row_number;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{AccountId, AccountKey};
use crate::second_factor::enrollment::ENROLLMENT_LIFETIME;
use crate::second_factor::sealing::{KeyMark, MARK_BYTES, Sealed};
use crate::store::{Resealed, SealedSecret};

pub(super) async fn by_others(
    db: &Connection,
    key: KeyMark,
    after: AccountId,
    limit: u64,
) -> Outcome<Vec<SealedSecret>> {
    let sql = format!(
        "SELECT a.id, o.realm, o.name, a.user_id, a.secret FROM accounts a JOIN organizations o ON o.id = a.organization
         WHERE a.id > $1 AND a.secret IS NOT NULL AND substring(a.secret FROM 1 FOR {MARK_BYTES}) <> $2
         ORDER BY a.id LIMIT $3"
    );
    let rows = db.rows(&sql, &[&after, &key.0.as_slice(), &row_number(limit)]).await?;
    let secret = |row: &tokio_postgres::Row| {
        let key = AccountKey { realm: row.try_get(1)?, organization: row.try_get(2)?, user: row.try_get(3)? };
        Ok(SealedSecret { account: row.try_get(0)?, key, secret: row.try_get(4)? })
    };
    rows.iter().map(secret).collect()
}

/// One statement: whoever has an account locked meanwhile is waited for, and what they left is looked at anew.
pub(super) async fn reseal(db: &Connection, secrets: &[Resealed]) -> Outcome<()> {
    let accounts: Vec<AccountId> = secrets.iter().map(|resealed| resealed.account).collect();
    let old: Vec<&Sealed> = secrets.iter().map(|resealed| &resealed.old).collect();
    let new: Vec<&Sealed> = secrets.iter().map(|resealed| &resealed.new).collect();
    let sql = "UPDATE accounts a SET secret = r.new
               FROM unnest($1::BIGINT[], $2::BYTEA[], $3::BYTEA[]) AS r (account, old, new)
               WHERE a.id = r.account AND a.secret = r.old";
    db.execute(sql, &[&accounts, &old, &new]).await?;
    Ok(())
}

pub(super) async fn enrollments(tx: &Connection, key: KeyMark, now: Timestamp) -> Outcome<u64> {
    let others = format!("FROM pending_enrollments WHERE substring(secret FROM 1 FOR {MARK_BYTES}) <> $1");
    let (key, expired) = (key.0.as_slice(), now.minus(ENROLLMENT_LIFETIME));
    tx.execute(&format!("DELETE {others} AND started <= $2"), &[&key, &expired]).await?;
    let row = tx.row(&format!("SELECT count(*) {others}"), &[&key]).await?.ok_or("a count is one row")?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}
