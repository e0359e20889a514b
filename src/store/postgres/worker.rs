//! The thread that talks to the server: it does what callers on any runtime ask for, to the end, each transaction whole
//! or not at all.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};
use tokio::try_join;

use super::connection::Connection;
use super::failure::{self, Failure, Outcome};
use super::pool::{Lent, Pool, jittered};
use super::settings::Database;
use super::tls::Tls;

/// Work that may wait or be under way. Whoever comes when there is so much waits for a place before asking.
const QUEUE: usize = 1024;

/// How long one piece of work may take in all, the waiting and the retries included.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long it may take to bring a database up to date.
pub(super) const MIGRATION: Duration = Duration::from_hours(1);

/// How often work is tried again that lost to another, and how long to wait before the second time; then it doubles.
const RETRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(4);

type Job = Box<dyn FnOnce(Rc<Pool>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The thread, and the way to it.
pub(super) struct Worker {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(database: &Database, tls: Option<Tls>) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let database = database.clone();
        let thread = thread::Builder::new().name("store".into()).spawn(move || {
            let pool = Rc::new(Pool::new(&database, tls));
            LocalSet::new().block_on(&runtime, attend(pool, jobs));
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Does `work` in a transaction, and answers once it is committed. If it fails nothing of it is left; if nobody knows
    /// whether it was committed, that is a failure too.
    ///
    /// It is tried again if it lost to another transaction, or the connection broke before the commit: whatever `work`
    /// does is done in the transaction alone.
    ///
    /// Once it is queued it is done even if the caller goes away.
    pub(super) async fn transact<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.transact_within(DEADLINE, work).await
    }

    /// The same, with more or less patience.
    pub(super) async fn transact_within<T, F>(&self, patience: Duration, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.run_within(patience, async move |pool: &Pool| transact(pool, &work).await).await
    }

    /// Does one statement, which is a transaction of its own, and answers once it is committed.
    pub(super) async fn state<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.run(async move |pool: &Pool| again_if_lost(async || on_a_connection(pool, &work).await).await).await
    }

    /// Answers a question. Each of its statements sees all that was committed when it began.
    pub(super) async fn ask<T, F>(&self, question: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.run(async move |pool: &Pool| {
            again_if_lost(async || {
                on_a_connection(pool, &question).await.map_err(|failed| Failed { left_nothing: true, ..failed })
            })
            .await
        })
        .await
    }

    /// Does something with the connections themselves.
    pub(super) async fn run<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&Pool) -> Outcome<T> + Send + 'static,
    {
        self.run_within(DEADLINE, work).await
    }

    async fn run_within<T, F>(&self, patience: Duration, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&Pool) -> Outcome<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job: Job = Box::new(move |pool| {
            Box::pin(async move {
                let late = |_| Err("it took too long".into());
                let done = timeout(patience, work(&pool)).await.unwrap_or_else(late);
                // Whoever asked may be gone; what was done stands nevertheless.
                drop(caller.send(done));
            })
        });
        let queue = self.queue.as_ref().ok_or("it is closed")?;
        queue.send(job).await.map_err(|_| "its thread has ended")?;
        answer.await.map_err(|_| "it panicked")?
    }
}

impl Drop for Worker {
    /// Waits for what is queued.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            drop(thread.join());
        }
    }
}

