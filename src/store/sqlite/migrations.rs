//! The shapes the database has had, one numbered file each; opening brings it to the last.
//!
//! A gateway or a command of the release before goes on working beside one that has brought the file further, so a
//! migration only adds. One that can't be written like that says so in [`OLDEST`]: programs that know less are then turned
//! away.

use rusqlite::{Connection, TransactionBehavior};

/// What marks a SQLite file as one of ours, in its header: `Vest`.
pub(super) const APPLICATION_ID: i32 = 0x5665_7374;

/// What marks a backup, which has to be made fit for use before it is used, also for earlier releases: `VesB`.
pub(super) const BACKUP_ID: i32 = 0x5665_7342;

/// In their order. A file that was released once never changes again.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_audit_chain.sql"),
    include_str!("migrations/0003_alarms.sql"),
    include_str!("migrations/0004_tickets.sql"),
    include_str!("migrations/0005_search.sql"),
];

/// The version that this program reads and writes: the number of the last file.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// The oldest version whose programs can work with this one.
const OLDEST: i64 = 1;

/// Which version a file has, and the oldest whose programs can work with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) number: i64,
    pub(super) oldest: i64,
}

/// How many versions there can be. SQLite's header has one number for its user, so both are in it: `user_version` is
/// `oldest * FIELD + number`.
const FIELD: i64 = 0x1_0000;

impl Version {
    /// A file that names no oldest version is for programs of its own version alone; 0 for an empty file.
    pub(super) const fn of_header(user_version: i64) -> Self {
        let (oldest, number) = (user_version.div_euclid(FIELD), user_version.rem_euclid(FIELD));
        Self { number, oldest: if oldest == 0 { number } else { oldest } }
    }

    const fn header(self) -> i64 {
        self.oldest * FIELD + self.number
    }
}

/// Brings the database to [`VERSION`], each step in a transaction of its own. Another process may be doing the same.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> rusqlite::Result<()> {
    for (number, sql) in (1_i64..).zip(MIGRATIONS) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = version(&transaction)?;
        if before.number >= number {
            continue;
        }
        transaction.execute_batch(sql)?;
        let after = Version { number, oldest: before.oldest.max(OLDEST) };
        transaction.pragma_update(None, "user_version", after.header())?;
        // Later ones may find the mark of a backup there, which has to stay.
        if number == 1 {
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// The version the database has.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Version> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map(Version::of_header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_the_version_and_the_oldest_that_can_work_with_it() {
        for (number, oldest) in [(1, 1), (7, 3), (0xffff, 0x7fff)] {
            let version = Version { number, oldest };
            assert_eq!(Version::of_header(version.header()), version);
            assert!(i32::try_from(version.header()).is_ok(), "the header has 32 bits");
        }
    }

    #[test]
    fn what_names_no_oldest_version_is_for_its_own_alone() {
        assert_eq!(Version::of_header(0), Version { number: 0, oldest: 0 });
        assert_eq!(Version::of_header(99), Version { number: 99, oldest: 99 });
    }
}
