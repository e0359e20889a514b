//! Requests in HTTP/2 (RFC 9113), and what goes by HTTP/1.1 instead.

mod connection;
mod head;
mod outgoing;
mod streams;

use std::error::Error as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming as Received;
use hyper::upgrade::OnUpgrade;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::outgoing::{Left, Outgoing};
use self::streams::{Room, Stream};
use super::{
    Incoming, LAST_BYTES, Pool, Purpose, Switched, UNASKED_SWITCH, UpstreamError, check_length, in_time,
    logs_the_connection_in,
};
use crate::alarm::Alarm;
use crate::body::{Body, BodyError, Progress};
use crate::message::{Fields, Request, Response, Value};

pub(crate) use self::head::accept;
pub(super) use self::streams::Streams;

/// How often a request is sent again that the dashboard has certainly not looked at.
const AGAIN: usize = 2;

/// How long it may take until a stream that failed has let go of its upload. It takes none.
const MOMENT: Duration = Duration::from_secs(1);

impl Pool {
    /// As [`exchange`](Self::exchange), in HTTP/2 where the dashboard speaks it.
    ///
    /// A request is sent again only if the dashboard has certainly not looked at it (section 8.7) and none of its body was
    /// taken to be sent.
    pub(super) async fn exchange_in_http2(
        &self,
        streams: &Streams,
        mut request: Box<Request<Body>>,
        purpose: Purpose,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if logs_the_connection_in(request.headers()) {
            return self.in_http1_instead(request, purpose, "login of a whole connection (NTLM, Negotiate)").await;
        }
        let upload = request.body_mut().watch();
        let mut again = AGAIN;
        loop {
            let stream = match streams.stream().await? {
                Room::Stream(stream) => stream,
                Room::Http1(made) => {
                    if let Some(made) = made {
                        self.http1.adopt(made);
                    }
                    return self.exchange_in_http1(request, purpose).await;
                }
            };
            if purpose == Purpose::Switch && !stream.takes_websockets() {
                drop(stream);
                return self.in_http1_instead(request, purpose, "WebSocket that this one takes (RFC 8441)").await;
            }
            let attempt = Attempt { stream, upload: upload.clone(), limit: self.http1.answer_timeout };
            match attempt.run(*request, purpose).await {
                Ok(answered) => return Ok(answered),
                Err(Unanswered::Untouched(untouched, _)) if again > 0 => request = untouched,
                Err(Unanswered::Untouched(_, error) | Unanswered::Failed(error)) => return Err(error),
            }
            again -= 1;
        }
    }

    /// Over TLS the handshake says whether HTTP/1.1 is spoken as well. Elsewhere that would be a guess.
    async fn in_http1_instead(
        &self,
        request: Box<Request<Body>>,
        purpose: Purpose,
        what: &'static str,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if self.http1.asks() { self.exchange_in_http1(request, purpose).await } else { Err(UpstreamError::Http2(what)) }
    }
}

/// One sending of a request.
struct Attempt {
    stream: Arc<Stream>,
    upload: Option<Arc<Progress>>,
    limit: Duration,
}

/// Why there is no answer.
enum Unanswered {
    /// The dashboard has not looked at the request, which is here as it was.
    Untouched(Box<Request<Body>>, UpstreamError),
    Failed(UpstreamError),
}

