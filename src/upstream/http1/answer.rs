//! What comes after the head of an answer in HTTP/1.1: a body, or another protocol.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::upload::Upload;
use crate::body::BodyError;
use crate::http1::framing::{Framing, Piece};
use crate::upstream::Incoming;
use crate::upstream::pool::{Link, Shared};

/// A body that comes, and the connection it comes on: used again after its end, if that can be, and closed if this is
/// dropped before.
#[derive(Debug)]
pub(in crate::upstream) struct Answer {
    link: Box<Link>,
    framing: Framing,
    /// What is still being sent of the request.
    upload: Option<Upload>,
    /// Where the connection can be used again; `None` if it can't.
    pool: Option<Arc<Shared>>,
    /// Why there is no more to come, which is said last.
    failed: Option<BodyError>,
}

impl Answer {
    pub(super) const fn new(
        link: Box<Link>,
        framing: Framing,
        upload: Option<Upload>,
        pool: Option<Arc<Shared>>,
    ) -> Self {
        Self { link, framing, upload, pool, failed: None }
    }

    /// What there is to come. Most answers are there as a whole when their head is.
    pub(super) fn into_incoming(mut self) -> Incoming {
        let receiver = &mut self.link.connection.receiver;
        if let Some(left) = self.framing.left() {
            match usize::try_from(left) {
                Ok(left) if left <= receiver.bytes.len() => {
                    let body = receiver.bytes.split_to(left);
                    self.settle();
                    return Incoming::whole(body);
                }
                _ => receiver.expect(left - receiver.bytes.len() as u64),
            }
        }
        Incoming::in_http1(self)
    }

    /// How many bytes are to come, if that is known.
    pub(in crate::upstream) const fn left(&self) -> Option<u64> {
        self.framing.left()
    }

    /// The next of the body. After an error, or the end, this is to be [settled](Self::settle) or dropped.
    pub(in crate::upstream) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(reason) = self.failed.take() {
            return Poll::Ready(Some(Err(reason)));
        }
        let polled = self.poll_frame(cx);
        if let Poll::Ready(Some(Err(reason))) = polled {
            // Whoever sends the body on drops what it has not sent yet when it hears of an error, and sends it when it is
            // told to wait.
            self.failed = Some(reason);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let connection = &mut self.link.connection;
        connection.advance(&mut self.upload, cx)?;
        Poll::Ready(match ready!(self.framing.poll(&mut connection.receiver, cx)).map_err(BodyError::broken)? {
            Piece::Data(data) => Some(Ok(Frame::data(data))),
            Piece::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            Piece::End => None,
            Piece::Nothing if self.framing == Framing::Closed => {
                self.framing = Framing::Length(0);
                self.pool = None;
                None
            }
            Piece::Nothing => Some(Err(BodyError::broken(io::Error::from(io::ErrorKind::UnexpectedEof)))),
        })
    }

    /// The body came as a whole: the connection can be used again, once the request was sent as a whole, too.
    pub(in crate::upstream) fn settle(self) {
        let Self { mut link, upload, pool: Some(pool), .. } = self else { return };
        match upload {
            None => pool.take_back(link),
            Some(upload) => {
                let pool = Arc::downgrade(&pool);
                tokio::spawn(async move {
                    if let Some(writer) = upload.finish().await
                        && let Some(pool) = pool.upgrade()
                    {
                        link.connection.writer = Some(writer);
                        pool.take_back(link);
                    }
                });
            }
        }
    }
}
