//! One connection in HTTP/2: its limits, what the dashboard says of it, and its end.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::outgoing::Outgoing;
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

/// After how long a silence the dashboard is asked whether it is still there while it owes something, and how long it may
/// take to say so.
const PING: Duration = Duration::from_secs(20);

/// A connection. Dropped, it is closed once everything was said on it.
pub(super) struct Connection {
    sender: http2::SendRequest<Outgoing>,
    scheme: Scheme,
    said: Arc<Said>,
    _unused: DropGuard,
}

/// What the dashboard says of the connection.
#[derive(Default)]
struct Said {
    /// How many requests it takes at a time; none before its settings came.
    streams: AtomicUsize,
    takes_websockets: AtomicBool,
    /// Whether it takes none anymore.
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
        let (tasks, said) = (Tasks::default(), Arc::new(Said::default()));
        let (sender, connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .initial_max_send_streams(0)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD)
            .max_send_buf_size(SEND_BUFFER)
            .max_concurrent_reset_streams(GIVEN_UP)
            // The library would end the connection, which everybody shares, over what dashboards say wrongly, or too late of
            // what was given up, counted from its beginning on: whoever gives up often would take it from others.
            .max_local_error_reset_streams(None)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(no_http2)?;
        let (tell, introduced) = oneshot::channel();
        let unused = CancellationToken::new();
        let driver = Driver { tasks, said: Arc::clone(&said), unused: unused.clone(), changed };
        tokio::spawn(driver.drive(connection, tell));
        let connection = Self { sender, scheme, said, _unused: unused.drop_guard() };
        match introduced.await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => Err(no_http2(error)),
            Err(_) => Err(no_http2(io::Error::from(io::ErrorKind::UnexpectedEof))),
        }
    }

    /// How many requests it may have in progress.
    pub(super) fn streams(&self) -> usize {
        if self.is_over() { 0 } else { self.said.streams.load(Ordering::Acquire).min(STREAMS) }
    }

    pub(super) fn takes_websockets(&self) -> bool {
        self.said.takes_websockets.load(Ordering::Acquire)
    }

    pub(super) fn is_over(&self) -> bool {
        self.said.is_over.load(Ordering::Acquire) || self.sender.is_closed()
    }

    pub(super) const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) fn send(
        &self,
        request: Request<Outgoing>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>> + use<> {
        self.sender.clone().try_send_request(request)
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
struct Driver<C> {
    tasks: Tasks,
    said: Arc<Said>,
    unused: CancellationToken,
    changed: C,
}

type Dispatch<S> = http2::Connection<TokioIo<S>, Outgoing, Tasks>;

impl<C: Fn() + Send + Sync + 'static> Driver<C> {
    async fn drive<S>(self, connection: Dispatch<S>, introduced: oneshot::Sender<hyper::Result<()>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        WORK.scope(RefCell::default(), self.dispatch(connection, introduced)).await;
        self.said.is_over.store(true, Ordering::Release);
        (self.changed)();
        // What was begun goes on; a connection that is left alone ends soon.
        let left_alone = async {
            self.unused.cancelled().await;
            sleep(LAST_BYTES).await;
        };
        tokio::select! {
            // Whoever has something on it is told by the library.
            () = self.tasks.0.ended.cancelled() => {}
            () = left_alone => self.tasks.0.end.cancel(),
        }
    }

    /// Hands requests over, until no more can be.
    async fn dispatch<S>(&self, connection: Dispatch<S>, introduced: oneshot::Sender<hyper::Result<()>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connection = pin!(connection);
        let mut introduced = Some(introduced);
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut connection => break ended,
                () = self.tasks.0.news.notified() => {}
            }
            self.note(connection.current_max_send_streams(), connection.is_extended_connect_protocol_enabled());
            if self.said.streams.load(Ordering::Relaxed) > 0
                && let Some(introduced) = introduced.take()
            {
                // Whoever is gone by now does not want the connection either.
                drop(introduced.send(Ok(())));
            }
        };
        match (ended, introduced.take()) {
            (Err(error), Some(introduced)) => drop(introduced.send(Err(error))),
            (Err(error), None) => tracing::debug!(%error, "a connection to an upstream broke off"),
            (Ok(()), _) => {}
        }
    }

    fn note(&self, streams: usize, takes_websockets: bool) {
        self.said.takes_websockets.store(takes_websockets, Ordering::Release);
        if self.said.streams.swap(streams, Ordering::AcqRel) != streams {
            (self.changed)();
        }
    }
}

/// Runs what the library does for one connection, each part as a task.
#[derive(Clone, Default)]
struct Tasks(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Whether the first task has begun, which is the connection itself.
    begun: AtomicBool,
    /// Told whenever the connection itself has done something: the library has no other way to learn of settings.
    news: Notify,
    /// Cancelled when the connection itself has ended.
    ended: CancellationToken,
    /// Ends all of it.
    end: CancellationToken,
}

tokio::task_local! {
    /// The life of the request that is worked for.
    static WORK: RefCell<Option<CancellationToken>>;
}

/// Whatever begins next in this task ends with that life, and so does what it begins itself.
pub(super) fn work_for(life: &CancellationToken) {
    // Whoever is not at work for a connection begins nothing.
    let _ = WORK.try_with(|work| *work.borrow_mut() = Some(life.clone()));
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let shared = Arc::clone(&self.0);
        if !shared.begun.swap(true, Ordering::Relaxed) {
            tokio::spawn(shared.run_connection(task));
            return;
        }
        let life = WORK.try_with(|work| work.borrow().clone()).ok().flatten();
        tokio::spawn(WORK.scope(RefCell::new(life.clone()), async move {
            let life = life.unwrap_or_default();
            tokio::select! {
                biased;
                () = life.cancelled() => {}
                () = shared.end.cancelled() => {}
                () = task => {}
            }
        }));
    }
}

impl Shared {
    async fn run_connection(self: Arc<Self>, connection: impl Future<Output = ()>) {
        let mut connection = pin!(connection);
        let observed = poll_fn(|cx| {
            let polled: Poll<()> = Pin::new(&mut connection).poll(cx);
            self.news.notify_one();
            polled
        });
        self.end.run_until_cancelled(observed).await;
        self.ended.cancel();
    }
}
