//! How long a connection in HTTP/1 waits for the head of a request, and when it may rest.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant;

use crate::alarm::Alarm;

/// How long a head may take to come, and how long a connection may be without a request.
pub(super) const HEAD: Duration = Duration::from_secs(30);

/// After how long without a request a connection gives up all that it would only need for one.
const TIRED: Duration = Duration::from_secs(2);

/// The time that one connection has: the timer that the HTTP library sets for each head.
#[derive(Debug, Clone)]
pub(super) struct Patience(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    wait: Mutex<Wait>,
    /// Whether the stream is between two requests, with nothing of either on its way.
    quiet: AtomicBool,
}

#[derive(Debug)]
struct Wait {
    alarm: Alarm,
    /// When the head that is waited for has to be there. While none is waited for, that of the last one.
    head: Instant,
    /// What a head that began to be waited for before has left.
    left: Option<Instant>,
    tired: bool,
}

impl Patience {
    /// For a head that has to be there at `deadline`, and for all that follow.
    pub(super) fn until(deadline: Instant) -> Self {
        let wait = Wait { alarm: Alarm::default(), head: deadline, left: Some(deadline), tired: false };
        Self(Arc::new(Shared { wait: Mutex::new(wait), quiet: AtomicBool::new(false) }))
    }

    /// Tells whether the stream is between two requests.
    pub(super) fn note(&self, is_quiet: bool) {
        self.0.quiet.store(is_quiet, Ordering::Relaxed);
    }

    /// When the head has to be there that is waited for, if it has been for a while and nothing of it came.
    pub(super) fn rest(&self) -> Option<Instant> {
        if !self.0.quiet.load(Ordering::Relaxed) {
            return None;
        }
        let wait = self.0.lock();
        wait.tired.then_some(wait.head)
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let mut wait = self.0.lock();
        let deadline = Instant::from_std(deadline);
        wait.head = wait.left.take().map_or(deadline, |left| left.min(deadline));
        wait.tired = false;
        Box::pin(Head(Arc::clone(&self.0)))
    }

    /// By the runtime's clock, which tests can stop.
    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// Goes off when a head did not come in time. One at a time; gone once it came.
struct Head(Arc<Shared>);

impl Sleep for Head {}

impl Future for Head {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Wait { alarm, head, tired, .. } = &mut *self.0.lock();
        if !*tired {
            ready!(alarm.poll(cx, *head - HEAD + TIRED));
            *tired = true;
        }
        alarm.poll(cx, *head)
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        self.0.lock().tired = false;
    }
}

impl Shared {
    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, Wait> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