impl Attempt {
    async fn run(self, request: Request<Body>, purpose: Purpose) -> Result<Response<Incoming>, Unanswered> {
        let (head, body) = request.into_parts();
        let written = head::write(head.clone(), self.stream.scheme(), purpose).map_err(Unanswered::Failed)?;
        let life = CancellationToken::new();
        let lease = StreamLease {
            stream: Arc::clone(&self.stream),
            upload: self.upload.clone(),
            life: Some(life.clone().drop_guard()),
        };
        let (outgoing, mut left) = Outgoing::new(body, Arc::clone(&self.stream), life);
        let outgoing = http::Request::from_parts(written, outgoing);
        let sent = pin!(self.stream.send(outgoing));
        let mut error = match in_time(sent, &mut Alarm::default(), self.upload.as_deref(), self.limit).await {
            Some(Ok(mut response)) => {
                let upgrade = (purpose == Purpose::Switch).then(|| hyper::upgrade::on(&mut response));
                let mut response = Response::from(response);
                head::read(&mut response, &head.headers, purpose).map_err(Unanswered::Failed)?;
                return answered(response, upgrade, lease).map_err(Unanswered::Failed);
            }
            Some(Err(error)) => error,
            None => return Err(Unanswered::Failed(UpstreamError::TimedOut { what: "answer" })),
        };
        let body = match error.take_message() {
            Some(unsent) => Some(unsent.into_body().into_inner()),
            None => match timeout(MOMENT, &mut left).await {
                Ok(Ok(Left::Failed(reason))) => return Err(Unanswered::Failed(UpstreamError::Upload(reason))),
                Ok(Ok(Left::Untouched(body))) if is_unprocessed(error.error()) => Some(body),
                Ok(_) | Err(_) => None,
            },
        };
        let error = UpstreamError::broken(error.into_error());
        Err(match body {
            Some(body) => Unanswered::Untouched(Box::new(Request::from_parts(head, body)), error),
            None => Unanswered::Failed(error),
        })
    }
}

fn answered(
    response: Response<Received>,
    upgrade: Option<OnUpgrade>,
    lease: StreamLease,
) -> Result<Response<Incoming>, UpstreamError> {
    check_length(response.headers())?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response.map(|received| Incoming::in_http2(Answer { received, lease })));
    }
    let Some(upgrade) = upgrade else { return Err(UpstreamError::Malformed(UNASKED_SWITCH)) };
    Ok(response.map(|_| Incoming::switched(Switched::Http2(upgrade, lease))))
}

/// A body that comes, and the stream it comes on: that is reset if this is dropped before its end.
#[derive(Debug)]
pub(super) struct Answer {
    received: Received,
    lease: StreamLease,
}

impl Answer {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.received).poll_frame(cx));
        Poll::Ready(match frame {
            None if self.lease.is_cut(&self.received) => Some(Err(BodyError::Cut)),
            frame => frame.map(|frame| frame.map_err(BodyError::broken)),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.received.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.received.size_hint()
    }

    pub(super) fn settle(self) {
        self.lease.settle();
    }
}

/// Whether the dashboard says that it has not looked at a request (section 8.7): its stream was refused, or is above the
/// last that a connection that ends has looked at.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) else { return false };
    error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

/// A stream for as long as an answer comes on it. Dropped, it resets the stream, and the connection lives on.
#[derive(Debug)]
pub(crate) struct StreamLease {
    stream: Arc<Stream>,
    upload: Option<Arc<Progress>>,
    /// That of everything that the library does for the request.
    life: Option<DropGuard>,
}

impl StreamLease {
    /// The answer came as a whole: what is left of the upload is not wanted, but for what was taken of it already.
    fn settle(mut self) {
        let is_complete = self.upload.as_ref().is_none_or(|upload| upload.is_complete());
        if let (true, Some(life)) = (is_complete, self.life.take()) {
            let life = life.disarm();
            if Arc::strong_count(&self.stream) > 1 {
                tokio::spawn(async move {
                    sleep(LAST_BYTES).await;
                    life.cancel();
                });
            }
        }
    }

    /// Whether an answer that has ended, as the library sees it, was cut off: it takes a stream that is reset with
    /// `NO_ERROR` for one that ended. That is right where the dashboard has said all, and does not want the rest of the
    /// upload (section 8.1).
    fn is_cut(&self, answer: &Received) -> bool {
        let is_uploading = self.upload.as_ref().is_some_and(|upload| !upload.is_complete());
        match answer.size_hint().exact() {
            Some(left) => left > 0,
            None => !answer.is_end_stream() && !is_uploading,
        }
    }
}

fn has_padding(headers: &Fields) -> bool {
    headers.values().any(Value::is_padded)
}
