//! What goes on on one connection in HTTP/2, and what is too little or too much of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::STREAMS;

/// How long a connection may be without a request: at least this long, at most twice as long.
pub(super) const QUIET: Duration = Duration::from_mins(1);

/// How long one may be without a request after its client was told that it ends: until then, what was on its way is here.
pub(super) const LEAVE: Duration = Duration::from_secs(2);

/// How many more requests a client may give up than it lets be answered: a page that is left in the middle gives up all
/// it was loading.
pub(super) const GIVEN_UP: usize = 2 * STREAMS as usize;

/// What goes on on one connection.
#[derive(Default)]
pub(super) struct Traffic {
    streams: AtomicUsize,
    begun: AtomicBool,
    /// Whether something of an answer has still to be sent.
    is_unsent: AtomicBool,
    /// How many more requests were given up than answered.
    given_up: AtomicUsize,
    /// Told once those are too many.
    restless: Notify,
}

impl Traffic {
    /// Returns once too many requests were given up.
    pub(super) async fn restless(&self) {
        self.restless.notified().await;
    }

    /// Notes whether anything is on its way that the library has to send.
    pub(super) fn note_unsent(&self, is_unsent: bool) {
        self.is_unsent.store(is_unsent, Ordering::Relaxed);
    }

    /// Returns once nothing was going on for so long, or up to twice as long.
    pub(super) async fn quiet(&self, span: Duration) {
        loop {
            sleep(span).await;
            let begun = self.begun.swap(false, Ordering::Relaxed);
            let goes_on = self.is_unsent.load(Ordering::Relaxed) || self.streams.load(Ordering::Relaxed) > 0;
            if !begun && !goes_on {
                return;
            }
        }
    }
}

/// A request that has no answer yet. Dropped, it was given up: for the client that costs a frame, for the dashboard a
/// connection, so that whoever does nothing else is hung up on.
pub(super) struct Waiting {
    traffic: Arc<Traffic>,
    answered: bool,
}

impl Waiting {
    pub(super) fn begin(traffic: &Arc<Traffic>) -> Self {
        Self { traffic: Arc::clone(traffic), answered: false }
    }

    pub(super) fn end(mut self) {
        self.answered = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let given_up = &self.traffic.given_up;
        if self.answered {
            let one_less = |count: usize| Some(count.saturating_sub(1));
            // It can't fail: there is always a next value.
            let _ = given_up.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        } else if given_up.fetch_add(1, Ordering::Relaxed) >= GIVEN_UP {
            tracing::debug!("a client gives up one request after the other; its connection is closed");
            self.traffic.restless.notify_one();
        }
    }
}

/// One stream among the traffic.
pub(super) struct Stream(Arc<Traffic>);

impl Stream {
    pub(super) fn begin(traffic: &Arc<Traffic>) -> Self {
        traffic.streams.fetch_add(1, Ordering::Relaxed);
        traffic.begun.store(true, Ordering::Relaxed);
        Self(Arc::clone(traffic))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
