//! Where visitors come in: sockets, workers, limits, TLS, and the way out.

pub(crate) mod certificate;
mod connection;
mod crowd;
mod date;
pub mod framing;
mod given;
mod http1;
mod http2;
mod incoming;
mod interim;
mod occupied;
pub(crate) mod preface;
pub(crate) mod proxy_header;
mod seats;
#[cfg(test)]
mod slow_clients;
mod sockets;
pub(crate) mod switch;
mod terms;
pub mod tls;
mod turns;
mod wire;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::identity::client::{Arrival, Peer};
use crate::message::{Request, Response};
#[cfg(any(test, fuzzing))]
pub(crate) use connection::Accepted;
use crowd::Crowd;
pub use given::Given;
pub use incoming::Incoming;
pub use interim::EarlyHints;
pub use occupied::Occupied;
pub use sockets::{Address, BindError, Sockets, bind};
use tls::Tls;
use turns::Turns;
use worker::{Entrance, Room, Worker};

/// Who answers requests. One for each worker.
pub trait Door: Send + Sync + 'static {
    /// What a connection remembers from one request to the next. It may be forgotten at any time.
    type Memory: Default + Send + Sync + 'static;

    /// Answers one request. If the client goes away, the future is dropped. The request is boxed, and the future best a small
    /// one: as many are in memory as there are requests on their way.
    fn answer(
        &self,
        request: Box<Request<Incoming>>,
        arrival: Arrival,
        memory: &Self::Memory,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// How a connection of this peer has to begin.
    fn opening(&self, _peer: Peer) -> Opening {
        Opening::Client
    }

    /// How many of the connections the client at the other end may have.
    fn share(&self, _peer: Peer) -> Share {
        Share::All
    }

    /// Whether all that this peer sends on one connection comes from one client. Of others a connection remembers nothing: it
    /// would seldom be the same, and how much of it is, is nobody's business.
    fn is_one_client(&self, _peer: Peer) -> bool {
        true
    }

    /// Is told of each connection that was one too many.
    fn turned_away(&self) {}

    /// Is told of each second that has passed.
    fn pass(&self) {}
}

/// How many of the connections there may be one client may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// A quarter, so that nobody can keep everybody else out.
    Usual,
    /// This many.
    Most(usize),
}

/// How a connection has to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// With what the client says.
    Client,
    /// With a PROXY header that names the client.
    Header,
    /// Not at all: only those may connect who are trusted to name clients.
    Refused,
}

/// How many sockets a worker hears of at once. Each request is attended to several times; with few of them in between, what
/// it needs is still in the processor's caches.
const AT_ONCE: usize = 16;

/// Answers on these sockets until `shutdown` is cancelled, then finishes what was begun, for 30 seconds at most.
///
/// Each worker is a thread with a runtime of its own. `make_door` is called on it, within the runtime, with the worker's
/// number; what it spawns there ends with the worker. Fails only if a worker can't be started; those that were started stop.
pub async fn serve<D: Door>(
    sockets: Sockets,
    tls: Option<Tls>,
    make_door: impl Fn(usize) -> Arc<D> + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let stop = shutdown.child_token();
    let _stop_when_dropped = stop.clone().drop_guard();
    let make_door = Arc::new(make_door);
    let crowd = Arc::new(Crowd::default());
    let connections = sockets.connections;
    let seats = sockets.connections.div_ceil(sockets.workers.len().max(1));
    let entrance = match tls {
        Some(tls) => Entrance::Tls(tls),
        None if sockets.h2c => Entrance::Either,
        None => Entrance::Http1,
    };
    let (running, mut done) = mpsc::channel::<()>(1);
    let mut threads = Vec::with_capacity(sockets.workers.len());
    for (number, listeners) in sockets.workers.into_iter().enumerate() {
        let turns = Arc::new(Turns::default());
        let idle = Arc::clone(&turns);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_io_events_per_tick(AT_ONCE)
            .on_thread_park(move || idle.look())
            .build()?;
        let (make_door, entrance) = (Arc::clone(&make_door), entrance.clone());
        let (stop, running, crowd) = (stop.clone(), running.clone(), Arc::clone(&crowd));
        let work = move || {
            // Each socket keeps a seat for who comes next.
            let seats = seats.max(listeners.len() + 1);
            let room = Room { seats, crowd, usual_share: connections.div_ceil(4), turns };
            runtime.block_on(async { Worker::new(make_door(number), entrance, &stop, room).work(listeners).await });
            // A name look-up may still be going on; nobody waits for it anymore.
            runtime.shutdown_background();
            drop(running);
        };
        threads.push(thread::Builder::new().name(format!("worker-{number}")).spawn(work)?);
    }
    drop(running);
    // Nothing is ever sent: this ends when the last worker has.
    done.recv().await;
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a worker ended in a panic");
        }
    }
    Ok(())
}

/// Attends to one connection in HTTP/1 as a worker does that has no others.
#[cfg(any(test, fuzzing))]
pub(crate) async fn attend_one<D: Door>(door: Arc<D>, stream: impl connection::Accepted) {
    let worker = Worker::new(door, Entrance::Http1, &CancellationToken::new(), Room::default());
    let seat = Arc::new(tokio::sync::Semaphore::new(1)).acquire_owned().await.expect("it is never closed");
    connection::attend(worker, stream, Peer::Unix, seat).await;
}
