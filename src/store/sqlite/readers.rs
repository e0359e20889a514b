//! The readers: a few read-only connections, each on a thread of its own, that take what is asked in turn.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::job::{Job, Outcome, job};

/// Questions that may wait; see the writer's.
const QUEUE: usize = 1024;

/// The threads that own the reading connections.
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    threads: Vec<JoinHandle<()>>,
}

type Jobs = Arc<Mutex<mpsc::Receiver<Box<dyn Job>>>>;

impl Readers {
    pub(super) fn start(connections: Vec<Connection>) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let jobs: Jobs = Arc::new(Mutex::new(jobs));
        let mut readers = Self { queue: Some(queue), threads: Vec::with_capacity(connections.len()) };
        for connection in connections {
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name("store-reader".into());
            readers.threads.push(thread.spawn(move || read(&connection, &jobs))?);
        }
        Ok(readers)
    }

    /// Answers a question from one state of the database: all that was committed when the reading began.
    pub(super) async fn run<T, F>(&self, question: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let (job, answer) = job(move |connection| snapshot(connection, question));
        let queue = self.queue.as_ref().ok_or("it is closed")?;
        queue.send(job).await.map_err(|_| "its readers have ended")?;
        answer.await.map_err(|_| "its readers have ended")?
    }
}

impl Drop for Readers {
    /// Waits for the connections to be closed: the writer's has to be the last, to tidy up the files.
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn read(connection: &Connection, jobs: &Jobs) {
    while let Some(mut job) = next(jobs) {
        job.run(connection);
        job.answer(Ok(()));
    }
}

/// One reader waits for the next job, the others for their turn to wait.
fn next(jobs: &Jobs) -> Option<Box<dyn Job>> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

fn snapshot<T>(connection: &Connection, question: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
    // Dropped without a commit, which is the right end for a transaction that only reads, also if it panics.
    let transaction = connection.unchecked_transaction()?;
    question(&transaction)
}
