//! The time as `Date` says it (RFC 9110, section 6.6.1).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;

use crate::clock::Clock;

/// What answers are dated by. A second is put into words once.
pub(super) struct Dates {
    clock: Clock,
    last: Mutex<Option<(u64, HeaderValue)>>,
}

impl Dates {
    /// By that clock.
    pub(super) const fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::new(None) }
    }

    /// The value of the field.
    pub(super) fn now(&self) -> HeaderValue {
        let now = self.clock.now().as_secs();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((second, date)) = &*last
            && *second == now
        {
            return date.clone();
        }
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
        let date = HeaderValue::try_from(date).expect("a date is visible ASCII");
        last.insert((now, date)).1.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::second_factor::Timestamp;

    #[test]
    fn the_date_is_that_of_the_second() {
        let (clock, millis) = Clock::by_hand(Timestamp::from_secs(784_111_777));
        let dates = Dates::new(clock);
        for (later, expected) in [(0, "37"), (999, "37"), (1, "38"), (-1000, "37"), (60_000, "37")] {
            millis.fetch_add(later, Ordering::SeqCst);
            let minute = if later == 60_000 { 50 } else { 49 };
            assert_eq!(dates.now(), format!("Sun, 06 Nov 1994 08:{minute}:{expected} GMT"));
        }
    }
}
