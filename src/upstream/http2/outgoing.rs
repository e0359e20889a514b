//! The body of a request on its way to a stream, which comes back if nothing of it was sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::connection;
use super::streams::Stream;
use crate::body::{Body, BodyError};

/// A body that is being sent.
pub(super) struct Outgoing {
    body: Body,
    is_touched: bool,
    tell: Option<oneshot::Sender<Left>>,
    life: CancellationToken,
    /// It takes its room for as long as anything is to be sent.
    _stream: Arc<Stream>,
}

/// What became of a body that is not sent anymore. Nothing is told of one of which some was taken.
pub(super) enum Left {
    /// Nothing was taken of it.
    Untouched(Body),
    /// It broke off by itself.
    Failed(BodyError),
}

impl Outgoing {
    /// Whatever the library does for the request ends with its `life`.
    pub(super) fn new(body: Body, stream: Arc<Stream>, life: CancellationToken) -> (Self, oneshot::Receiver<Left>) {
        let (tell, left) = oneshot::channel();
        (Self { body, is_touched: false, tell: Some(tell), life, _stream: stream }, left)
    }

    /// The body of a request that was not sent.
    pub(super) fn into_inner(mut self) -> Body {
        self.tell = None;
        std::mem::replace(&mut self.body, Body::empty())
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.is_touched = true;
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                if let Some(tell) = self.tell.take() {
                    // Whoever has an answer already does not listen.
                    drop(tell.send(Left::Failed(error)));
                }
                Reason::CANCEL.into()
            })
        }))
    }

    /// The library asks this of every request, before it does anything for it.
    fn is_end_stream(&self) -> bool {
        connection::work_for(&self.life);
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let (false, Some(tell)) = (self.is_touched, self.tell.take()) {
            let body = std::mem::replace(&mut self.body, Body::empty());
            drop(tell.send(Left::Untouched(body)));
        }
    }
}
