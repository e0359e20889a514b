//! The body of a client's request, in either version of HTTP.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use http_body::{Body, Frame, SizeHint};

use super::http1::Upload;
use super::interim::Interim;
use crate::body::BodyError;
use crate::http2::Received;

/// What a client sends with its request.
#[derive(Debug)]
pub struct Incoming(State);

#[derive(Debug)]
enum State {
    Nothing,
    Http1(Box<Upload>),
    Http2(Received, Option<Arc<Interim>>),
}

impl Incoming {
    /// Nothing.
    pub(super) const fn empty() -> Self {
        Self(State::Nothing)
    }

    pub(super) fn in_http1(upload: Upload) -> Self {
        Self(State::Http1(Box::new(upload)))
    }

    pub(crate) const fn in_http2(received: Received) -> Self {
        Self(State::Http2(received, None))
    }

    /// The same in HTTP/2 of a client that waits until it is told to go on.
    pub(super) const fn in_http2_once_told(received: Received, to_go_on: Arc<Interim>) -> Self {
        Self(State::Http2(received, Some(to_go_on)))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            State::Nothing => Poll::Ready(None),
            State::Http1(upload) => upload.poll(cx).map_err(BodyError::broken),
            State::Http2(received, to_go_on) => {
                if let Some(interim) = to_go_on.take() {
                    interim.go_on();
                }
                Poll::Ready(ready!(received.poll(cx)).map(|frame| frame.map_err(cut_or_broken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Nothing => true,
            State::Http1(upload) => upload.is_over(),
            // Nothing can follow but the end of the stream, or trailers. The dashboard does not wait for those: whatever is
            // done before a body ends has to be done before the last byte of its length.
            State::Http2(received, _) => received.is_over() || received.left() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Nothing => SizeHint::with_exact(0),
            State::Http1(upload) => upload.size_hint(),
            State::Http2(received, _) => received.size_hint(),
        }
    }
}

fn cut_or_broken(error: h2::Error) -> BodyError {
    if error.reason() == Some(Reason::NO_ERROR) { BodyError::Cut } else { BodyError::broken(error) }
}
