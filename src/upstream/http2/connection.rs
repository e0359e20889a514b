//! One connection in HTTP/2: its limits, what the dashboard says of it, and its end.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{self, ResponseFuture, SendRequest};
use http::Request;
use http::uri::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::http2::{Alive, lend};
use crate::upstream::{LAST_BYTES, UpstreamError};

/// How many requests a connection may have in progress, however many more the dashboard would take.
pub(super) const STREAMS: usize = 100;

/// How much the dashboard may send ahead in one answer, and so a hundred times that in all of a connection.
const STREAM_WINDOW: u32 = 128 * 1024;

/// More than all answers together, since those who do not read theirs must not hold up everybody else's. So much more because
/// the library ends the connection over many small pieces that nobody reads, and has half of this for what each has less than
/// 256 bytes: a hundred answers in pieces of ten have room there.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// How many answers that were given up are remembered, of which more may be on its way: three for each request.
const GIVEN_UP: usize = 3 * STREAMS;

/// The largest head of an answer, counted as section 6.5.2 of RFC 9113 does, which is 32 bytes more a field.
const HEAD: u32 = 64 * 1024;

/// How much of an upload the library keeps for a dashboard that does not take it.
const SEND_BUFFER: usize = 64 * 1024;

/// A connection. Dropped, it is closed once everything was said on it.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    scheme: Scheme,
    state: Arc<State>,
    _unused: DropGuard,
}

#[derive(Default)]
struct State {
    /// How many requests are in progress.
    open: AtomicUsize,
    /// Whether the dashboard takes none anymore.
    is_over: AtomicBool,
}

impl Connection {
    /// Begins, and waits until the dashboard has said that it speaks HTTP/2 as well. `changed` is called whenever it takes
    /// more or fewer requests than before.
    pub(super) async fn begin<S>(
        stream: S,
        scheme: Scheme,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, heard, _) = lend(stream);
        let (sender, mut connection) = client::Builder::new()
            .enable_push(false)
            .initial_max_send_streams(0)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD)
            .max_send_buffer_size(SEND_BUFFER)
            .max_concurrent_reset_streams(GIVEN_UP)
            // The library would end the connection, which everybody shares, over what dashboards say wrongly, or too late of
            // what was given up, counted from its beginning on: whoever gives up often would take it from others.
            .max_local_error_reset_streams(None)
            .handshake(stream)
            .await
            .map_err(no_http2)?;
        let pings = connection.ping_pong().expect("nobody else has asked for it");
        let (tell, introduced) = oneshot::channel();
        let (state, unused) = (Arc::<State>::default(), CancellationToken::new());
        let driver = Driver {
            connection,
            sender: Some(sender.clone()),
            alive: Alive::new(pings, heard),
            takes: (0, true),
            introduced: Some(tell),
            state: Arc::clone(&state),
            changed,
        };
        tokio::spawn(driver.drive(unused.clone()));
        let connection = Self { sender, scheme, state, _unused: unused.drop_guard() };
        match introduced.await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => Err(no_http2(error)),
            Err(_) => Err(no_http2(io::Error::from(io::ErrorKind::UnexpectedEof))),
        }
    }

    /// How many requests it may have in progress.
    pub(super) fn streams(&self) -> usize {
        if self.is_over() { 0 } else { self.sender.current_max_send_streams().min(STREAMS) }
    }

    pub(super) fn takes_websockets(&self) -> bool {
        self.sender.is_extended_connect_protocol_enabled()
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.is_over.load(Ordering::Acquire)
    }

    pub(super) const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// One more request is in progress. While there is any, the dashboard has to show that it is there.
    pub(super) fn note_begun(&self) {
        self.state.open.fetch_add(1, Ordering::Relaxed);
    }

    /// One less is.
    pub(super) fn note_ended(&self) {
        self.state.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sends the head of a request, which may be `all` of it. After an error, nothing was sent.
    pub(super) async fn send(
        &self,
        head: Request<()>,
        all: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut sender = self.sender.clone();
        poll_fn(|cx| sender.poll_ready(cx)).await?;
        sender.send_request(head, all)
    }
}

/// Whoever can't speak it is not there.
fn no_http2(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> UpstreamError {
    UpstreamError::Unreachable(io::Error::other(NoHttp2(error.into())))
}

#[derive(Debug, thiserror::Error)]
#[error("it does not speak HTTP/2")]
struct NoHttp2(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Drives a connection from its beginning to its end.
struct Driver<S, C> {
    connection: client::Connection<S, Bytes>,
    /// Knows whether the dashboard takes requests. For as long as it is there, the library keeps the connection open.
    sender: Option<SendRequest<Bytes>>,
    alive: Alive,
    /// How many requests the dashboard takes at a time (none before its settings came), and whether it takes any still.
    takes: (usize, bool),
    introduced: Option<oneshot::Sender<Result<(), h2::Error>>>,
    state: Arc<State>,
    changed: C,
}

impl<S, C> Driver<S, C>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Fn(),
{
    async fn drive(mut self, unused: CancellationToken) {
        let mut unused = pin!(unused.cancelled());
        let ended = poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => unused.as_mut().poll(cx).map(|()| false),
        });
        if !ended.await {
            self.sender = None;
            // What was begun is said to its end, if that is soon.
            drop(timeout(LAST_BYTES, poll_fn(|cx| self.poll(cx))).await);
        }
        self.note(0, false);
    }

    /// Ready once it has ended, or the dashboard is gone.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ended = Pin::new(&mut self.connection).poll(cx);
        let takes_any =
            self.sender.as_mut().is_some_and(|sender| !matches!(sender.poll_ready(cx), Poll::Ready(Err(_))));
        self.note(self.connection.max_concurrent_send_streams(), takes_any);
        if let Poll::Ready(Err(error)) = ended {
            if let Some(introduced) = self.introduced.take() {
                // Whoever is gone by now does not want the connection either.
                drop(introduced.send(Err(error)));
            } else {
                tracing::debug!(%error, "a connection to an upstream broke off");
            }
            return Poll::Ready(());
        }
        if self.takes.0 > 0
            && let Some(introduced) = self.introduced.take()
        {
            drop(introduced.send(Ok(())));
        }
        if ended.is_ready() {
            return Poll::Ready(());
        }
        self.alive.poll_gone(cx, self.state.open.load(Ordering::Relaxed) > 0)
    }

    fn note(&mut self, streams: usize, takes_any: bool) {
        self.state.is_over.store(!takes_any, Ordering::Release);
        if std::mem::replace(&mut self.takes, (streams, takes_any)) != (streams, takes_any) {
            (self.changed)();
        }
    }
}
