//! The one writer: the jobs of many callers in one transaction, each answered once that is on disk.
//!
//! A commit waits for the disk. While it does, more jobs queue up, and the next commit takes them all: the busier
//! the gateway, the fewer waits for each sign-in.

use std::io;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::job::{Job, NotCommitted, Outcome, job};

/// Jobs that may wait. Whoever comes when so many do waits for a place before asking.
const QUEUE: usize = 1024;

/// Jobs in one transaction at most, so that the first of them does not wait for long.
const BATCH: usize = 256;

/// The thread that owns the only writing connection.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("store-writer".into()).spawn(move || write(&connection, jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Does `work` in a transaction, alone or together with others', and answers once it is committed. If it fails
    /// nothing of it is left, and the others' work stands.
    ///
    /// Once the job is queued it is done even if the caller goes away.
    pub(super) async fn run<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let (job, answer) = job(work);
        let queue = self.queue.as_ref().ok_or("it is closed")?;
        queue.send(job).await.map_err(|_| "its writer has ended")?;
        answer.await.map_err(|_| "its writer has ended")?
    }
}

impl Drop for Writer {
    /// Waits for what is queued, and for the connection to be closed.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            drop(thread.join());
        }
    }
}

fn write(connection: &Connection, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let ended = transact(connection, &mut batch).map_err(NotCommitted::because);
        for job in batch.drain(..) {
            job.answer(ended.clone());
        }
    }
}

/// Runs the jobs in one transaction. If that can't be committed, nothing of any of them is left.
fn transact(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Outcome<()> {
    let ended = attempt(connection, batch);
    if ended.is_err() && !connection.is_autocommit() {
        // There is no transaction any more after this, whether it succeeds or not.
        drop(command(connection, "ROLLBACK"));
    }
    ended
}

fn attempt(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Outcome<()> {
    // IMMEDIATE: a transaction that began by reading could not wait for its turn to write.
    command(connection, "BEGIN IMMEDIATE")?;
    for job in batch {
        command(connection, "SAVEPOINT job")?;
        if !job.run(connection) {
            // A full disk, for one, makes SQLite give up the whole transaction.
            if connection.is_autocommit() {
                return Err("a job that failed took the whole transaction with it".into());
            }
            command(connection, "ROLLBACK TO job")?;
        }
        command(connection, "RELEASE job")?;
    }
    command(connection, "COMMIT")
}

fn command(connection: &Connection, sql: &'static str) -> Outcome<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("memory is there");
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON;
                 CREATE TABLE parent (id INTEGER PRIMARY KEY);
                 CREATE TABLE child (id INTEGER PRIMARY KEY,
                                     parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);",
            )
            .expect("the statements are right");
        connection
    }

    fn inserting(id: i64) -> (Box<dyn Job>, oneshot::Receiver<Outcome<usize>>) {
        job(move |tx| Ok(tx.execute("INSERT INTO parent VALUES (?1)", [id])?))
    }

    fn parents(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM parent", [], |row| row.get(0)).expect("the table is there")
    }

    /// Runs a batch to its end and answers it, as the thread does.
    fn end(connection: &Connection, mut batch: Vec<Box<dyn Job>>) {
        let ended = transact(connection, &mut batch).map_err(NotCommitted::because);
        for job in batch {
            job.answer(ended.clone());
        }
    }

    #[test]
    fn a_job_that_fails_or_panics_is_undone_alone() {
        let connection = database();
        let (first, first_answer) = inserting(1);
        let (failing, failing_answer) = job::<(), _>(|tx| {
            tx.execute("INSERT INTO parent VALUES (2)", [])?;
            Err("changed its mind".into())
        });
        let (panicking, panicking_answer) = job::<(), _>(|tx| {
            tx.execute("INSERT INTO parent VALUES (3)", [])?;
            panic!("a defect, on purpose")
        });
        let (last, last_answer) = inserting(4);
        end(&connection, vec![first, failing, panicking, last]);
        for answer in [first_answer, last_answer] {
            assert_eq!(answer.blocking_recv().expect("answered").expect("done"), 1);
        }
        for answer in [failing_answer, panicking_answer] {
            assert!(answer.blocking_recv().expect("answered").is_err());
        }
        assert_eq!(parents(&connection), 2);
    }

    #[test]
    fn a_transaction_that_cannot_be_committed_fails_all_its_jobs_and_none_after_it() {
        let connection = database();
        let (good, good_answer) = inserting(1);
        let (orphan, orphan_answer) = job(|tx| Ok(tx.execute("INSERT INTO child VALUES (1, 99)", [])?));
        end(&connection, vec![good, orphan]);
        for answer in [good_answer, orphan_answer] {
            let failure = answer.blocking_recv().expect("answered").expect_err("the constraint fails at COMMIT");
            assert!(failure.is::<NotCommitted>(), "{failure:?}");
        }
        assert_eq!(parents(&connection), 0);
        let (later, later_answer) = inserting(2);
        end(&connection, vec![later]);
        assert!(later_answer.blocking_recv().expect("answered").is_ok());
    }

    #[test]
    fn nobody_is_answered_before_the_commit() {
        let connection = database();
        let (first, mut answer) = inserting(1);
        let (second, looked) = job(move |_| Ok(answer.try_recv().is_err()));
        end(&connection, vec![first, second]);
        assert!(looked.blocking_recv().expect("answered").expect("done"), "the first was answered too early");
    }

    #[test]
    fn a_caller_that_goes_away_does_not_take_its_job_along() {
        let connection = database();
        let (orphaned, answer) = inserting(1);
        drop(answer);
        end(&connection, vec![orphaned]);
        assert_eq!(parents(&connection), 1);
    }
}
