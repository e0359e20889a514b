//! The figures of the experiments: printed for whoever wants them, held to their limits where that was asked for.

#![expect(clippy::print_stderr, reason = "the figures are what an experiment is for")]

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::support::until;

/// Set, it has every figure be within its limit.
const STRICT: &str = "VESTIBULE_FAULTS_STRICT";

/// Waits until it is so, and tells how long that took.
pub(crate) async fn soon(limit: Duration, what: &str, is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    until(what, is_so).await;
    took(limit, what, begun.elapsed());
}

/// Tells how long something took.
pub(crate) fn took(limit: Duration, what: &str, time: Duration) {
    eprintln!("figure: {what}: {time:.2?} (limit {limit:?})");
    assert!(std::env::var_os(STRICT).is_none() || time <= limit, "{what}: {time:?}");
}

/// Tells how many there were of something.
pub(crate) fn counted(what: &str, number: impl Display) {
    eprintln!("figure: {what}: {number}");
}
