//! The body of a client's request, in either version of HTTP.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming as Stream;

use super::http1::Upload;
use crate::body::BodyError;

/// What a client sends with its request.
#[derive(Debug)]
pub struct Incoming(State);

#[derive(Debug)]
enum State {
    Nothing,
    Http1(Box<Upload>),
    Http2(Stream),
}

impl Incoming {
    /// Nothing.
    pub(super) const fn empty() -> Self {
        Self(State::Nothing)
    }

    pub(super) fn in_http1(upload: Upload) -> Self {
        Self(State::Http1(Box::new(upload)))
    }

    pub(crate) const fn in_http2(stream: Stream) -> Self {
        Self(State::Http2(stream))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            State::Nothing => Poll::Ready(None),
            State::Http1(upload) => upload.poll(cx).map_err(BodyError::broken),
            State::Http2(stream) => Poll::Ready(match ready!(Pin::new(&mut *stream).poll_frame(cx)) {
                // The library takes a stream that was reset with NO_ERROR for one that ended.
                None if !stream.is_end_stream() => Some(Err(BodyError::Cut)),
                frame => frame.map(|frame| frame.map_err(BodyError::broken)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Nothing => true,
            State::Http1(upload) => upload.is_over(),
            // Nothing can follow but the end of the stream, or trailers. The dashboard does not wait for those: whatever is
            // done before a body ends has to be done before the last byte of its length.
            State::Http2(stream) => stream.is_end_stream() || stream.size_hint().exact() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Nothing => SizeHint::with_exact(0),
            State::Http1(upload) => upload.size_hint(),
            State::Http2(stream) => stream.size_hint(),
        }
    }
}
