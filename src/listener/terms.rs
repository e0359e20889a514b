//! How long a connection may be used: for a term, which it shares with those that came in the same minute.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long a connection may be used: at least this long, at most a minute more. Then it is ended in an orderly way, between
/// two requests: what was agreed on in its handshake, and what a library has kept for it, should not live as long as a
/// client wants. (nginx gives as much.)
pub(super) const TERM: Duration = Duration::from_hours(1);

/// For how long connections come in that share a term: no connection needs a timer of its own.
const INTAKE: Duration = Duration::from_mins(1);

/// The terms of one worker's connections.
pub(super) struct Terms {
    stop: CancellationToken,
    current: Mutex<Arc<Term>>,
}

/// The term of one connection.
#[derive(Debug)]
pub(super) struct Term(CancellationToken);

impl Term {
    /// Returns once it is over.
    pub(super) async fn over(&self) {
        self.0.cancelled().await;
    }

    /// Whether it is. In HTTP/1 a connection ends with the next answer then. One without a request ends soon anyway; closed
    /// before that, it could take a request along that is on its way.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Terms {
    /// All end with `stop` at the latest.
    pub(super) fn new(stop: &CancellationToken) -> Self {
        Self { stop: stop.clone(), current: Mutex::new(Arc::new(Term(stop.child_token()))) }
    }

    /// That of a connection that comes now.
    pub(super) fn current(&self) -> Arc<Term> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins and ends terms as time goes by.
    pub(super) async fn pass(&self) {
        let mut running = VecDeque::from([self.current()]);
        loop {
            sleep(INTAKE).await;
            let next = Arc::new(Term(self.stop.child_token()));
            running.push_back(Arc::clone(&next));
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next;
            if running.len() as u64 > TERM.as_secs() / INTAKE.as_secs() + 1
                && let Some(over) = running.pop_front()
            {
                over.0.cancel();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;
    use crate::body::Body;
    use crate::identity::client::{Arrival, Peer};
    use crate::listener::connection::attend;
    use crate::listener::worker::{Entrance, Room, Worker};
    use crate::listener::{Door, Incoming};
    use crate::message::{Request, Response};

    /// Answers each request after so many seconds.
    struct After(u64);

    impl Door for After {
        type Memory = ();

        async fn answer(&self, _request: Box<Request<Incoming>>, _arrival: Arrival, (): &()) -> Response<Body> {
            sleep(Duration::from_secs(self.0)).await;
            Response::new(Body::own("hello"))
        }
    }

    async fn connected(door: After) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(1024);
        let room = Room { seats: 10, ..Room::default() };
        let worker = Worker::new(Arc::new(door), Entrance::Either, &CancellationToken::new(), room);
        tokio::spawn(Arc::clone(&worker).work(Vec::new()));
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
        (client, tokio::spawn(attend(worker, server, Peer::Unix, permit)))
    }

    fn is_a_term(time: Duration) -> bool {
        (TERM..=TERM + INTAKE + Duration::from_secs(20)).contains(&time)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_always_used_is_closed_after_an_answer() {
        let (mut client, served) = connected(After(10)).await;
        let started = Instant::now();
        loop {
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
            let mut answer = Vec::new();
            while !answer.ends_with(b"hello") {
                assert!(client.read_buf(&mut answer).await.expect("an answer") > 0, "no request is left without one");
            }
            if String::from_utf8_lossy(&answer).contains("connection: close") {
                break;
            }
            assert!(!served.is_finished());
        }
        assert!(is_a_term(started.elapsed()), "{:?}", started.elapsed());
        assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_in_http_2_takes_no_more_requests_and_answers_those_it_has() {
        let (stream, served) = connected(After(10)).await;
        let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let started = Instant::now();
        while let Ok(mut ready) = client.clone().ready().await {
            let request = http::Request::get("http://a/").body(()).expect("a request");
            let answer = ready.send_request(request, true).expect("sent").0;
            assert_eq!(answer.await.expect("none is left without one").status(), 200);
        }
        assert!(is_a_term(started.elapsed()), "{:?}", started.elapsed());
        drop(client);
        connection.await.expect("no panic").expect("an orderly end");
        served.await.expect("no panic");
    }
}
