//! The connections in HTTP/2 of one worker to one dashboard, and who gets the room there is on them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::Request;
use http::uri::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Connection, STREAMS};
use crate::upstream::UpstreamError;
use crate::upstream::connect::{Connector, Http1, Speech};
use crate::upstream::http1;
use crate::upstream::tls::{Agreement, Offer};

/// How long a dashboard that chose HTTP/1.1 is not asked again.
const CHOSEN: Duration = Duration::from_mins(1);

/// What the clones of a pool have in common.
pub(in crate::upstream) struct Streams {
    connector: Arc<Connector>,
    most: usize,
    idle_timeout: Duration,
    state: Mutex<State>,
    /// For those who have a stream: a pool is gone with its last clone.
    this: Weak<Self>,
}

struct State {
    connections: Vec<Held>,
    /// How many connections are being made.
    connecting: usize,
    /// How many requests the last connection took at a time.
    each: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    http1_until: Option<Instant>,
    sweeping: bool,
}

struct Held {
    connection: Arc<Connection>,
    /// How many requests are in progress.
    open: usize,
    /// Since when there are none.
    since: Instant,
}

/// Where a request can be sent.
pub(super) enum Room {
    Stream(Arc<Stream>),
    /// The dashboard chose HTTP/1.1, maybe on this very connection.
    Http1(Option<http1::Connection>),
}

/// What somebody who waits gets.
enum Turn {
    Stream(Stream),
    Http1,
    Connect(Leave),
}

/// Room for one request on a connection. Goes to the next who waits when dropped.
pub(super) struct Stream {
    connection: Arc<Connection>,
    streams: Weak<Streams>,
}

impl Stream {
    pub(super) fn scheme(&self) -> &Scheme {
        self.connection.scheme()
    }

    pub(super) fn takes_websockets(&self) -> bool {
        self.connection.takes_websockets()
    }

    pub(super) async fn send(
        &self,
        head: Request<()>,
        all: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.connection.send(head, all).await
    }

    fn on(connection: Arc<Connection>, streams: &Weak<Streams>) -> Self {
        connection.note_begun();
        Self { connection, streams: Weak::clone(streams) }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.note_ended();
        if let Some(streams) = self.streams.upgrade() {
            streams.release(&self.connection);
            streams.distribute();
        }
    }
}

/// Leave to make one connection. Goes to the next who waits when dropped.
struct Leave(Weak<Streams>);

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(streams) = self.0.upgrade() {
            streams.lock().connecting -= 1;
            streams.distribute();
        }
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

impl Streams {
    pub(in crate::upstream) fn new(connector: Arc<Connector>, most: usize, idle_timeout: Duration) -> Arc<Self> {
        let state = State {
            connections: Vec::new(),
            connecting: 0,
            each: STREAMS,
            waiting: VecDeque::new(),
            http1_until: None,
            sweeping: false,
        };
        let state = Mutex::new(state);
        Arc::new_cyclic(|this| Self { connector, most, idle_timeout, state, this: Weak::clone(this) })
    }

    pub(in crate::upstream) fn sibling(&self) -> Arc<Self> {
        Self::new(Arc::clone(&self.connector), self.most, self.idle_timeout)
    }

    /// Room for a request, on a connection that is there or on a new one.
    pub(super) async fn stream(&self) -> Result<Room, UpstreamError> {
        let turn = match self.turn_or_wait() {
            Ok(turn) => turn,
            Err(wait) => match timeout(self.connector.timeout, wait).await {
                Ok(Ok(turn)) => turn,
                Ok(Err(_)) | Err(_) => return Err(UpstreamError::TimedOut { what: "have a connection free" }),
            },
        };
        match turn {
            Turn::Stream(stream) => Ok(Room::Stream(Arc::new(stream))),
            Turn::Http1 => Ok(Room::Http1(None)),
            Turn::Connect(leave) => self.connect(leave).await,
        }
    }

    async fn connect(&self, leave: Leave) -> Result<Room, UpstreamError> {
        let spoken = self.connector.connect(&Negotiation(Weak::clone(&self.this))).await?;
        let mut state = self.lock();
        let room = match spoken {
            Agreed::Http1(made) => {
                state.http1_until = Some(Instant::now() + CHOSEN);
                Room::Http1(Some(made))
            }
            Agreed::Http2(connection) => {
                let connection = Arc::new(connection);
                state.each = connection.streams().max(1);
                state.connections.push(Held { connection: Arc::clone(&connection), open: 1, since: Instant::now() });
                Room::Stream(Arc::new(Stream::on(connection, &self.this)))
            }
        };
        drop(state);
        // Others get what room there is beside.
        drop(leave);
        Ok(room)
    }

