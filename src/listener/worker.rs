//! One worker: accepts connections and attends to them, on one thread.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Accepted};
use super::crowd::{Crowd, Seat};
use super::date::Dates;
use super::sockets::Listener;
use super::terms::Terms;
use super::tls::Tls;
use super::turns::Turns;
use super::{Door, Share};
use crate::clock::Clock;
use crate::identity::client::Peer;

/// How long requests that were begun may take once the gateway stops.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

/// How long whoever was let in, and has asked for nothing yet, may take to begin once the gateway stops: what they ask for
/// may be on its way, and no client asks again after a connection on which nothing was ever answered.
pub(super) const NEWCOMERS: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more sockets to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);

/// How connections begin.
#[derive(Clone)]
pub(super) enum Entrance {
    /// With a handshake, which also settles the version of HTTP.
    Tls(Tls),
    /// With a request in HTTP/1.
    Http1,
    /// With that, or with HTTP/2.
    Either,
}

/// How many a worker lets in.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    /// How many connections, and in HTTP/2 how many requests beside.
    pub(super) seats: usize,
    /// Who is there, at whichever worker.
    pub(super) crowd: Arc<Crowd>,
    /// What [`Share::Usual`] comes to.
    pub(super) usual_share: usize,
    /// Whose turn it is, where many want something.
    pub(super) turns: Arc<Turns>,
}

/// What the connections of one worker have in common.
pub(super) struct Worker<D> {
    pub(super) door: Arc<D>,
    pub(super) entrance: Entrance,
    pub(super) stop: CancellationToken,
    pub(super) terms: Terms,
    pub(super) turns: Arc<Turns>,
    pub(super) dates: Dates,
    seats: Arc<Semaphore>,
    /// In HTTP/2, where a connection has many: room for requests in progress, and for tunnels.
    pub(super) rooms: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    usual_share: usize,
    connections: TaskTracker,
}

impl<D: Door> Worker<D> {
    pub(super) fn new(door: Arc<D>, entrance: Entrance, stop: &CancellationToken, room: Room) -> Arc<Self> {
        let [seats, rooms] = [room.seats; 2].map(|count| Arc::new(Semaphore::new(count)));
        // A token of its own: connections of different workers never wait for each other.
        let Room { crowd, usual_share, turns, .. } = room;
        let (stop, connections) = (stop.child_token(), TaskTracker::new());
        let terms = Terms::new(&stop);
        let dates = Dates::new(Clock::system());
        Arc::new(Self { door, entrance, stop, terms, turns, dates, seats, rooms, crowd, usual_share, connections })
    }

    /// Returns once the gateway stops, and those who had begun to come have had time to.
    pub(super) async fn stopped_for_newcomers(&self) {
        self.stop.cancelled().await;
        sleep(NEWCOMERS).await;
    }

