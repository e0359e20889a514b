//! A body on its way to a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::{Body as _, Frame};

use crate::body::{Body, BodyError};
use crate::pace::Pace;

/// The largest frame that everybody takes (section 4.2), in which a body goes.
const FRAME: usize = 16 * 1024;

/// A body that is sent. Dropped before its end, it resets its stream.
#[derive(Debug)]
pub(crate) struct Sending {
    body: Body,
    stream: SendStream<Bytes>,
    /// With which reason the stream is reset if the body breaks off.
    broken: Reason,
    /// What is left of the last piece of the body.
    rest: Bytes,
    /// Whether anything was taken of the body.
    is_touched: bool,
    /// What was sent since the other side was waited for.
    moved: usize,
    /// Whether the other side takes it fast enough, if that matters.
    pace: Option<Pace>,
}

/// Why a body was not sent to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsent {
    /// It broke off by itself.
    #[error("what was to be sent broke off")]
    Broken(#[source] BodyError),
    /// The other side wants no more of it, or is gone.
    #[error("it was given up by whom it was for")]
    GivenUp(#[source] h2::Error),
    /// The other side took none of it, or too little, for too long.
    #[error("it was not taken in time")]
    Stalled,
}

impl From<h2::Error> for Unsent {
    fn from(error: h2::Error) -> Self {
        Self::GivenUp(error)
    }
}

impl Sending {
    /// Of this body on this stream, whose head was sent, and which is reset for that reason if the body breaks off.
    pub(crate) const fn new(body: Body, stream: SendStream<Bytes>, broken: Reason) -> Self {
        Self { body, stream, broken, rest: Bytes::new(), is_touched: false, moved: 0, pace: None }
    }

    /// The same for somebody who has to keep this pace.
    pub(crate) fn at(self, pace: Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// The body, if nothing was taken of it.
    pub(crate) fn into_untouched(self) -> Option<Body> {
        Some(self.body).filter(|_| !self.is_touched)
    }

    /// Sends all of it. After an error, there will be the same one.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        loop {
            if let Poll::Ready(reason) = self.stream.poll_reset(cx) {
                return Poll::Ready(Err(h2::Error::from(reason?).into()));
            }
            // Before room is asked for: whoever has some and says nothing has taken it from all others on the connection.
            if self.rest.is_empty() {
                let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
                self.is_touched = true;
                match frame.map(|frame| frame.map(Frame::into_data)) {
                    Some(Ok(Ok(data))) => self.rest = data,
                    Some(Ok(Err(other))) => {
                        let trailers = other.into_trailers().unwrap_or_default();
                        return Poll::Ready(Ok(self.stream.send_trailers(trailers)?));
                    }
                    Some(Err(error)) => return Poll::Ready(Err(self.break_off(error))),
                    None => return Poll::Ready(Ok(self.stream.send_data(Bytes::new(), true)?)),
                }
            }
            if self.rest.is_empty() && !self.body.is_end_stream() {
                continue;
            }
            let room = if self.rest.is_empty() { 0 } else { ready!(self.poll_turn(cx))? };
            let piece = self.rest.split_to(room);
            let is_last = self.rest.is_empty() && self.body.is_end_stream();
            self.moved += piece.len();
            self.stream.send_data(piece, is_last)?;
            if is_last {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn break_off(&mut self, reason: BodyError) -> Unsent {
        self.stream.send_reset(self.broken);
        Unsent::Broken(reason)
    }

    /// How much of the rest may be sent, unless the body has to end before there is room.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Unsent>> {
        let polled = self.poll_room(cx);
        if polled.is_pending()
            && let Poll::Ready(reason) = self.body.poll_ended(cx)
        {
            return Poll::Ready(Err(self.break_off(reason)));
        }
        polled
    }

    /// How much of the rest may be sent: never more than the other side has made room for, so that what it does not take is
    /// seen, and does not pile up in the library.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Unsent>> {
        let polled = super::poll_room(&mut self.stream, self.rest.len().min(FRAME), cx);
        let Some(pace) = &mut self.pace else { return polled.map_err(Unsent::from) };
        let Poll::Ready(room) = polled else {
            ready!(pace.poll(cx));
            self.stream.send_reset(Reason::CANCEL);
            return Poll::Ready(Err(Unsent::Stalled));
        };
        pace.moved(std::mem::take(&mut self.moved));
        Poll::Ready(Ok(room?))
    }
}
