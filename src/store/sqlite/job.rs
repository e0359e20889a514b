//! One piece of work for a connection's thread, and the way its answer goes back to whoever asked.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

/// Why a piece of work could not be done.
pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// What became of a piece of work.
pub(super) type Outcome<T> = Result<T, Failure>;

/// Why work that went well was undone all the same: it shared a transaction that did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the transaction was not committed")]
pub(super) struct NotCommitted(#[source] Arc<dyn Error + Send + Sync>);

impl NotCommitted {
    pub(super) fn because(failure: Failure) -> Self {
        Self(failure.into())
    }
}

/// A piece of work: first it is run, then it is answered.
pub(super) trait Job: Send {
    /// Does the work, and tells whether what it did is to stand.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Sends the answer. Whoever asked may be gone; the work stands nevertheless.
    fn answer(self: Box<Self>, ended: Result<(), NotCommitted>);
}

/// The job that does `work`, and where its answer will arrive.
pub(super) fn job<T, F>(work: F) -> (Box<dyn Job>, oneshot::Receiver<Outcome<T>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Task { state: State::Waiting(work), caller }), answer)
}

struct Task<T, F> {
    state: State<T, F>,
    caller: oneshot::Sender<Outcome<T>>,
}

enum State<T, F> {
    Waiting(F),
    Running,
    Done(Outcome<T>),
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Outcome<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let State::Waiting(work) = std::mem::replace(&mut self.state, State::Running) else { return false };
        // A panic is a defect in one decision. It must not end the thread that all the others wait for.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| Err("it panicked".into()));
        let stands = outcome.is_ok();
        self.state = State::Done(outcome);
        stands
    }

    fn answer(self: Box<Self>, ended: Result<(), NotCommitted>) {
        let answer = match (self.state, ended) {
            (State::Done(Err(failure)), _) => Err(failure),
            (State::Done(Ok(done)), Ok(())) => Ok(done),
            (State::Waiting(_) | State::Running, Ok(())) => Err("it was never run".into()),
            (_, Err(not_committed)) => Err(not_committed.into()),
        };
        drop(self.caller.send(answer));
    }
}
