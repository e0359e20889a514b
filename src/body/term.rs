//! For how long a body of the dashboard may go on.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::LASTING;
use crate::alarm::Alarm;

/// Resolves when a body has to end, whether it has come to its end or not.
type Ended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// For how long a body may go on.
pub(super) enum Term {
    /// To its end.
    Whole,
    /// To its end, if that comes within [`LASTING`].
    Soon { since: Instant, alarm: Alarm, or_until: Box<dyn FnOnce() -> Ended + Send> },
    /// Until then.
    Until(Ended),
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole => "Whole",
            Self::Soon { .. } => "Soon",
            Self::Until(_) => "Until",
        })
    }
}

impl Term {
    /// Until `ended` resolves.
    pub(super) fn until(ended: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Until(Box::pin(ended))
    }

    /// Until what `ended` makes resolves, which is made only for what lasts.
    pub(super) fn soon_or_until<E>(ended: impl FnOnce() -> E + Send + 'static) -> Self
    where
        E: Future<Output = ()> + Send + 'static,
    {
        let or_until = Box::new(move || -> Ended { Box::pin(ended()) });
        Self::Soon { since: Instant::now(), alarm: Alarm::default(), or_until }
    }

    /// Whether nobody knows yet that the body lasts.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Soon { .. })
    }

    /// Whether it is over. To be asked with each piece, so that whoever only seems to last costs no timer.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Soon { since, .. } = self
            && since.elapsed() >= LASTING
            && let Self::Soon { or_until, .. } = std::mem::replace(self, Self::Whole)
        {
            *self = Self::Until(or_until());
        }
        match self {
            Self::Until(ended) => ended.as_mut().poll(cx).is_ready(),
            Self::Whole | Self::Soon { .. } => false,
        }
    }

    /// Ready once it is over. To be polled while nothing moves: with the next piece it would be noticed too late that the
    /// body lasts.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Soon { since, alarm, .. } = self {
            ready!(alarm.poll(cx, *since + LASTING));
        }
        if self.is_over(cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::oneshot;
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_lasts_ends_when_it_has_to_though_nothing_moves() {
        let (begun, mut has_begun) = oneshot::channel();
        let mut term = Term::soon_or_until(move || async move { begun.send(()).expect("somebody asks") });
        let started = Instant::now();
        assert!(timeout(LASTING / 2, poll_fn(|cx| term.poll(cx))).await.is_err());
        assert!(has_begun.try_recv().is_err(), "it may be a short one");
        timeout(LASTING, poll_fn(|cx| term.poll(cx))).await.expect("it is over");
        assert_eq!((has_begun.try_recv(), started.elapsed()), (Ok(()), LASTING));
    }

    #[tokio::test(start_paused = true)]
    async fn while_pieces_come_the_one_after_a_while_shows_that_it_lasts() {
        let mut term = Term::soon_or_until(|| async {});
        let mut is_over = async || poll_fn(|cx| Poll::Ready(term.is_over(cx))).await;
        assert!(!is_over().await);
        advance(LASTING / 2).await;
        assert!(!is_over().await);
        advance(LASTING / 2).await;
        assert!(is_over().await);
    }
}
