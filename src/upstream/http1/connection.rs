//! A connection that speaks HTTP/1.1, without a task of its own.

use std::io;
use std::task::{Context, Poll};

use tokio::io::{AsyncWriteExt, split};

use super::upload::Upload;
use crate::body::BodyError;
use crate::http1::{Receiver, Stream, Writer};

/// How much is read at once: a large answer costs a fifth more where it is half as much.
const MOST_READ: usize = 256 * 1024;

/// How much is written at once: one record of TLS (RFC 8446, section 5.1). Nobody reads a part of one, so if the first
/// can't be written, nothing was said.
const PIECE: usize = 16 * 1024;

/// A connection. Dropped, it is closed.
pub(crate) struct Connection {
    pub(in crate::upstream) receiver: Receiver,
    /// `None` for as long as an upload has it, and once the dashboard takes no more.
    pub(super) writer: Option<Writer>,
}

impl Connection {
    pub(in crate::upstream) fn new(stream: impl Stream + 'static) -> Self {
        let stream: Box<dyn Stream> = Box::new(stream);
        let (reader, writer) = split(stream);
        Self { receiver: Receiver::new(reader, MOST_READ), writer: Some(writer) }
    }

    /// Whether everything was said on it, as far as this side goes.
    pub(in crate::upstream) fn is_settled(&self) -> bool {
        self.writer.is_some() && self.receiver.bytes.is_empty()
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
        Some(self.receiver.into_stream(self.writer?))
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
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}
