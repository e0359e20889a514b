//! A connection that speaks HTTP/1.1, without a task of its own.

use std::io::{self, Cursor};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, join, split};
use tokio::task::unconstrained;

use super::upload::Upload;
use crate::body::BodyError;
use crate::upstream::incoming::Stream;

/// How much is read at once to begin with, and at most: a large answer costs a fifth more where it is half as much.
const LEAST_READ: usize = 8 * 1024;
const MOST_READ: usize = 256 * 1024;

pub(super) type Reader = ReadHalf<Box<dyn Stream>>;
pub(super) type Writer = WriteHalf<Box<dyn Stream>>;

/// How much is written at once: one record of TLS (RFC 8446, section 5.1). Nobody reads a part of one, so if the first
/// can't be written, nothing was said.
const PIECE: usize = 16 * 1024;

/// A connection. Dropped, it is closed.
pub(crate) struct Connection {
    pub(super) reader: Reader,
    /// `None` for as long as an upload has it, and once the dashboard takes no more.
    pub(super) writer: Option<Writer>,
    /// What came and was not looked at yet.
    pub(super) received: BytesMut,
    /// How much the next read has room for.
    room: usize,
}

impl Connection {
    pub(in crate::upstream) fn new(stream: impl Stream + 'static) -> Self {
        let stream: Box<dyn Stream> = Box::new(stream);
        let (reader, writer) = split(stream);
        Self { reader, writer: Some(writer), received: BytesMut::new(), room: LEAST_READ }
    }

    /// Whether everything was said on it, as far as this side goes.
    pub(in crate::upstream) fn is_settled(&self) -> bool {
        self.writer.is_some() && self.received.is_empty()
    }

    /// Makes it one that holds no memory, and begins anew.
    pub(in crate::upstream) fn rest(&mut self) {
        self.received = BytesMut::new();
        self.room = LEAST_READ;
    }

    /// Whether nothing came on it, and it was not closed, since everything was said: it can be used again. One of which
    /// this was denied is to be dropped: what came is lost.
    pub(in crate::upstream) fn is_quiet(&mut self) -> bool {
        let mut surplus = [0];
        let read = pin!(unconstrained(self.reader.read(&mut surplus)));
        read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Sends the bytes, and lets go of their memory. An error says that nothing of them was sent. Where something was, and
    /// no more is taken, it has no writer from then on: why, or whether there is an answer all the same, is seen by who reads.
    pub(super) async fn send(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut writer = self.writer.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut left = &bytes[..];
        let mut taken = writer.write(&left[..left.len().min(PIECE)]).await?;
        while taken > 0 && taken < left.len() {
            left = &left[taken..];
            taken = writer.write(&left[..left.len().min(PIECE)]).await.unwrap_or(0);
        }
        if taken > 0 && writer.flush().await.is_ok() {
            self.writer = Some(writer);
        }
        *bytes = Vec::new();
        Ok(())
    }

    /// What is said on it once it speaks another protocol, from what came right after the head on.
    pub(in crate::upstream) fn into_stream(self) -> Option<Box<dyn Stream>> {
        // A copy: what was received may have room for much more.
        let received = Cursor::new(Bytes::copy_from_slice(&self.received));
        Some(Box::new(join(received.chain(self.reader), self.writer?)))
    }

    /// Moves an upload along, until there is no more to send, and takes the writer back if all was. An error is the body's
    /// own.
    pub(super) fn advance(&mut self, upload: &mut Option<Upload>, cx: &mut Context<'_>) -> Result<(), BodyError> {
        if let Some(Poll::Ready(end)) = upload.as_mut().map(|upload| upload.poll(cx)) {
            *upload = None;
            self.writer = end?;
        }
        Ok(())
    }

    /// Reads what there is, and says how much: nothing at the end.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.received.capacity() - self.received.len() < self.room / 4 {
            self.received.reserve(self.room);
        }
        let read = pin!(self.reader.read_buf(&mut self.received)).poll(cx);
        if read.is_pending() && self.received.is_empty() {
            // Whoever waits holds no memory: the one that was used last is the one at hand.
            self.received = BytesMut::new();
        }
        let count = ready!(read)?;
        if count >= self.room / 2 {
            self.room = (2 * self.room).min(MOST_READ);
        } else if count < self.room / 8 {
            self.room = (self.room / 2).max(LEAST_READ);
        }
        Poll::Ready(Ok(count))
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}
