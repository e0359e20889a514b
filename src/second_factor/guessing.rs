//! When guessing is noticed: at one account within a day, and across the accounts of an organization within an hour.
//!
//! Limits for an account do not hold off somebody who has many passwords and tries each account once. What gives that away
//! is accounts at which a try failed and nothing succeeded after it: whoever mistypes a code gives the right one next.

use std::time::Duration;

use super::account::AccountId;
use super::event::EventKind;
use super::throttle::Bucket;

/// How many failures at an account within [`ACCOUNT_SPAN`] are an alarm. Each account has one in that span at most.
pub const ACCOUNT_FAILURES: u64 = 10;

/// The span of the alarm about an account.
pub const ACCOUNT_SPAN: Duration = Duration::from_hours(24);

/// The span of the alarm about an organization, which has one in that span at most.
pub const ORGANIZATION_SPAN: Duration = Duration::from_hours(1);

/// The smallest number of accounts that is an alarm in any organization.
pub const FEWEST_ACCOUNTS: u64 = 20;

/// The number of accounts that is an alarm in every organization.
pub const MOST_ACCOUNTS: u64 = 500;

/// What counts as guessing. Codes that confirm an enrollment don't: whoever types them has just been shown the secret.
pub const GUESSED: [Bucket; 2] = [Bucket::Code, Bucket::Recovery];

/// Only accounts with a failure of this span are looked at anew.
pub const LATELY: Duration = Duration::from_mins(5);

/// A try is charged before it is compared, and taken back if it was good: it counts here once it is as old as this.
pub const SETTLED: Duration = Duration::from_secs(2);

/// How many accounts of an organization with a failure of the last [`ORGANIZATION_SPAN`] that no success followed are an
/// alarm: one in a hundred of those enrolled, but 20 at least and 500 at most.
pub fn accounts_that_alarm(enrolled: u64) -> u64 {
    (enrolled / 100).clamp(FEWEST_ACCOUNTS, MOST_ACCOUNTS)
}

/// An alarm that was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// Somebody guesses at one account.
    AtAccount {
        /// Which.
        account: AccountId,
        /// The name of its organization.
        organization: String,
        /// How many failures it had within [`ACCOUNT_SPAN`].
        failures: u64,
    },
    /// Somebody guesses at many accounts of an organization.
    AtOrganization {
        /// Its name.
        organization: String,
        /// At how many.
        accounts: u64,
    },
}

impl Alarm {
    /// What the audit log says of it.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::AtAccount { .. } => EventKind::GuessingAtAccount,
            Self::AtOrganization { .. } => EventKind::GuessingAtOrganization,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_accounts_is_an_alarm_but_neither_a_few_nor_more_than_anybody_overlooks() {
        let rows = [(0, 20), (19, 20), (2_099, 20), (2_100, 21), (10_000, 100), (50_000, 500), (1_000_000, 500)];
        for (enrolled, accounts) in rows {
            assert_eq!(accounts_that_alarm(enrolled), accounts, "{enrolled}");
        }
    }
}
