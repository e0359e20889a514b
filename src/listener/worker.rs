//! One worker: accepts connections and attends to them, on one thread.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Door;
use super::connection::{self, Accepted};
use super::sockets::Listener;
use super::tls::Tls;
use crate::identity::client::Peer;

/// How long requests that were begun may take once the gateway stops.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

/// How long to wait when the system has no more sockets to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);

/// What the connections of one worker have in common.
pub(super) struct Worker<D> {
    pub(super) door: Arc<D>,
    pub(super) tls: Option<Tls>,
    pub(super) stop: CancellationToken,
    seats: Arc<Semaphore>,
    connections: TaskTracker,
}

impl<D: Door> Worker<D> {
    pub(super) fn new(door: Arc<D>, tls: Option<Tls>, stop: &CancellationToken, seats: usize) -> Arc<Self> {
        let seats = Arc::new(Semaphore::new(seats));
        // A token of its own: connections of different workers never wait for each other.
        Arc::new(Self { door, tls, stop: stop.child_token(), seats, connections: TaskTracker::new() })
    }

    /// Accepts until it is stopped, then waits for the last requests.
    pub(super) async fn work(self: Arc<Self>, listeners: Vec<Listener>) {
        tokio::spawn(tick());
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

/// Keeps an early deadline in the runtime: each request sets one of its own (for the next head), and one that comes
/// before all others would wake the timer driver each time, with two system calls.
async fn tick() {
    let mut second = interval(Duration::from_secs(1));
    loop {
        second.tick().await;
    }
}
