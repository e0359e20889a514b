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
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn the_operator_is_warned_once_in_ten_seconds() {
        let (clock, now) = Clock::by_hand(Timestamp::from_millis(0));
        let complaint = Complaint::new("insights", clock);
        for (at, is_due) in [(0, true), (0, false), (9_999, false), (10_000, true), (19_999, false), (5_000, true)] {
            now.store(at, Ordering::SeqCst);
            assert_eq!(complaint.is_due(), is_due, "at {at}");
        }
    }

    /// What is logged, in text.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_comes_too_soon_for_a_warning_is_there_in_detail() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone());
        let complaint = Complaint::new("insights", Clock::from_fn(|| Timestamp::from_millis(0)));
        tracing::subscriber::with_default(log.with_ansi(false).without_time().with_target(false).finish(), || {
            complaint.make_of_answer(Some(503), &std::fmt::Error);
            complaint.make_of_answer(Some(502), &std::fmt::Error);
            complaint.make(&std::fmt::Error);
        });
        let lines = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("text");
        let (words, reason) = ("it is not known who has logged in", std::fmt::Error);
        let expected = [
            format!(" WARN {words} site=\"insights\" status=503 reason={reason}"),
            format!("DEBUG {words} site=\"insights\" status=502 reason={reason}"),
            format!("DEBUG {words} site=\"insights\" reason={reason}"),
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }
}
