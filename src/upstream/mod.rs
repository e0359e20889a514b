//! How a dashboard is reached: its addresses, and connections that are used again.

mod connect;
mod http1;
mod http2;
mod incoming;
mod pool;
mod tls;

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::task::unconstrained;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::body::{Body, BodyError, Download, Progress, STANDSTILL};
use crate::config::{self, UpstreamHttp};
use crate::message::{Fields, Request, Response};
use connect::Connector;
use http2::Streams;
use pool::{CONNECTIONS, Shared};

pub(crate) use http2::accept;
pub use incoming::Incoming;
pub(crate) use incoming::Switched;

/// The connections of one worker to one dashboard. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    http1: Arc<Shared>,
    /// Those on which nothing but questions of our own is asked. Where a dashboard says more than one answer, in a way that
    /// can't be seen, whoever has it say so must not choose what we hear of who has logged in.
    own_http1: Arc<Shared>,
    /// `None` where only HTTP/1.1 is spoken.
    http2: Option<Arc<Streams>>,
}

/// Why there is no answer. The client reads one of these, the log reads the causes.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: refused, unreachable, no such name, a certificate that does not hold.
    #[error("the upstream can't be reached")]
    Unreachable(#[source] std::io::Error),
    /// No connection, or no head of an answer, in time.
    #[error("the upstream did not {what} in time")]
    TimedOut {
        /// What it was waited for: `accept a connection`, `answer`.
        what: &'static str,
    },
    /// It closed the connection, or what it sent is no HTTP.
    #[error("the upstream broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// The request's body did not come to its end.
    #[error("the request's body was not whole")]
    Upload(#[source] BodyError),
    /// It is spoken to in HTTP/2, where this can't be asked, and does not say that it speaks HTTP/1.1 at the same address.
    #[error("the upstream is spoken to in HTTP/2, which has no {0}")]
    Http2(&'static str),
    /// It sent an answer that must not be passed on.
    #[error("the upstream's answer has {0}")]
    Malformed(&'static str),
}

/// How long the last bytes of an upload may take once the answer came as a whole, and the end of a connection in HTTP/2 that
/// is not used anymore.
const LAST_BYTES: Duration = Duration::from_secs(30);

/// What an answer has, or is, that switches protocols though it was not asked to.
const UNASKED_SWITCH: &str = "a switch of protocols that nobody asked for";

impl UpstreamError {
    fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }
}

/// Who is told of the head of a 103 (RFC 8297) that comes before the answer: an extension of a request.
#[derive(Clone)]
pub(crate) struct OnEarlyHints(Arc<dyn Fn(&Fields) + Send + Sync>);

impl OnEarlyHints {
    pub(crate) fn new(tell: impl Fn(&Fields) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    fn say(&self, hints: &Fields) {
        (self.0)(hints);
    }
}

/// What is asked of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A request and its answer.
    Exchange,
    /// A switch to another protocol: a connection of its own, that is never used for anything else.
    Switch,
}

impl Pool {
    /// A pool for this dashboard, without connections yet. Reads the authorities to believe, so a worker should rather
    /// have the [`sibling`](Self::sibling) of another's.
    pub fn new(upstream: &config::Upstream) -> std::io::Result<Self> {
        let connector = Arc::new(Connector::new(upstream)?);
        let http2 = match upstream.http {
            UpstreamHttp::Http1 => None,
            UpstreamHttp::Http2 => Some(Streams::new(Arc::clone(&connector), CONNECTIONS, upstream.idle_timeout)),
        };
        let http1 = Shared::new(connector, CONNECTIONS, upstream.idle_timeout, upstream.answer_timeout);
        Ok(Self { own_http1: http1.sibling(), http1, http2 })
    }

    /// A pool for the same dashboard with connections of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self {
            http1: self.http1.sibling(),
            own_http1: self.own_http1.sibling(),
            http2: self.http2.as_ref().map(|http2| http2.sibling()),
        }
    }

    /// Asks a question of our own, and returns the answer, its body to follow. In HTTP/1.1 it goes over a connection that no
    /// request of a client ever went over.
    pub async fn ask(&self, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let own = Self { http1: Arc::clone(&self.own_http1), ..self.clone() };
        let response = own.exchange(Box::new(request), Purpose::Exchange).await?;
        Ok(response.map(|incoming| Body::Upstream(Box::new(Download::new(incoming)))))
    }

    /// Sends a request in origin form, and returns the answer, with what comes after its head as it is. The request must have
    /// a `Host`; it is boxed, since it is handed on from one future to the next. A pooled connection that turns out stale is
    /// replaced only if nothing of the request was sent.
    pub(crate) async fn exchange(
        &self,
        request: Box<Request<Body>>,
        purpose: Purpose,
    ) -> Result<Response<Incoming>, UpstreamError> {
        match &self.http2 {
            None => self.exchange_in_http1(request, purpose).await,
            // Boxed: most requests are in HTTP/1.1, and would carry the room for it along.
            Some(streams) => Box::pin(self.exchange_in_http2(streams, request, purpose)).await,
        }
    }
}

