//! The streams of one connection in HTTP/2: each a task, for as long as its client takes what it is sent.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, DATE, EXPECT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::heads::Heads;
use super::traffic::{Stream, Traffic, Waiting};
use crate::body::{ANSWER_STRETCH, Body};
use crate::http2::{CONNECTION_SPECIFIC, Received, Sending, Tunnel};
use crate::identity::client::Arrival;
use crate::listener::Door;
use crate::listener::connection::PanicNote;
use crate::listener::crowd::Seat;
use crate::listener::incoming::Incoming;
use crate::listener::interim::{Interim, Word};
use crate::listener::occupied::{Occupied, occupying};
use crate::listener::switch::Switch;
use crate::listener::worker::Worker;
use crate::message::{Request, Response, has_no_body};
use crate::pace::Pace;
use crate::tokens::has_token;

/// What the streams of one connection have in common.
pub(super) struct Streams<D: Door> {
    pub(super) worker: Arc<Worker<D>>,
    pub(super) arrival: Arrival,
    pub(super) seat: Arc<Seat>,
    /// Where each request takes its room.
    pub(super) rooms: [Option<Arc<Semaphore>>; 2],
    pub(super) traffic: Arc<Traffic>,
    pub(super) heads: Heads,
    pub(super) memory: D::Memory,
}

/// Leave for one request to be in progress: of the worker, and of its client, who is there for as long.
struct Room {
    _of: [Option<OwnedSemaphorePermit>; 2],
    _seat: Arc<Seat>,
}

impl Room {
    /// One of each of these, as far as there are any, on the connection with that seat.
    fn take(from: &[Option<Arc<Semaphore>>; 2], seat: &Arc<Seat>) -> Option<Self> {
        let take = |of: &Option<Arc<Semaphore>>| of.as_ref().map(|of| Arc::clone(of).try_acquire_owned()).transpose();
        Some(Self { _of: [take(&from[0]).ok()?, take(&from[1]).ok()?], _seat: Arc::clone(seat) })
    }
}

impl<D: Door> Streams<D> {
    /// Begins with a request.
    pub(super) fn begin(self: &Arc<Self>, (request, respond): (http::Request<RecvStream>, SendResponse<Bytes>)) {
        // In a box, for the runtime moves it seven times. Built in there, since there is room before there is anything that would
        // have to be dropped if there were none: otherwise it is copied once more.
        let room = Box::new_uninit();
        let (this, stream) = (Arc::clone(self), Stream::begin(&self.traffic));
        let attending = Box::write(room, async move {
            let _note = PanicNote;
            this.attend(request, respond, stream).await;
        });
        tokio::spawn(occupying(None, Box::into_pin(attending)));
    }

