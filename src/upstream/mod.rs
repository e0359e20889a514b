//! How a dashboard is reached: its addresses, and connections that are used again.

mod connect;
mod pool;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::body::{Body, Progress, STANDSTILL};
use crate::config;
use connect::Connector;
use pool::{CONNECTIONS, Link, Shared};

/// The connections of one worker to one dashboard. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

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
        Ok(Self(Shared::new(connector, CONNECTIONS, upstream.idle_timeout, upstream.answer_timeout)))
    }

    /// A pool for the same dashboard with connections of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self(self.0.sibling())
    }

    /// Sends a request in origin form, and returns the head of the answer with its body to follow. The request must have
    /// a `Host`. A pooled connection that turns out stale is replaced only if nothing of the request was sent.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, UpstreamError> {
        let (response, lease) = self.exchange(request, Purpose::Exchange).await?;
        lease.settle_later();
        Ok(response)
    }

    /// As [`send`](Self::send), with the connection that the body comes on: it is closed when the lease is dropped.
    pub(crate) async fn exchange(
        &self,
        mut request: Request<Body>,
        purpose: Purpose,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let upload = request.body_mut().watch();
        let reusable = purpose == Purpose::Exchange && !logs_the_connection_in(request.headers());
        let (response, link) = loop {
            let (mut link, reused) = match purpose {
                Purpose::Exchange => self.0.connection().await?,
                Purpose::Switch => (self.0.dedicated().await?, false),
            };
            match answer(&mut link, request, upload.as_deref(), self.0.answer_timeout).await {
                Ok(response) => break (response, link),
                Err(Failure::Unsent(unsent, _)) if reused => request = *unsent,
                Err(Failure::Unsent(_, error) | Failure::Broken(error)) => return Err(UpstreamError::Broken(error)),
                Err(Failure::TimedOut) => return Err(UpstreamError::TimedOut { what: "answer" }),
            }
        };
        check(&response, purpose)?;
        let pool = reusable.then(|| self.clone());
        Ok((response, Lease { link, upload, pool }))
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

enum Failure {
    Unsent(Box<Request<Body>>, hyper::Error),
    Broken(hyper::Error),
    TimedOut,
}

/// The head of the answer. The limit is for the time after the upload (up to a quarter more of it may pass), which only
/// has to go on: a client that lets it stand still is given up by the body itself, a dashboard that does is given up here.
async fn answer(
    link: &mut Link,
    request: Request<Body>,
    upload: Option<&Progress>,
    limit: Duration,
) -> Result<Response<Incoming>, Failure> {
    let mut answer = std::pin::pin!(link.sender.try_send_request(request));
    let mut stood_still = Duration::ZERO;
    loop {
        let pieces = upload.map_or(0, Progress::pieces);
        let complete = upload.is_none_or(Progress::is_complete);
        let wait = if complete { limit } else { limit / 4 };
        match tokio::time::timeout(wait, answer.as_mut()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => return Err(Failure::of(error)),
            Err(_) if complete => return Err(Failure::TimedOut),
            Err(_) => {}
        }
        stood_still = if upload.map_or(0, Progress::pieces) == pieces { stood_still + wait } else { Duration::ZERO };
        if stood_still > 2 * STANDSTILL {
            return Err(Failure::TimedOut);
        }
    }
}

impl Failure {
    fn of(mut error: TrySendError<Request<Body>>) -> Self {
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

/// A connection for as long as an answer comes on it. Dropped, it closes the connection.
#[derive(Debug)]
pub struct Lease {
    link: Link,
    /// `None` if the request had no body.
    upload: Option<Arc<Progress>>,
    /// Where the connection can be used again; `None` if it can't.
    pool: Option<Pool>,
}

impl Lease {
    /// The answer came as a whole: the connection can be used again, if the request was sent as a whole, too.
    pub(crate) fn settle(self) {
        if let Some(pool) = self.pool
            && self.upload.is_none_or(|upload| upload.is_complete())
        {
            pool.0.take_back(self.link);
        }
    }

    /// The same, for a body that whoever reads it reads without the lease.
    fn settle_later(self) {
        if let Some(pool) = self.pool {
            pool.0.take_back_later(self.link);
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
