//! What comes on a stream after the head.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};

use crate::body::BodyError;

/// A body that comes, with what follows it. Dropped before its end, it resets its stream, if nobody sends on that either.
#[derive(Debug)]
pub(crate) struct Received {
    stream: RecvStream,
    /// How much is to come, if that was said. The library sees to it that no more comes, and no less before the end.
    left: Option<u64>,
    /// Whether only trailers can follow.
    is_data_over: bool,
}

impl Received {
    /// What comes after these fields.
    pub(crate) fn after(headers: &HeaderMap, stream: RecvStream) -> Self {
        let said = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let left = if stream.is_end_stream() { Some(0) } else { said() };
        Self { stream, left, is_data_over: false }
    }

    /// The next of it; as much may be sent then as was taken. Only the end of the stream, or all of a length, is the end: one
    /// that is reset was cut off, whatever the reason.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.poll_frame(cx));
        Poll::Ready(
            frame
                .transpose()
                .or_else(|error| match error.reason() {
                    // What has said all may be reset by whoever does not want the rest of the upload (section 8.1).
                    Some(Reason::NO_ERROR | Reason::CANCEL) if self.left == Some(0) => Ok(None),
                    Some(Reason::NO_ERROR) => Err(BodyError::Cut),
                    _ => Err(BodyError::broken(error)),
                })
                .transpose(),
        )
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.is_data_over {
            if let Some(data) = ready!(self.stream.poll_data(cx)).transpose()? {
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                self.stream.flow_control().release_capacity(data.len())?;
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.is_data_over = true;
        }
        self.stream.poll_trailers(cx).map(|trailers| trailers.transpose().map(|read| read.map(Frame::trailers)))
    }

    /// Whether its stream has ended, and all of it was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// How much is to come, if that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        self.left
    }

    /// The same.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Without a body: what comes is of another protocol.
    pub(crate) fn into_stream(self) -> RecvStream {
        self.stream
    }
}