    /// Answers a request. If its client gives it up, so does this.
    async fn attend(&self, request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>, stream: Stream) {
        let Some(room) = Room::take(&self.rooms, &self.seat) else {
            // Nothing was done, so that it may be asked again (RFC 9113, section 8.7).
            return respond.send_reset(Reason::REFUSED_STREAM);
        };
        let occupied = Occupied::new(Arc::new(room));
        occupied.clone().take();

        let (head, incoming) = request.into_parts();
        let method = head.method.clone();
        let received = Received::after(&head.headers, incoming);
        let head = self.heads.of(head, self.worker.door.is_one_client(self.arrival.peer));
        let mut request = Box::new(Request::from_parts(head, Incoming::empty()));
        let waits =
            !received.is_over() && request.headers().get_all(EXPECT).any(|said| has_token(said, b"100-continue"));
        let interim = Interim::of(&mut request, waits);
        let switch = if method == Method::CONNECT {
            Some((Switch::offer(&mut request), received))
        } else {
            *request.body_mut() = Incoming::in_http2(received, interim.clone().filter(|_| waits));
            None
        };

        let Some(answer) = self.answered(request, interim.as_deref(), &mut respond).await else { return };
        let answer = self.settled(answer, &method);
        let (head, body) = http::Response::from(answer).into_parts();
        let switch = switch.filter(|_| head.status.is_success());
        let is_all = switch.is_none() && body.is_end_stream();
        let outgoing = match respond.send_response(http::Response::from_parts(head, ()), is_all) {
            Ok(outgoing) => outgoing,
            Err(error) => {
                tracing::debug!(%error, "an answer that can't be said");
                return respond.send_reset(Reason::INTERNAL_ERROR);
            }
        };
        if let Some((offer, received)) = switch {
            // If nobody takes it, it is reset.
            drop(offer.send(Box::new(Tunnel::new(received.into_stream(), outgoing, (stream, occupied)))));
        } else if !is_all {
            let mut sending = Sending::new(body, outgoing, Reason::INTERNAL_ERROR).at(Pace::over(ANSWER_STRETCH));
            if let Err(error) = poll_fn(|cx| sending.poll(cx)).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "an answer was not sent to its end");
            }
        }
    }

    /// The answer to a request. `None` if the client gives it up before.
    async fn answered(
        &self,
        request: Box<Request<Incoming>>,
        interim: Option<&Interim>,
        respond: &mut SendResponse<Bytes>,
    ) -> Option<Response<Body>> {
        // Dropped before its end, it counts as given up.
        let waiting = Waiting::begin(&self.traffic);
        if poll_fn(|cx| Poll::Ready(respond.poll_reset(cx))).await.is_ready() {
            return None;
        }
        // In a box of its own, built in there as well, whose 14 kB are gone when the answer is there.
        let room = Box::new_uninit();
        let answering = self.worker.door.answer(request, self.arrival, &self.memory);
        let mut answering = Box::into_pin(Box::write(room, answering));
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            if let Poll::Ready(reason) = respond.poll_reset(cx) {
                tracing::debug!(?reason, "a request was given up");
                return Poll::Ready(None);
            }
            // Behind that, for the library would say it on a stream that is gone as well.
            if let Some(interim) = interim {
                tell(interim, respond, cx);
            }
            Poll::Pending
        });
        let answer = answer.await?;
        waiting.end();
        if let Some(interim) = interim {
            interim.end();
        }
        Some(answer)
    }

    /// An answer to that method as HTTP/2 says it.
    fn settled(&self, answer: Response<Body>, method: &Method) -> Response<Body> {
        let answer = if *method == Method::CONNECT { to_connect(answer) } else { answer };
        let length = answer.body().size_hint().exact().filter(|_| !answer.body().is_end_stream());
        let has_none = *method == Method::HEAD || has_no_body(answer.status());
        // It would be sent all the same.
        let mut answer = if has_none { answer.map(|_| Body::empty()) } else { answer };
        let status = answer.status();
        let headers = answer.headers_mut();
        for name in CONNECTION_SPECIFIC {
            headers.remove(name);
        }
        if status == StatusCode::NO_CONTENT {
            // It has none (RFC 9110, section 8.6), and a client would miss what it says.
            headers.remove(CONTENT_LENGTH);
        } else if let Some(length) = length.filter(|_| !headers.contains_key(CONTENT_LENGTH)) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if !headers.contains_key(DATE) {
            headers.insert(DATE, self.worker.dates.now());
        }
        answer
    }
}

/// Tells the client what there is to be told before the answer.
fn tell(interim: &Interim, respond: &mut SendResponse<Bytes>, cx: &Context<'_>) {
    while let Poll::Ready(word) = interim.poll(cx) {
        let (status, fields) = match word {
            Word::GoOn => (StatusCode::CONTINUE, HeaderMap::new()),
            Word::Hint(fields) => (StatusCode::EARLY_HINTS, fields.to_map()),
        };
        let mut said = http::Response::new(());
        (*said.status_mut(), *said.headers_mut()) = (status, fields);
        if let Err(error) = respond.send_informational(said) {
            tracing::debug!(%error, "what was to be said before an answer can't be");
        }
    }
}

/// Here 200 is what 101 is in HTTP/1.1: the stream is a tunnel from then on (RFC 8441, section 5). A page in its place
/// would pass for one.
fn to_connect(mut response: Response<Body>) -> Response<Body> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        *response.status_mut() = StatusCode::OK;
        // What is said on it from now on is no body (RFC 9110, section 9.3.6).
        response.headers_mut().remove(CONTENT_LENGTH);
    } else if response.status().is_success() {
        response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    }
    response
}
