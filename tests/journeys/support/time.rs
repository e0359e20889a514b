//! The time: one that moves when told, or the machine's for a gateway in a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use vestibule::clock::Clock;
use vestibule::second_factor::Timestamp;

/// 2027-01-15T08:00:00Z, where a code begins.
const START: i64 = 1_800_000_000_000;

#[derive(Clone)]
pub(crate) struct Time {
    /// Milliseconds since 1970; `None` is the machine's.
    pub(crate) moved: Option<Arc<AtomicI64>>,
}

impl Time {
    /// Stands still until it is told to move.
    pub(crate) fn still() -> Self {
        Self { moved: Some(Arc::new(AtomicI64::new(START))) }
    }

    pub(crate) fn clock(&self) -> Clock {
        match self.moved.clone() {
            Some(millis) => Clock::from_fn(move || Timestamp::from_millis(millis.load(Ordering::SeqCst))),
            None => Clock::system(),
        }
    }

    pub(crate) fn passes(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).expect("a span of our time");
        let moved = self.moved.as_ref().expect("the machine's time can't be moved");
        moved.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.clock().now().as_millis().div_euclid(1000)
    }

    /// Nobody waits in these tests: where the time can't be moved, a third code within a minute is one too many.
    pub(super) fn waits_for_the_next_step(&self) {
        self.passes(Duration::from_secs(30));
    }
}
