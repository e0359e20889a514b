//! A time limit that is set for every request, and hardly ever reached.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is put off for nothing: it goes on as it was set before, and if that is too early it is set anew then.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `deadline` has come. Each call may be for another one.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_deadline_whatever_it_was_set_to_before() {
        let mut alarm = Alarm::default();
        let start = Instant::now();
        for (before, then) in [(10, 10), (10, 30), (50, 40), (10, 41), (60, 60)] {
            let [before, then] = [before, then].map(|seconds| start + Duration::from_secs(seconds));
            assert_eq!(poll_fn(|cx| Poll::Ready(alarm.poll(cx, before))).await.is_ready(), before <= Instant::now());
            poll_fn(|cx| alarm.poll(cx, then)).await;
            assert_eq!(Instant::now(), then);
        }
    }
}