/// Starts what is asked for as it comes, until nobody can ask any more and all is done.
async fn attend(pool: Rc<Pool>, mut jobs: mpsc::Receiver<Job>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv(), if under_way.len() < QUEUE => match job {
                Some(job) => drop(under_way.spawn_local(job(Rc::clone(&pool)))),
                None => break,
            },
            // A panic is a defect in one decision; it was reported when it happened, and the others go on.
            Some(_) = under_way.join_next() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Why a try failed, and whether nothing of it is left for sure.
struct Failed {
    failure: Failure,
    left_nothing: bool,
    connection_is_gone: bool,
}

/// Tries until it succeeds, or trying again would not help.
async fn again_if_lost<T>(attempt: impl AsyncFn() -> Result<T, Failed>) -> Outcome<T> {
    let mut tries = 0;
    loop {
        let Failed { failure, left_nothing, connection_is_gone } = match attempt().await {
            Ok(done) => return Ok(done),
            Err(failed) => failed,
        };
        let other_time = failure::lost_to_another(&failure) || failure::place_was_settled(&failure);
        let other_server = connection_is_gone || failure::server_retired(&failure);
        if tries >= RETRIES || !(other_time || other_server && left_nothing) {
            return Err(failure);
        }
        sleep(jittered(PAUSE * 2_u32.pow(tries))).await;
        tries += 1;
    }
}

async fn transact<T>(pool: &Pool, work: &impl AsyncFn(&Connection) -> Outcome<T>) -> Outcome<T> {
    again_if_lost(async || {
        let connection = pool.take().await.map_err(not_begun)?;
        // In one go with the first statement. Should it fail, that statement stood alone: nobody knows what is left of it.
        let begin = async {
            let begun = connection.batch("BEGIN ISOLATION LEVEL READ COMMITTED").await;
            begun.map_err(|failure| Failed { failure, left_nothing: false, connection_is_gone: true })
        };
        let work = async { Ok(work(&connection).await) };
        match try_join!(biased; begin, work)?.1 {
            Ok(done) => commit(connection).await.map(|()| done),
            Err(failure) => Err(roll_back(connection, failure).await),
        }
    })
    .await
}

async fn commit(connection: Lent<'_>) -> Result<(), Failed> {
    match connection.batch("COMMIT").await {
        Ok(()) => {
            connection.give_back();
            Ok(())
        }
        // It may have been committed. The connection is closed, in whatever state it is.
        Err(failure) => Err(Failed { failure, left_nothing: false, connection_is_gone: true }),
    }
}

async fn roll_back(connection: Lent<'_>, failure: Failure) -> Failed {
    let connection_is_gone = connection.is_closed() || failure::server_retired(&failure);
    if !connection_is_gone && connection.batch("ROLLBACK").await.is_ok() {
        connection.give_back();
    }
    Failed { failure, left_nothing: true, connection_is_gone }
}

async fn on_a_connection<T>(pool: &Pool, work: &impl AsyncFn(&Connection) -> Outcome<T>) -> Result<T, Failed> {
    let connection = pool.take().await.map_err(not_begun)?;
    match work(&connection).await {
        Ok(done) => {
            connection.give_back();
            Ok(done)
        }
        Err(failure) => {
            let connection_is_gone = connection.is_closed() || failure::server_retired(&failure);
            if !connection_is_gone {
                connection.give_back();
            }
            Err(Failed { failure, left_nothing: false, connection_is_gone })
        }
    }
}

/// There was no connection, after as much patience as there is.
fn not_begun(failure: Failure) -> Failed {
    Failed { failure, left_nothing: true, connection_is_gone: false }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::store::postgres::{Host, Server};

    /// One that talks to nobody, as long as nobody asks for a connection.
    fn worker() -> Worker {
        let nowhere = Server { host: Host::Unix("/nonexistent".into()), port: 1 };
        let database =
            Database { servers: vec![nowhere], name: "x".into(), user: "x".into(), password: None, connections: 1 };
        Worker::start(&database, None).expect("a thread")
    }

    #[tokio::test]
    async fn work_that_panics_fails_alone() {
        let worker = worker();
        let waits = Arc::new(Notify::new());
        let other = {
            let waits = Arc::clone(&waits);
            worker.run(async move |_: &Pool| {
                waits.notified().await;
                Ok(7)
            })
        };
        let panics = async {
            let panicked = worker.run::<(), _>(async |_: &Pool| panic!("a defect, on purpose")).await;
            waits.notify_one();
            panicked
        };
        let (other, panicked) = tokio::join!(other, panics);
        assert_eq!(panicked.expect_err("a failure").to_string(), "it panicked");
        assert_eq!(other.expect("done"), 7);
        assert_eq!(worker.run(async |_: &Pool| Ok(8)).await.expect("done"), 8);
    }

    #[tokio::test]
    async fn what_is_queued_is_done_before_the_worker_is_gone_even_if_nobody_waits_for_it() {
        let worker = worker();
        let done = Arc::new(AtomicU32::new(0));
        for _ in 0..10 {
            let done = Arc::clone(&done);
            let asked = worker.run(async move |_: &Pool| {
                tokio::task::yield_now().await;
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            // Polled once, which queues it, and then dropped.
            tokio::select! { biased; _ = asked => {}, () = std::future::ready(()) => {} }
        }
        drop(worker);
        assert_eq!(done.load(Ordering::SeqCst), 10);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_failure_after_some_patience() {
        let failure =
            worker().ask(async |db: &Connection| db.batch("SELECT 1").await).await.expect_err("nobody is there");
        assert!(failure.to_string().contains("error connecting to server"), "{failure}");
    }
}