    /// Accepts until it is stopped, then waits for the last requests.
    pub(super) async fn work(self: Arc<Self>, listeners: Vec<Listener>) {
        tokio::spawn(tick(Arc::clone(&self.door)));
        let worker = Arc::clone(&self);
        tokio::spawn(async move { worker.terms.pass().await });
        let turns = Arc::clone(&self.turns);
        tokio::spawn(async move { turns.pass().await });
        for listener in listeners {
            self.connections.spawn(Arc::clone(&self).accept_from(listener));
        }
        self.stop.cancelled().await;
        self.connections.close();
        if timeout(LAST_REQUESTS, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "stopped with requests unfinished");
        }
    }

    async fn accept_from(self: Arc<Self>, listener: Listener) {
        let done = match listener {
            Listener::Tcp(listener) => match TcpListener::from_std(listener) {
                Ok(listener) => self.accept(listener).await,
                Err(error) => Err(error),
            },
            Listener::Unix(listener) => match UnixListener::from_std(listener) {
                Ok(listener) => self.accept(listener).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = done {
            tracing::error!(%error, "a socket can't be listened on");
        }
    }

    async fn accept(self: &Arc<Self>, source: impl Source) -> io::Result<()> {
        loop {
            let (seat, (stream, peer)) = tokio::select! {
                accepted = async { (self.seat().await, wait_for(&source).await) } => accepted,
                () = self.stop.cancelled() => return Ok(()),
            };
            self.connections.spawn(connection::attend(Arc::clone(self), stream, peer, seat));
        }
    }

    /// The seat that a client takes, unless it has as many as it may have.
    pub(super) fn admit(&self, peer: Peer, permit: OwnedSemaphorePermit) -> Option<Seat> {
        let most = match self.door.share(peer) {
            Share::All => None,
            Share::Usual => Some(self.usual_share),
            Share::Most(most) => Some(most),
        };
        let Some((client, most)) = peer.address().zip(most) else { return Some(Seat::new(permit, None)) };
        let leave = self.crowd.admit(client, most);
        if leave.is_none() {
            self.door.turned_away();
        }
        Some(Seat::new(permit, Some(leave?)))
    }

    async fn seat(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.seats).acquire_owned().await.expect("the semaphore is never closed")
    }
}

/// A socket that connections come in by.
trait Source: Send + Sync {
    type Stream: Accepted;

    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Source for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, peer) = self.accept().await?;
        Ok((stream, Peer::Tcp(peer.ip().to_canonical())))
    }
}

impl Source for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Peer)> {
        Ok((self.accept().await?.0, Peer::Unix))
    }
}

/// The next connection, whatever becomes of those before it.
async fn wait_for<S: Source>(source: &S) -> (S::Stream, Peer) {
    loop {
        match source.next().await {
            Ok(accepted) => return accepted,
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                sleep(OUT_OF_SOCKETS).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected)
}

/// Tells the door of each second.
///
/// It also keeps an early deadline in the runtime: each request sets one of its own (for the next head), and one that comes
/// before all others would wake the timer driver each time, with two system calls.
async fn tick(door: Arc<impl Door>) {
    let mut second = interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        door.pass();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::{Mutex, mpsc};
    use tokio::task::yield_now;

    use super::*;
    use crate::body::Body;
    use crate::identity::client::Arrival;
    use crate::listener::Incoming;
    use crate::message::{Request, Response};

    struct Hello;

    impl Door for Hello {
        type Memory = ();

        async fn answer(&self, _request: Box<Request<Incoming>>, _arrival: Arrival, (): &()) -> Response<Body> {
            Response::new(Body::own("hello"))
        }
    }

    /// Connections as a test has them come, and how often one was asked for.
    struct Street {
        coming: Mutex<mpsc::Receiver<DuplexStream>>,
        asked: Arc<AtomicUsize>,
    }

    impl Source for Street {
        type Stream = DuplexStream;

        async fn next(&self) -> io::Result<(DuplexStream, Peer)> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.coming.lock().await.recv().await {
                Some(stream) => Ok((stream, Peer::Unix)),
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test]
    async fn nobody_comes_in_while_every_seat_is_taken() {
        let worker = Worker::new(
            Arc::new(Hello),
            Entrance::Http1,
            &CancellationToken::new(),
            Room { seats: 1, ..Room::default() },
        );
        let (street, coming) = mpsc::channel(1);
        let asked = Arc::new(AtomicUsize::new(0));
        let source = Street { coming: Mutex::new(coming), asked: Arc::clone(&asked) };
        tokio::spawn(async move { worker.accept(source).await });

        let (mut alice, server) = duplex(1024);
        street.send(server).await.expect("the worker accepts");
        alice.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            alice.read_buf(&mut answer).await.expect("an answer");
        }
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1, "the next one waits outside");

        drop(alice);
        let next = async {
            while asked.load(Ordering::Relaxed) < 2 {
                yield_now().await;
            }
        };
        timeout(LAST_REQUESTS, next).await.expect("the seat is free again");
    }
}