/// Whether the request carries a login that a dashboard may take for that of the whole connection (RFC 4559), and so of
/// whoever's request came next on it.
fn logs_the_connection_in(headers: &Fields) -> bool {
    headers.get_all(AUTHORIZATION).any(|value| {
        let scheme = value.as_bytes().trim_ascii_start().split(|byte| !byte.is_ascii_alphanumeric()).next();
        scheme.is_some_and(|scheme| [&b"ntlm"[..], b"negotiate"].iter().any(|bad| scheme.eq_ignore_ascii_case(bad)))
    })
}

/// What an exchange comes to, up to the head of the answer; `None` if that does not come in time. The limit is for the
/// time after the upload (up to a quarter more of it may pass), which only has to go on: a client that lets it stand still
/// is given up by the body itself, a dashboard that does is given up here.
async fn in_time<T>(
    mut exchange: Pin<&mut impl Future<Output = T>>,
    alarm: &mut Alarm,
    upload: Option<&Progress>,
    limit: Duration,
) -> Option<T> {
    let mut stood_still = Duration::ZERO;
    loop {
        let pieces = upload.map_or(0, Progress::pieces);
        let complete = upload.is_none_or(Progress::is_complete);
        let wait = if complete { limit } else { limit / 4 };
        let deadline = Instant::now() + wait;
        let answered = poll_fn(|cx| match exchange.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // An exchange that never has to wait has used up what this task may do at once: time goes by all the same.
            Poll::Pending => pin!(unconstrained(poll_fn(|cx| alarm.poll(cx, deadline)))).poll(cx).map(|()| None),
        });
        match answered.await {
            Some(answer) => return Some(answer),
            None if complete => return None,
            None => {}
        }
        stood_still = if upload.map_or(0, Progress::pieces) == pieces { stood_still + wait } else { Duration::ZERO };
        if stood_still > 2 * STANDSTILL {
            return None;
        }
    }
}