    fn turn_or_wait(&self) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut state = self.lock();
        let others = state.waiting.len();
        if let Some(turn) = self.turn(&mut state, others) {
            return Ok(turn);
        }
        let (turn, wait) = oneshot::channel();
        state.waiting.push_back(turn);
        Err(wait)
    }

    /// What whoever comes after so many others gets at once, if anything.
    fn turn(&self, state: &mut State, others: usize) -> Option<Turn> {
        let now = Instant::now();
        if state.http1_until.is_some_and(|until| now < until) {
            return Some(Turn::Http1);
        }
        if let Some(held) = state.connections.iter_mut().find(|held| held.has_room(now, self.idle_timeout)) {
            held.open += 1;
            return Some(Turn::Stream(Stream::on(Arc::clone(&held.connection), &self.this)));
        }
        let is_room_coming = state.connecting * (state.each - 1) > others;
        if is_room_coming || state.connections.len() + state.connecting >= self.most {
            return None;
        }
        state.connecting += 1;
        Some(Turn::Connect(Leave(Weak::clone(&self.this))))
    }

    /// Gives to those who wait what there is. Never with the lock held, since what is dropped on the way takes it.
    fn distribute(&self) {
        loop {
            let mut state = self.lock();
            while state.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                state.waiting.pop_front();
            }
            let Some(others) = state.waiting.len().checked_sub(1) else { return };
            let Some(turn) = self.turn(&mut state, others) else { return };
            let next = state.waiting.pop_front();
            drop(state);
            // Whoever is gone gives it back here.
            drop(next.map(|next| next.send(turn)));
        }
    }

    fn release(&self, connection: &Arc<Connection>) {
        let mut state = self.lock();
        let Some(at) = state.connections.iter().position(|held| Arc::ptr_eq(&held.connection, connection)) else {
            return;
        };
        let held = &mut state.connections[at];
        held.open -= 1;
        held.since = Instant::now();
        if held.open > 0 {
            return;
        }
        let over = held.connection.is_over().then(|| state.connections.swap_remove(at));
        if over.is_none() && !std::mem::replace(&mut state.sweeping, true) {
            tokio::spawn(sweep(Weak::clone(&self.this), self.idle_timeout));
        }
        drop(state);
        drop(over);
    }

    fn remove_stale(&self) -> Vec<Held> {
        let (now, mut state) = (Instant::now(), self.lock());
        let fresh = |held: &Held| held.open > 0 || held.has_room(now, self.idle_timeout);
        let (kept, removed) = std::mem::take(&mut state.connections).into_iter().partition(fresh);
        state.connections = kept;
        state.sweeping = state.connections.iter().any(|held| held.open == 0);
        removed
    }

    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn has_room(&self, now: Instant, idle_timeout: Duration) -> bool {
        let is_fresh = self.open > 0 || now.duration_since(self.since) < idle_timeout;
        is_fresh && self.open < self.connection.streams()
    }
}

/// Closes connections that are not used, so that the dashboard does not do it under a request.
async fn sweep(streams: Weak<Streams>, idle_timeout: Duration) {
    loop {
        sleep((idle_timeout / 4).max(Duration::from_millis(50))).await;
        let Some(streams) = streams.upgrade() else { return };
        drop(streams.remove_stale());
        // Those that were closed may have been too many for another.
        streams.distribute();
        if !streams.lock().sweeping {
            return;
        }
    }
}

/// HTTP/2 as configured: beforehand where nothing is agreed, else what the dashboard chooses.
struct Negotiation(Weak<Streams>);

enum Agreed {
    Http1(http1::Connection),
    Http2(Connection),
}

impl Speech for Negotiation {
    type Spoken = Agreed;
    const OFFER: Offer = Offer::Http2OrHttp1;

    async fn begin<S>(&self, stream: S, agreed: Option<Agreement>) -> Result<Agreed, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let scheme = match agreed {
            None => Scheme::HTTP,
            Some(Agreement::Http2) => Scheme::HTTPS,
            Some(Agreement::Http1) => return Http1.begin(stream, agreed).await.map(Agreed::Http1),
        };
        let streams = Weak::clone(&self.0);
        let changed = move || _ = streams.upgrade().map(|streams| streams.distribute());
        Connection::begin(stream, scheme, changed).await.map(Agreed::Http2)
    }
}
