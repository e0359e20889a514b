//! Connections to one dashboard that are used again, the last one first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::UpstreamError;
use super::connect::{Connector, Http1};
use super::http1::Connection;
use crate::alarm::Alarm;

/// How many connections a worker has to one dashboard at most, for the requests of clients and as many for questions of our
/// own; tunnels are not counted. Whoever comes then waits for one to become free.
pub(super) const CONNECTIONS: usize = 2048;

/// How often it is looked for connections that were closed, and those that nobody used for long.
const SWEPT: Duration = Duration::from_secs(1);

/// What the clones of a pool have in common.
pub(super) struct Shared {
    connector: Arc<Connector>,
    most: usize,
    idle_timeout: Duration,
    pub(super) answer_timeout: Duration,
    state: Mutex<State>,
    /// For the seats: a pool is gone with its last clone, whatever connections are left.
    this: Weak<Shared>,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    open: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    sweeping: bool,
}

struct Idle {
    link: Box<Link>,
    since: Instant,
}

impl Idle {
    fn is_fresh(&mut self, idle_timeout: Duration) -> bool {
        self.since.elapsed() < idle_timeout && self.link.connection.receiver.is_quiet()
    }
}

/// What somebody who waits gets.
enum Turn {
    Reuse(Box<Link>),
    Connect(Seat),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    /// Notices that an answer does not come.
    pub(super) alarm: Alarm,
    _seat: Option<Seat>,
}

impl Link {
    #[expect(clippy::unnecessary_box_returns, reason = "it is handed on with each request, and only as a box")]
    fn new(connection: Connection, seat: Option<Seat>) -> Box<Self> {
        Box::new(Self { connection, alarm: Alarm::default(), _seat: seat })
    }
}

