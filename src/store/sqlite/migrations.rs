//! The shapes the database has had, one numbered file each; opening brings it to the last.

use rusqlite::{Connection, TransactionBehavior};

/// What marks a SQLite file as one of ours, in its header: `Vest`.
pub(super) const APPLICATION_ID: i32 = 0x5665_7374;

/// In their order. A file that was released once never changes again.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_first.sql")];

/// The version that this program reads and writes: the number of the last file.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// Brings the database to [`VERSION`], each step in a transaction of its own. Another process may be doing the same.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> rusqlite::Result<()> {
    for (number, sql) in (1_i64..).zip(MIGRATIONS) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version(&transaction)? >= number {
            continue;
        }
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The version the database has: 0 for an empty one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
