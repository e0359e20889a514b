//! How a dashboard is reached: its addresses, and connections that are used again.

mod connect;
mod http2;
mod pool;
mod tls;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::body::{Body, BodyError, Download, Progress, STANDSTILL};
use crate::config::{self, UpstreamHttp};
use connect::Connector;
use http2::{StreamLease, Streams};
use pool::{CONNECTIONS, Link, Shared};

pub(crate) use http2::accept;

/// The connections of one worker to one dashboard. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    http1: Arc<Shared>,
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
    Broken(#[source] hyper::Error),
    /// The request's body did not come to its end; only of a request in HTTP/2.
    #[error("the request's body was not whole")]
    Upload(#[source] BodyError),
    /// It is spoken to in HTTP/2, where this can't be asked, and does not say that it speaks HTTP/1.1 at the same address.
    #[error("the upstream is spoken to in HTTP/2, which has no {0}")]
    Http2(&'static str),
    /// It sent an answer that must not be passed on.
    #[error("the upstream's answer has {0}")]
    Malformed(&'static str),
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
        Ok(Self { http1, http2 })
    }

    /// A pool for the same dashboard with connections of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { http1: self.http1.sibling(), http2: self.http2.as_ref().map(|http2| http2.sibling()) }
    }

    /// Sends a request in origin form, and returns the answer, its body to follow. The request must have a `Host`. A pooled
    /// connection that turns out stale is replaced only if nothing of the request was sent.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let (response, lease) = self.exchange(Box::new(request), Purpose::Exchange).await?;
        Ok(response.map(|incoming| Body::Upstream(Download::new(incoming, lease))))
    }

    /// As [`send`](Self::send), with what the body comes on: that is closed when the lease is dropped. The request is boxed,
    /// since it is handed on from one future to the next.
    pub(crate) async fn exchange(
        &self,
        request: Box<Request<Body>>,
        purpose: Purpose,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        match &self.http2 {
            None => self.exchange_in_http1(request, purpose).await,
            // Boxed: most requests are in HTTP/1.1, and would carry the room for it along.
            Some(streams) => Box::pin(self.exchange_in_http2(streams, request, purpose)).await,
        }
    }

    async fn exchange_in_http1(
        &self,
        mut request: Box<Request<Body>>,
        purpose: Purpose,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let upload = request.body_mut().watch();
        let reusable = purpose == Purpose::Exchange && !logs_the_connection_in(request.headers());
        let (response, link) = loop {
            let (mut link, reused) = match purpose {
                Purpose::Exchange => self.http1.connection().await?,
                Purpose::Switch => (self.http1.dedicated().await?, false),
            };
            let Link { sender, alarm, .. } = &mut link;
            let sent = pin!(sender.try_send_request(*request));
            match answer(sent, alarm, upload.as_deref(), self.http1.answer_timeout).await {
                Ok(response) => break (response, link),
                Err(Failure::Unsent(unsent, _)) if reused => request = unsent,
                Err(Failure::Unsent(_, error) | Failure::Broken(error)) => return Err(UpstreamError::Broken(error)),
                Err(Failure::TimedOut) => return Err(UpstreamError::TimedOut { what: "answer" }),
            }
        };
        check(&response, purpose)?;
        let pool = reusable.then(|| Arc::clone(&self.http1));
        Ok((response, Lease(Leased::Link { link, upload, pool })))
    }
}

/// Whether the request carries a login that a dashboard may take for that of the whole connection (RFC 4559), and so of
/// whoever's request came next on it.
fn logs_the_connection_in(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().any(|value| {
        let scheme = value.as_bytes().trim_ascii_start().split(|byte| !byte.is_ascii_alphanumeric()).next();
        scheme.is_some_and(|scheme| [&b"ntlm"[..], b"negotiate"].iter().any(|bad| scheme.eq_ignore_ascii_case(bad)))
    })
}

enum Failure<B> {
    Unsent(Box<Request<B>>, hyper::Error),
    Broken(hyper::Error),
    TimedOut,
}

