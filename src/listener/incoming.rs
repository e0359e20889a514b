//! The body of a client's request, in either version of HTTP.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
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

    /// With where the client is told to go on, if it waits for that.
    pub(crate) const fn in_http2(received: Received, to_go_on: Option<Arc<Interim>>) -> Self {
        Self(State::Http2(received, to_go_on))
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
                received.poll(cx)
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