/// Whether an answer comes in chunks. One whose length could be read in two ways is refused.
fn check_length(headers: &Fields) -> Result<bool, UpstreamError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING);
    let Some(coding) = codings.next() else { return Ok(false) };
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(UpstreamError::Malformed("both a length and a transfer coding"));
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(UpstreamError::Malformed("an unknown transfer coding"));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_login_for_the_whole_connection_is_told_from_one_for_a_request() {
        let logs_in = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (AUTHORIZATION, HeaderValue::from_static(line)));
            logs_the_connection_in(&lines.collect())
        };
        assert!(logs_in(&["NTLM TlRMTVNTUAAB"]) && logs_in(&["negotiate YIIF"]) && logs_in(&["Basic x", "NTLM\tx"]));
        assert!(!logs_in(&[]) && !logs_in(&["Basic TlRMTSB4"]) && !logs_in(&["Bearer negotiate"]) && !logs_in(&[""]));
    }

    #[tokio::test]
    async fn a_question_is_never_asked_where_a_client_has_asked_nor_the_other_way_round() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (tell, mut told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let (mut connection, _) = listener.accept().await.expect("a connection");
                let tell = tell.clone();
                tokio::spawn(async move {
                    let mut head = [0; 28];
                    while connection.read_exact(&mut head).await.is_ok() {
                        tell.send((number, head[5])).expect("heard");
                        connection.write_all(b"HTTP/1.1 204 x\r\n\r\n").await.expect("written");
                    }
                });
            }
        });
        let limit = Duration::from_secs(20);
        let pool = Pool::new(&config::Upstream {
            addresses: vec![config::UpstreamAddress::Http { host: "127.0.0.1".into(), port }],
            http: UpstreamHttp::Http1,
            host: None,
            connect_timeout: limit,
            answer_timeout: limit,
            idle_timeout: limit,
        })
        .expect("an address");
        let request = |path: &str| -> Request<Body> {
            http::Request::get(path).header("host", "a").body(Body::empty()).expect("a request").into()
        };
        let mut came = Vec::new();
        for _ in 0..2 {
            pool.exchange(Box::new(request("/c")), Purpose::Exchange).await.expect("an answer");
            came.push(told.recv().await.expect("a request"));
            pool.ask(request("/q")).await.expect("an answer");
            came.push(told.recv().await.expect("a request"));
        }
        assert_eq!(came, [(0, b'c'), (1, b'q'), (0, b'c'), (1, b'q')]);
    }

    #[tokio::test]
    async fn an_exchange_that_always_goes_on_is_given_up_in_time() {
        let endless = pin!(async {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        let mut alarm = Alarm::default();
        let in_time = in_time(endless, &mut alarm, None, Duration::from_millis(10));
        let ended: Option<()> = timeout(Duration::from_secs(20), in_time).await.expect("given up by now");
        assert!(ended.is_none());
    }

    #[test]
    fn an_answer_has_one_length() {
        let with = |fields: &[(http::HeaderName, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            check_length(&fields.collect()).is_ok()
        };
        assert!(with(&[]));
        assert!(with(&[(CONTENT_LENGTH, "5")]));
        assert!(with(&[(TRANSFER_ENCODING, "Chunked")]));
        assert!(!with(&[(TRANSFER_ENCODING, "chunked"), (CONTENT_LENGTH, "5")]));
        assert!(!with(&[(TRANSFER_ENCODING, "gzip, chunked")]));
        assert!(!with(&[(TRANSFER_ENCODING, "chunked"), (TRANSFER_ENCODING, "chunked")]));
    }

    #[tokio::test]
    async fn an_answer_that_says_its_length_is_read_in_few_pieces() {
        // What comes with the head is little, and no more than 256 KiB are read at once.
        for (length, pieces) in [(4_000, 1), (20_000, 2), (1 << 20, 5)] {
            let (stream, mut dashboard) = duplex(1 << 21);
            let pool = Pool::of_one(stream);
            let answers = async {
                dashboard.read_exact(&mut [0; 27]).await.expect("a request");
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                dashboard.write_all(&[head.into_bytes(), vec![b'x'; length]].concat()).await.expect("written");
            };
            let request = http::Request::get("/").header("host", "a").body(Body::empty()).expect("a request");
            let (answer, ()) = tokio::join!(pool.ask(request.into()), answers);
            let (mut body, mut came) = (answer.expect("an answer").into_parts().1, Vec::new());
            while let Some(frame) = body.frame().await {
                came.push(frame.expect("all of it").into_data().expect("no trailers").len());
            }
            assert_eq!((came.iter().sum::<usize>(), came.len()), (length, pieces), "{came:?}");
        }
    }
}
