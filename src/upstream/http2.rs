//! Requests in HTTP/2 (RFC 9113), and what goes by HTTP/1.1 instead.

mod connection;
mod head;
mod streams;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::streams::{Room, Stream};
use super::{
    Incoming, LAST_BYTES, OnEarlyHints, Pool, Purpose, Switched, UpstreamError, check_length, in_time,
    logs_the_connection_in,
};
use crate::alarm::Alarm;
use crate::body::{Body, BodyError, Progress};
use crate::http2::{Received, Sending, Tunnel, Unsent};
use crate::message::{Fields, Request, Response, Value};

pub(crate) use self::head::accept;
pub(super) use self::streams::Streams;

/// How often a request is sent again that the dashboard has certainly not looked at. Each time it may come to a connection that
/// is just being let go, as servers do after some requests.
const AGAIN: usize = 4;

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

impl From<UpstreamError> for Unanswered {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}

impl Attempt {
    async fn run(self, request: Request<Body>, purpose: Purpose) -> Result<Response<Incoming>, Unanswered> {
        let (head, body) = request.into_parts();
        if purpose == Purpose::Switch && !body.is_end_stream() {
            return Err(UpstreamError::Http2("WebSocket behind a body").into());
        }
        let untouched = |head, body, error| {
            Unanswered::Untouched(Box::new(Request::from_parts(head, body)), UpstreamError::broken(error))
        };
        let written = head::write(head.clone(), self.stream.scheme(), purpose)?;
        let is_all = purpose == Purpose::Exchange && body.is_end_stream();
        let (answer, outgoing) = match self.stream.send(http::Request::from_parts(written, ()), is_all).await {
            Ok(sent) => sent,
            Err(error) if error.is_go_away() || error.is_io() => return Err(untouched(head, body, error)),
            Err(error) => return Err(UpstreamError::broken(error).into()),
        };
        let rest = match purpose {
            Purpose::Switch => Rest::Tunnel(outgoing),
            Purpose::Exchange if is_all => Rest::Nothing,
            Purpose::Exchange => Rest::Upload(Sending::new(body, outgoing, Reason::CANCEL)),
        };
        let mut exchange = Exchange { answer, hints: head.extensions.get().cloned(), rest };
        let answered = pin!(poll_fn(|cx| exchange.poll(cx)));
        match in_time(answered, &mut Alarm::default(), self.upload.as_deref(), self.limit).await {
            Some(Ok(answer)) => {
                let (parts, stream) = answer.into_parts();
                let received = Received::after(&parts.headers, stream);
                let mut answer = Response::from(http::Response::from_parts(parts, received));
                head::read(&mut answer, &head.headers, purpose)?;
                check_length(answer.headers())?;
                Ok(self.answered(answer, exchange.rest))
            }
            Some(Err(Failure::Upload(reason))) => Err(UpstreamError::Upload(reason).into()),
            Some(Err(Failure::Answer(error))) => {
                Err(match exchange.rest.into_untouched().filter(|_| is_unprocessed(&error)) {
                    Some(body) => untouched(head, body, error),
                    None => UpstreamError::broken(error).into(),
                })
            }
            None => Err(UpstreamError::TimedOut { what: "answer" }.into()),
        }
    }

    /// The answer with what comes after its head. What is left of the upload goes on meanwhile.
    fn answered(self, answer: Response<Received>, rest: Rest) -> Response<Incoming> {
        let Self { stream, upload, .. } = self;
        let lease = |life| StreamLease { stream: Arc::clone(&stream), upload, life };
        let lease = match rest {
            Rest::Tunnel(outgoing) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let to = |received: Received| Tunnel::new(received.into_stream(), outgoing, lease(None));
                return answer.map(|received| Incoming::switched(Switched::Http2(to(received))));
            }
            Rest::Tunnel(mut outgoing) => {
                // If it is gone, it has ended as well.
                let _ = outgoing.send_data(Bytes::new(), true);
                lease(None)
            }
            Rest::Upload(sending) => {
                let life = CancellationToken::new();
                tokio::spawn(go_on(sending, Arc::clone(&stream), life.clone()));
                lease(Some(life.drop_guard()))
            }
            Rest::Nothing | Rest::Sent => lease(None),
        };
        answer.map(|received| Incoming::in_http2(Answer { received, lease }))
    }
}

/// A request whose head was sent.
struct Exchange {
    answer: ResponseFuture,
    hints: Option<OnEarlyHints>,
    rest: Rest,
}

/// What is to be said behind the head of a request.
enum Rest {
    Nothing,
    Upload(Sending),
    /// It was an upload, of which all was sent.
    Sent,
    /// Another protocol, if the dashboard agrees.
    Tunnel(SendStream<Bytes>),
}

/// Why a request whose head was sent has no answer.
enum Failure {
    Upload(BodyError),
    Answer(h2::Error),
}

impl Exchange {
    /// The head of the answer; the upload goes on meanwhile.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<http::Response<RecvStream>, Failure>> {
        if let Rest::Upload(sending) = &mut self.rest {
            match sending.poll(cx) {
                Poll::Ready(Ok(())) => self.rest = Rest::Sent,
                Poll::Ready(Err(Unsent::Broken(reason))) => return Poll::Ready(Err(Failure::Upload(reason))),
                // Why the dashboard wants no more of it, the answer says, or that there is none. Whether any of it was taken may
                // matter then.
                Poll::Ready(Err(Unsent::GivenUp(_) | Unsent::Stalled)) | Poll::Pending => {}
            }
        }
        if let Some(hints) = &self.hints {
            while let Poll::Ready(Some(Ok(interim))) = self.answer.poll_informational(cx) {
                if interim.status() == StatusCode::EARLY_HINTS {
                    hints.say(&Fields::from(interim.headers()));
                }
            }
        }
        Pin::new(&mut self.answer).poll(cx).map_err(Failure::Answer)
    }
}

impl Rest {
    /// The body, if nothing was taken of it.
    fn into_untouched(self) -> Option<Body> {
        match self {
            Self::Nothing | Self::Tunnel(_) => Some(Body::empty()),
            Self::Upload(sending) => sending.into_untouched(),
            Self::Sent => None,
        }
    }
}

/// Sends what is left of an upload. It takes its room on the connection for as long.
async fn go_on(mut sending: Sending, room: Arc<Stream>, life: CancellationToken) {
    let sent = life.run_until_cancelled(poll_fn(|cx| sending.poll(cx))).await;
    if let Some(Err(error)) = sent {
        tracing::debug!(error = &error as &dyn std::error::Error, "the rest of an upload was not sent");
    }
    drop((sending, room));
}

/// A body that comes, and the stream it comes on: that is reset if this is dropped before its end.
#[derive(Debug)]
pub(super) struct Answer {
    received: Received,
    lease: StreamLease,
}

impl Answer {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.received.poll(cx)
    }

    pub(super) fn is_over(&self) -> bool {
        self.received.is_over()
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
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

/// A stream for as long as an answer comes on it. Dropped, what is left of the upload is given up, and the connection lives on.
#[derive(Debug)]
pub(crate) struct StreamLease {
    stream: Arc<Stream>,
    upload: Option<Arc<Progress>>,
    /// That of the upload that goes on.
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
}

fn has_padding(headers: &Fields) -> bool {
    headers.values().any(Value::is_padded)
}
