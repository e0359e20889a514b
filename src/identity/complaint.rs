//! What the operator hears of requests that can't be used: enough to find a mistake, and not a line for each, since whoever
//! likes can send them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::second_factor::Timestamp;

/// The shortest time between two warnings.
const PAUSE: Duration = Duration::from_secs(10);

/// Warns of one site's requests, now and then.
#[derive(Debug)]
pub(super) struct Complaint {
    site: String,
    clock: Clock,
    last: AtomicI64,
}

impl Complaint {
    pub(super) fn new(site: &str, clock: Clock) -> Self {
        Self { site: site.to_owned(), clock, last: AtomicI64::new(i64::MIN) }
    }

    /// Warns, or says so in detail only if it warned a moment ago.
    pub(super) fn make(&self, reason: &(dyn std::error::Error + 'static)) {
        self.make_of_answer(None, reason);
    }

    /// The same of what the dashboard answered, with that status if it has one.
    pub(super) fn make_of_answer(&self, status: Option<u16>, reason: &(dyn std::error::Error + 'static)) {
        let words = "it is not known who has logged in";
        if self.is_due() {
            tracing::warn!(site = self.site, status, reason, "{words}");
        } else {
            tracing::debug!(site = self.site, status, reason, "{words}");
        }
    }

    fn is_due(&self) -> bool {
        let (now, last) = (self.clock.now(), self.last.load(Ordering::Relaxed));
        let is_recent = (last..Timestamp::from_millis(last).plus(PAUSE).as_millis()).contains(&now.as_millis());
        // Of those who come at once, one.
        !is_recent && self.last.compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_operator_is_warned_once_in_ten_seconds() {
        let now = Arc::new(AtomicI64::new(0));
        let shown = Arc::clone(&now);
        let clock = Clock::from_fn(move || Timestamp::from_millis(shown.load(Ordering::SeqCst)));
        let complaint = Complaint::new("insights", clock);
        for (at, is_due) in [(0, true), (0, false), (9_999, false), (10_000, true), (19_999, false), (5_000, true)] {
            now.store(at, Ordering::SeqCst);
            assert_eq!(complaint.is_due(), is_due, "at {at}");
        }
    }
}
