//! How often one may guess: a try is charged before anything is compared, and failures cost time.
//!
//! The counting itself is done by the store in one transaction; this is the arithmetic it does there.

use std::time::Duration;

use super::Timestamp;

/// Failures in a row before the delay starts.
pub const FREE_FAILURES: u32 = 5;
/// Failures in a row that lock the factor.
pub const LOCK_AFTER: u32 = 20;
/// Failures in [`WINDOW`] that lock the factor; a success does not clear them.
pub const LOCK_AFTER_IN_WINDOW: u32 = 250;
/// The rolling window of [`LOCK_AFTER_IN_WINDOW`].
pub const WINDOW: Duration = Duration::from_hours(30 * 24);
/// The longest delay.
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// What is being guessed. Each has its own counter: a locked key must not stop the recovery code that unlocks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Codes of the enrolled authenticator, on every page that takes one.
    Code,
    /// Recovery codes. Delayed, never locked: 80 random bits can't be guessed.
    Recovery,
    /// Codes that confirm an enrollment. Delayed, never locked: whoever guesses has just been shown the secret.
    Enrollment,
    /// Enrollment tickets. Delayed, never locked: 120 random bits can't be guessed, and a new ticket begins anew.
    Ticket,
}

impl Bucket {
    /// Every bucket there is.
    pub const ALL: [Self; 4] = [Self::Code, Self::Recovery, Self::Enrollment, Self::Ticket];

    /// The word for it in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Recovery => "recovery",
            Self::Enrollment => "enrollment",
            Self::Ticket => "ticket",
        }
    }

    const fn locks(self) -> bool {
        match self {
            Self::Code => true,
            Self::Recovery | Self::Enrollment | Self::Ticket => false,
        }
    }
}

/// What the store knows of past failures in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Since the last success.
    pub in_a_row: u32,
    /// In the last 30 days, successes notwithstanding.
    pub in_window: u32,
    /// When the last one was.
    pub last: Option<Timestamp>,
}

/// What becomes of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// Charged as a failure; compare now, and take the charge back if the code is good.
    Compare(Failures),
    /// Charged, but the factor is locked: don't compare. Looks the same as a wrong code.
    Locked(Failures),
    /// Not charged and not to be compared: the delay has not passed.
    TooSoon {
        /// When the next try is heard.
        retry_at: Timestamp,
    },
}

impl Failures {
    /// Charges one try at `now`.
    pub fn charge(self, bucket: Bucket, now: Timestamp) -> Charge {
        if let Some(retry_at) = self.retry_at().filter(|at| now < *at) {
            // After a clock set back the last failure may lie in the future: never wait longer than the longest delay.
            if retry_at <= now.plus(LONGEST_DELAY) {
                return Charge::TooSoon { retry_at };
            }
        }
        let locked = self.is_locked(bucket);
        let charged = Self {
            in_a_row: self.in_a_row.saturating_add(1),
            in_window: self.in_window.saturating_add(1),
            last: Some(now),
        };
        if locked { Charge::Locked(charged) } else { Charge::Compare(charged) }
    }

    /// Whether so many failures lock the factor.
    pub const fn is_locked(self, bucket: Bucket) -> bool {
        bucket.locks() && (self.in_a_row >= LOCK_AFTER || self.in_window >= LOCK_AFTER_IN_WINDOW)
    }

    /// When the next try is heard; `None` while tries are free.
    pub fn retry_at(self) -> Option<Timestamp> {
        Some(self.last?.plus(delay(self.in_a_row)?))
    }
}

/// The wait after so many failures in a row: none up to four, then 5 s, doubling up to [`LONGEST_DELAY`].
pub fn delay(in_a_row: u32) -> Option<Duration> {
    let doublings = in_a_row.checked_sub(FREE_FAILURES)?;
    let seconds = 5_u64.checked_shl(doublings.min(32)).unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn failures(in_a_row: u32, in_window: u32) -> Failures {
        Failures { in_a_row, in_window, last: Some(NOW) }
    }

    #[test]
    fn the_delay_starts_at_the_fifth_failure_and_doubles_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<_> = (0..14).map(|n| delay(n).map(|d| d.as_secs())).collect();
        let some = |s| Some(s);
        assert_eq!(seconds[..5], [None; 5]);
        assert_eq!(
            seconds[5..],
            [some(5), some(10), some(20), some(40), some(80), some(160), some(320), some(640), some(900)]
        );
        assert_eq!(delay(u32::MAX), Some(LONGEST_DELAY));
    }

    #[test]
    fn a_try_within_the_delay_is_neither_charged_nor_compared() {
        let early = failures(5, 5).charge(Bucket::Code, NOW.plus(Duration::from_millis(4999)));
        assert_eq!(early, Charge::TooSoon { retry_at: NOW.plus(Duration::from_secs(5)) });
        let due = failures(5, 5).charge(Bucket::Code, NOW.plus(Duration::from_secs(5)));
        assert!(matches!(due, Charge::Compare(f) if f.in_a_row == 6));
    }

    #[test]
    fn the_twenty_first_in_a_row_and_the_two_hundred_fifty_first_in_the_window_are_not_compared() {
        let later = NOW.plus(LONGEST_DELAY);
        assert!(matches!(failures(19, 19).charge(Bucket::Code, later), Charge::Compare(_)));
        assert!(matches!(failures(20, 20).charge(Bucket::Code, later), Charge::Locked(_)));
        assert!(matches!(failures(0, 249).charge(Bucket::Code, later), Charge::Compare(_)));
        assert!(matches!(failures(0, 250).charge(Bucket::Code, later), Charge::Locked(_)));
    }

    #[test]
    fn only_the_authenticator_locks() {
        let later = NOW.plus(LONGEST_DELAY);
        for bucket in [Bucket::Recovery, Bucket::Enrollment, Bucket::Ticket] {
            assert!(matches!(failures(400, 400).charge(bucket, later), Charge::Compare(_)));
        }
    }

    #[test]
    fn a_clock_set_back_does_not_shut_people_out_for_longer_than_the_longest_delay() {
        let before = NOW.minus(Duration::from_hours(48));
        assert!(matches!(failures(7, 7).charge(Bucket::Code, before), Charge::Compare(_)));
    }

    #[test]
    fn failures_are_remembered_for_thirty_days_in_these_words() {
        assert_eq!(WINDOW, Duration::from_hours(720));
        let words = [Bucket::Code, Bucket::Recovery, Bucket::Enrollment].map(Bucket::as_str);
        assert_eq!(words, ["code", "recovery", "enrollment"], "as the store has them");
    }
}
