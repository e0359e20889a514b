//! Work that is done to its end though the client it is done for goes away, if that does not take long.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::listener::Occupied;

/// How long it may still take when nobody waits for it anymore.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Does the work, and returns what it comes to, unless it panics. If the returned future is dropped, the work goes on for
/// [`AFTERWARDS`] at most, and is given up then; which `given_up` is told.
///
/// It occupies what the request that is answered in this task does: whoever goes away in the middle of a request makes no
/// room by that.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    given_up: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let (_here, gone) = oneshot::channel::<Infallible>();
    let occupied = Occupied::now();
    let task = tokio::spawn(async move {
        let _occupied = occupied;
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = gone => {}
        }
        timeout(AFTERWARDS, work).await.unwrap_or_else(|_| given_up())
    });
    task.await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{Instant, sleep};

    use super::*;

    const FINISHED: usize = 1;
    const GIVEN_UP: usize = 2;

    /// What becomes of work that takes so many seconds and is waited for during so many.
    async fn end(takes: u64, waited: u64) -> (usize, u64) {
        let (end, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let [finished, given_up] = [(); 2].map(|()| Arc::clone(&end));
        let work = async move {
            sleep(Duration::from_secs(takes)).await;
            finished.store(FINISHED, Ordering::SeqCst);
        };
        let given_up = move || given_up.store(GIVEN_UP, Ordering::SeqCst);
        let _ = timeout(Duration::from_secs(waited), detached(work, given_up)).await;
        while Arc::strong_count(&end) > 1 {
            sleep(Duration::from_millis(100)).await;
        }
        (end.load(Ordering::SeqCst), started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_for_a_moment_after_its_client_went() {
        assert_eq!(end(100, 200).await, (FINISHED, 100), "as long as it takes while somebody waits");
        assert_eq!(end(5, 1).await, (FINISHED, 5));
        assert_eq!(end(20, 11).await, (FINISHED, 20));
        assert_eq!(end(100, 1).await, (GIVEN_UP, 1 + AFTERWARDS.as_secs()));
    }
}
