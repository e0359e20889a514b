//! How fast a client has to be, counting only the time in which it is waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The least that a client has to send or to take on average, in bytes a second. The slowest lines there are do better by
/// ten times; whoever holds a connection with less holds it for its own sake. (Kestrel asks for the same, Apache's
/// `mod_reqtimeout` for 500.)
const LEAST: u64 = 240;

/// A client that is waited for. Costs a timer only then, and none for each piece that moves.
///
/// What counts is the average over a stretch of waiting, so that neither a pause nor what came quickly before matters for
/// long. A client that was fast enough in one stretch may stand still for the next, which makes two in a row at most.
#[derive(Debug)]
pub(crate) struct Pace {
    stretch: Duration,
    /// In this stretch, up to `since`.
    waited: Duration,
    moved: u64,
    /// When the waiting began that goes on now.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// The average counts over so much waiting.
    pub(crate) const fn over(stretch: Duration) -> Self {
        Self { stretch, waited: Duration::ZERO, moved: 0, since: None, timer: None }
    }

    /// To be called when the client has sent or taken so many bytes.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes as u64);
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
    }

    /// To be polled while the client is waited for. Ready once it has been too slow.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let waited = self.waited + (now - *self.since.get_or_insert(now));
            let Some(rest) = self.stretch.checked_sub(waited).filter(|rest| !rest.is_zero()) else {
                if self.moved < LEAST * self.stretch.as_secs() {
                    return Poll::Ready(());
                }
                *self = Self { since: Some(now), ..Self::over(self.stretch) };
                continue;
            };
            // One that was set earlier rings too early, since there was also time in which nobody waited.
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(rest)));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const STRETCH: Duration = Duration::from_mins(1);

    /// After how many seconds a client is too slow that moves so many bytes each time it was waited for so long; `None` if
    /// it never is, within an hour.
    async fn too_slow(bytes: usize, every: Duration) -> Option<u64> {
        let (started, mut pace) = (Instant::now(), Pace::over(STRETCH));
        while started.elapsed() < Duration::from_hours(1) {
            if timeout(every, poll_fn(|cx| pace.poll(cx))).await.is_ok() {
                return Some(started.elapsed().as_secs());
            }
            pace.moved(bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn what_counts_is_the_average() {
        let second = Duration::from_secs(1);
        let rows = [
            (0, 1, Some(60)),
            (1, 1, Some(60)),
            (1, 50, Some(60)),
            (100_000, 90, Some(60)),
            (239, 1, Some(60)),
            (250, 1, None),
            (14_500, 40, None),
            (7_000, 30, Some(60)),
            (1_000_000, 59, None),
        ];
        for (bytes, seconds, expected) in rows {
            assert_eq!(too_slow(bytes, seconds * second).await, expected, "{bytes} bytes every {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_time_counts_in_which_the_client_is_waited_for() {
        let mut pace = Pace::over(STRETCH);
        for _ in 0..5 {
            assert!(timeout(STRETCH / 6, poll_fn(|cx| pace.poll(cx))).await.is_err());
            pace.moved(1);
            advance(Duration::from_hours(1)).await;
        }
        let started = Instant::now();
        poll_fn(|cx| pace.poll(cx)).await;
        assert_eq!(started.elapsed().as_secs(), STRETCH.as_secs() / 6);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_quickly_is_forgotten_after_a_stretch() {
        let (started, mut pace) = (Instant::now(), Pace::over(STRETCH));
        pace.moved(1 << 30);
        while timeout(Duration::from_secs(1), poll_fn(|cx| pace.poll(cx))).await.is_err() {
            pace.moved(1);
        }
        assert_eq!(started.elapsed().as_secs(), 2 * STRETCH.as_secs());
    }
}