/// The head of the answer. The limit is for the time after the upload (up to a quarter more of it may pass), which only
/// has to go on: a client that lets it stand still is given up by the body itself, a dashboard that does is given up here.
async fn answer<B>(
    mut sent: Pin<&mut impl Future<Output = Result<Response<Incoming>, TrySendError<Request<B>>>>>,
    alarm: &mut Alarm,
    upload: Option<&Progress>,
    limit: Duration,
) -> Result<Response<Incoming>, Failure<B>> {
    let mut stood_still = Duration::ZERO;
    loop {
        let pieces = upload.map_or(0, Progress::pieces);
        let complete = upload.is_none_or(Progress::is_complete);
        let wait = if complete { limit } else { limit / 4 };
        let deadline = Instant::now() + wait;
        let answered = poll_fn(|cx| match sent.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => alarm.poll(cx, deadline).map(|()| None),
        });
        match answered.await {
            Some(Ok(response)) => return Ok(response),
            Some(Err(error)) => return Err(Failure::of(error)),
            None if complete => return Err(Failure::TimedOut),
            None => {}
        }
        stood_still = if upload.map_or(0, Progress::pieces) == pieces { stood_still + wait } else { Duration::ZERO };
        if stood_still > 2 * STANDSTILL {
            return Err(Failure::TimedOut);
        }
    }
}

impl<B> Failure<B> {
    fn of(mut error: TrySendError<Request<B>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request), error.into_error()),
            None => Self::Broken(error.into_error()),
        }
    }
}

/// Refuses an answer whose length could be read in two ways, and a switch of protocols that nobody asked for.
fn check(response: &Response<Incoming>, purpose: Purpose) -> Result<(), UpstreamError> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && purpose == Purpose::Exchange {
        return Err(UpstreamError::Malformed("a switch of protocols that nobody asked for"));
    }
    check_length(response.headers())
}

fn check_length(headers: &HeaderMap) -> Result<(), UpstreamError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(UpstreamError::Malformed("both a length and a transfer coding"));
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(UpstreamError::Malformed("an unknown transfer coding"));
    }
    Ok(())
}

/// What an answer comes on, for as long as it does: a connection in HTTP/1.1, a stream in HTTP/2. Dropped, it is closed.
#[derive(Debug)]
pub struct Lease(Leased);

#[derive(Debug)]
enum Leased {
    Link {
        link: Link,
        /// `None` if the request had no body.
        upload: Option<Arc<Progress>>,
        /// Where the connection can be used again; `None` if it can't.
        pool: Option<Arc<Shared>>,
    },
    Stream(StreamLease),
}

impl Lease {
    const fn in_http2(stream: StreamLease) -> Self {
        Self(Leased::Stream(stream))
    }

    /// The answer came as a whole: the connection can be used again, if the request was sent as a whole, too.
    pub(crate) fn settle(self) {
        match self.0 {
            Leased::Link { link, upload, pool: Some(pool) } if upload.as_deref().is_none_or(Progress::is_complete) => {
                pool.take_back(link);
            }
            Leased::Link { .. } => {}
            Leased::Stream(stream) => stream.settle(),
        }
    }

    /// What has to be held for as long as what it was switched to lasts: in HTTP/1.1 nothing, since the connection is no
    /// longer one for requests, and this holds what only requests need.
    pub(crate) fn switched(self) -> Option<Self> {
        match &self.0 {
            Leased::Link { .. } => None,
            Leased::Stream(_) => Some(self),
        }
    }

    /// Whether the body of an answer was cut off where the library says that it has ended.
    pub(crate) fn is_cut(&self, answer: &Incoming) -> bool {
        match &self.0 {
            Leased::Link { .. } => false,
            Leased::Stream(stream) => stream.is_cut(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_login_for_the_whole_connection_is_told_from_one_for_a_request() {
        let logs_in = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (AUTHORIZATION, HeaderValue::from_static(line)));
            let mut headers = HeaderMap::new();
            headers.extend(lines);
            logs_the_connection_in(&headers)
        };
        assert!(logs_in(&["NTLM TlRMTVNTUAAB"]) && logs_in(&["negotiate YIIF"]) && logs_in(&["Basic x", "NTLM\tx"]));
        assert!(!logs_in(&[]) && !logs_in(&["Basic TlRMTSB4"]) && !logs_in(&["Bearer negotiate"]) && !logs_in(&[""]));
    }

    #[test]
    fn an_answer_has_one_length() {
        let with = |fields: &[(http::HeaderName, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            fields.for_each(|(name, value)| _ = headers.append(name, value));
            check_length(&headers).is_ok()
        };
        assert!(with(&[]));
        assert!(with(&[(CONTENT_LENGTH, "5")]));
        assert!(with(&[(TRANSFER_ENCODING, "Chunked")]));
        assert!(!with(&[(TRANSFER_ENCODING, "chunked"), (CONTENT_LENGTH, "5")]));
        assert!(!with(&[(TRANSFER_ENCODING, "gzip, chunked")]));
        assert!(!with(&[(TRANSFER_ENCODING, "chunked"), (TRANSFER_ENCODING, "chunked")]));
    }
}
