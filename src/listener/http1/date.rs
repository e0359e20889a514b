//! The time as `Date` says it (RFC 9110, section 6.6.1).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::Clock;
use crate::http1::fields;

/// What answers are dated by. A second is put into words once.
pub(in crate::listener) struct Dates {
    clock: Clock,
    last: Mutex<Option<(u64, String)>>,
}

impl Dates {
    /// By that clock.
    pub(in crate::listener) const fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::new(None) }
    }

    /// Writes the field.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let now = self.clock.now().as_secs();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, date) = match last.take().filter(|(second, _)| *second == now) {
            Some(same) => last.insert(same),
            None => last.insert((now, httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now)))),
        };
        fields::write_one(bytes, "date", date.as_bytes());
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
            let mut written = Vec::new();
            dates.write(&mut written);
            let minute = if later == 60_000 { 50 } else { 49 };
            let date = format!("date: Sun, 06 Nov 1994 08:{minute}:{expected} GMT\r\n");
            assert_eq!(String::from_utf8(written).expect("text"), date);
        }
    }
}
