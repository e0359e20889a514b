//! A point in time, as the rules and the store keep it.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time that many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The time that many whole seconds after the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down; 0 for times before it.
    pub fn as_secs(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }

    /// As RFC 3339 writes it, in UTC and to the second: `2026-11-24T10:12:31Z`.
    pub fn rfc3339(self) -> String {
        let secs = self.as_secs();
        let (year, month, day) = civil(secs / 86_400);
        // In place and by hand, since it is done for every request.
        let mut text = *b"0000-00-00T00:00:00Z";
        let numbers = [year / 100, year, month, day, secs / 3600 % 24, secs / 60 % 60, secs % 60];
        for (number, at) in numbers.into_iter().zip([0, 2, 5, 8, 11, 14, 17]) {
            text[at] = digit(number / 10);
            text[at + 1] = digit(number);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// This time plus `span`; the far end of time if it would lie beyond.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This time less `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The last digit of a number.
fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).expect("less than 10")
}

/// The date that many days after 1970-01-01, in the Gregorian calendar (Howard Hinnant's `civil_from_days`).
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_says() {
        let rows = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (1_234_567_890, "2009-02-13T23:31:30Z"),
            (1_355_271_132, "2012-12-12T00:12:12Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (secs, text) in rows {
            assert_eq!(Timestamp::from_secs(secs).rfc3339(), text);
        }
    }

    #[test]
    fn spans_between_times_end_at_the_ends_of_time() {
        let (time, second) = (Timestamp::from_millis(1_800_000_000_123), Duration::from_secs(1));
        assert_eq!(time.as_millis(), 1_800_000_000_123);
        assert_eq!(
            (time.plus(second).as_millis(), time.minus(second).as_millis()),
            (1_800_000_001_123, 1_799_999_999_123)
        );
        assert_eq!((time.plus(second).since(time), time.since(time.plus(second))), (second, Duration::ZERO));
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!((last.plus(second), first.minus(second)), (last, first));
        assert_eq!((time.plus(Duration::MAX), time.minus(Duration::MAX).as_secs()), (last, 0));
        assert_eq!(Timestamp::from_millis(-1).as_secs(), 0);
    }
}