/// Leave to have one connection open. Goes to the next who waits when dropped.
#[derive(Debug)]
struct Seat(Weak<Shared>);

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.lock().open -= 1;
            pool.offer_seat();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl Shared {
    pub(super) fn new(
        connector: Arc<Connector>,
        most: usize,
        idle_timeout: Duration,
        answer_timeout: Duration,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            connector,
            most,
            idle_timeout,
            answer_timeout,
            state: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    pub(super) fn sibling(&self) -> Arc<Self> {
        Self::new(Arc::clone(&self.connector), self.most, self.idle_timeout, self.answer_timeout)
    }

    /// A connection, and whether it was used before.
    pub(super) async fn connection(&self) -> Result<(Box<Link>, bool), UpstreamError> {
        if let Some(link) = self.idle() {
            return Ok((link, true));
        }
        let seat = match self.seat() {
            Ok(seat) => seat,
            Err(turn) => match timeout(self.connector.timeout, turn).await {
                Ok(Ok(Turn::Reuse(link))) => return Ok((link, true)),
                Ok(Ok(Turn::Connect(seat))) => seat,
                Ok(Err(_)) | Err(_) => return Err(UpstreamError::TimedOut { what: "have a connection free" }),
            },
        };
        // Boxed: most requests find a connection, and would carry the room to make one (a TLS handshake) along.
        let connection = Box::pin(self.connector.connect(&Http1)).await?;
        Ok((Link::new(connection, Some(seat)), false))
    }

    /// A connection that is never shared, and not counted.
    pub(super) async fn dedicated(&self) -> Result<Box<Link>, UpstreamError> {
        Ok(Link::new(Box::pin(self.connector.connect(&Http1)).await?, None))
    }

    /// Takes a connection that was made without asking here, if there may be one more.
    pub(super) fn adopt(&self, connection: Connection) {
        if let Ok(seat) = self.seat() {
            self.take_back(Link::new(connection, Some(seat)));
        }
    }

    /// Whether what is spoken is agreed on in a handshake.
    pub(super) fn asks(&self) -> bool {
        self.connector.asks()
    }

    fn idle(&self) -> Option<Box<Link>> {
        loop {
            let mut idle = self.lock().idle.pop()?;
            if idle.is_fresh(self.idle_timeout) {
                return Some(idle.link);
            }
        }
    }

    fn seat(&self) -> Result<Seat, oneshot::Receiver<Turn>> {
        let mut state = self.lock();
        if state.open < self.most {
            state.open += 1;
            return Ok(Seat(Weak::clone(&self.this)));
        }
        let (turn, wait) = oneshot::channel();
        state.waiting.push_back(turn);
        Err(wait)
    }

    /// Takes a connection back if everything was said on it, and nothing more came: whoever waits gets it as it is.
    pub(super) fn take_back(&self, mut link: Box<Link>) {
        if !link.connection.is_settled() {
            return;
        }
        link.connection.receiver.rest();
        // Whoever takes one that is idle looks by then.
        if !self.lock().waiting.is_empty() && !link.connection.receiver.is_quiet() {
            return;
        }
        let Err(Turn::Reuse(link)) = self.offer(Turn::Reuse(link)) else { return };
        let since = Instant::now();
        let mut state = self.lock();
        state.idle.push(Idle { link, since });
        if !std::mem::replace(&mut state.sweeping, true) {
            tokio::spawn(sweep(Weak::clone(&self.this), self.idle_timeout));
        }
    }

    fn offer_seat(&self) {
        let mut state = self.lock();
        if state.open < self.most && !state.waiting.is_empty() {
            state.open += 1;
            drop(state);
            // Nobody left to take it: it is given back here.
            drop(self.offer(Turn::Connect(Seat(Weak::clone(&self.this)))));
        }
    }

    /// Gives it to the first who still waits. Never with the lock held, since what is dropped on the way takes it.
    fn offer(&self, mut turn: Turn) -> Result<(), Turn> {
        loop {
            let Some(next) = self.lock().waiting.pop_front() else { return Err(turn) };
            match next.send(turn) {
                Ok(()) => return Ok(()),
                Err(back) => turn = back,
            }
        }
    }

    fn remove_stale(&self) -> Vec<Idle> {
        let mut state = self.lock();
        let removed = state.idle.extract_if(.., |idle| !idle.is_fresh(self.idle_timeout)).collect();
        state.sweeping = !state.idle.is_empty();
        removed
    }

    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(any(test, fuzzing))]
impl Shared {
    /// A pool of one connection to a dashboard at that address, with this limit for everything.
    fn of_one(address: crate::config::UpstreamAddress, limit: Duration) -> Arc<Self> {
        let upstream = crate::config::Upstream {
            addresses: vec![address],
            http: crate::config::UpstreamHttp::Http1,
            host: None,
            connect_timeout: limit,
            answer_timeout: limit,
            idle_timeout: limit,
        };
        Self::new(Arc::new(Connector::new(&upstream).expect("an address")), 1, limit, limit)
    }

    /// One to a dashboard that can't be reached.
    fn to_nowhere() -> Arc<Self> {
        let nowhere = crate::config::UpstreamAddress::Unix("/nonexistent/dashboard.sock".into());
        Self::of_one(nowhere, Duration::from_secs(20))
    }
}

/// What is held against other readings in `fuzz/targets`.
#[cfg(any(test, fuzzing))]
impl super::Pool {
    /// A pool with this connection to a dashboard, and no way to another.
    pub(crate) fn of_one(stream: impl crate::http1::Stream + 'static) -> Self {
        let http1 = Shared::to_nowhere();
        http1.take_back(Link::new(Connection::new(stream), None));
        Self { own_http1: Arc::clone(&http1), http1, http2: None }
    }

    /// Whether a request would go over a connection that was used before. That one is closed.
    pub(crate) fn would_reuse(&self) -> bool {
        self.http1.idle().is_some()
    }
}

/// Closes connections that are not used, so that the dashboard does not do it under a request.
async fn sweep(pool: Weak<Shared>, idle_timeout: Duration) {
    loop {
        sleep((idle_timeout / 4).clamp(Duration::from_millis(50), SWEPT)).await;
        let Some(pool) = pool.upgrade() else { return };
        drop(pool.remove_stale());
        if !pool.lock().sweeping {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use http::{HeaderValue, StatusCode};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, join};
    use tokio::net::TcpListener;

    use super::super::Pool;
    use super::*;
    use crate::body::Body;
    use crate::config::UpstreamAddress;
    use crate::message::Request;

    /// A pool of one connection, to a dashboard that has no content for whoever asks.
    async fn pool_of_one(patience: Duration) -> Arc<Shared> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while connection.read_buf(&mut head).await.is_ok_and(|count| count > 0) {
                        if head.ends_with(b"\r\n\r\n") {
                            head.clear();
                            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("written");
                        }
                    }
                });
            }
        });
        Shared::of_one(UpstreamAddress::Http { host: "127.0.0.1".into(), port }, patience)
    }

    const PATIENT: Duration = Duration::from_secs(20);

    /// Lets it begin, up to where it has to wait.
    async fn waiting<F: Future>(future: F) -> Pin<Box<F>> {
        let mut future = Box::pin(future);
        let begun = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
        assert!(begun, "has to wait");
        future
    }

    /// Closes a connection at its far end, or says something on it that nobody asked for; it is open for as long as what this
    /// returns is kept.
    async fn spoiled(mut far_end: DuplexStream, is_closed: bool) -> Option<DuplexStream> {
        if is_closed {
            return None;
        }
        far_end.write_all(b"H").await.expect("written");
        Some(far_end)
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_connection_that_becomes_free() {
        let pool = pool_of_one(PATIENT).await;
        let (link, reused) = pool.connection().await.expect("connected");
        assert!(!reused);
        let second = waiting(pool.connection()).await;
        pool.take_back(link);
        let (link, reused) = second.await.expect("had in time");
        assert!(reused);
        drop(link);
        assert!(!pool.connection().await.expect("connected").1);
    }

    #[tokio::test]
    async fn whoever_waits_gets_no_connection_that_was_closed_or_on_which_something_came() {
        for is_closed in [true, false] {
            let pool = pool_of_one(PATIENT).await;
            let (stream, far_end) = duplex(1024);
            let link = Link::new(Connection::new(stream), pool.seat().ok());
            let second = waiting(pool.connection()).await;
            let _kept = spoiled(far_end, is_closed).await;
            pool.take_back(link);
            assert!(!second.await.expect("connected").1);
        }
    }

    #[tokio::test]
    async fn whoever_waits_may_connect_when_a_connection_is_closed() {
        let pool = pool_of_one(PATIENT).await;
        let (link, _) = pool.connection().await.expect("connected");
        let gone = waiting(pool.connection()).await;
        let second = waiting(pool.connection()).await;
        drop(gone);
        drop(link);
        assert!(!second.await.expect("connected").1);
        assert!(!pool.connection().await.expect("its place is free again").1);
    }

    fn request() -> Request<Body> {
        http::Request::get("/").header("host", "a").body(Body::empty()).expect("a request").into()
    }

    fn in_http1(http1: Arc<Shared>) -> Pool {
        Pool { own_http1: Arc::clone(&http1), http1, http2: None }
    }

    #[tokio::test]
    async fn a_connection_is_free_again_once_its_answer_came() {
        let pool = in_http1(pool_of_one(PATIENT).await);
        for _ in 0..3 {
            assert_eq!(pool.ask(request()).await.expect("an answer").status(), StatusCode::NO_CONTENT);
        }
    }

    #[tokio::test]
    async fn a_request_of_which_nothing_could_be_sent_is_sent_on_another_connection() {
        let pool = pool_of_one(PATIENT).await;
        let ((silent, _far_end), (closed, _)) = (duplex(1024), duplex(1024));
        pool.take_back(Link::new(Connection::new(join(silent, closed)), None));
        assert_eq!(in_http1(pool).ask(request()).await.expect("an answer").status(), StatusCode::NO_CONTENT);
    }

    #[tokio::test]
    async fn a_dashboard_that_takes_only_a_part_of_a_request_may_say_why() {
        let ((answers, mut says), (requests, mut hears)) = (duplex(1024), duplex(1024));
        let pool = Pool::of_one(join(answers, requests));
        let dashboard = async move {
            hears.read_exact(&mut [0; 100]).await.expect("the beginning");
            drop(hears);
            says.write_all(b"HTTP/1.1 431 x\r\nContent-Length: 0\r\n\r\n").await.expect("written");
            says
        };
        let mut request = request();
        request.headers_mut().insert("cookie", HeaderValue::try_from("a".repeat(4096)).expect("a value"));
        let (answer, _says) = tokio::join!(pool.ask(request), dashboard);
        assert_eq!(answer.expect("an answer").status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert!(!pool.would_reuse());
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_on_which_something_came_is_not_used_again() {
        let pool = pool_of_one(PATIENT).await;
        for is_closed in [true, false] {
            let (stream, far_end) = duplex(1024);
            pool.take_back(Link::new(Connection::new(stream), None));
            assert!(pool.lock().idle.last_mut().expect("taken back").is_fresh(PATIENT));
            let _kept = spoiled(far_end, is_closed).await;
            let (link, reused) = pool.connection().await.expect("connected");
            assert!(!reused);
            drop(link);
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let pool = pool_of_one(Duration::from_millis(100)).await;
        let _held = pool.connection().await.expect("connected");
        assert!(matches!(pool.connection().await, Err(UpstreamError::TimedOut { .. })));
    }

    #[tokio::test]
    async fn a_dashboard_that_can_not_be_reached_takes_no_place() {
        let unreachable = Shared::to_nowhere();
        for _ in 0..2 {
            assert!(matches!(unreachable.connection().await, Err(UpstreamError::Unreachable(_))));
        }
    }
}
