//! A client's stream: limits for its first bytes and for what it takes, whatever is spoken on it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink};
use tokio::time::{Sleep, sleep, timeout};

use super::connection::Accepted;
use super::crowd::Seat;
use super::preface::{Begun, PREFACE};
use crate::body::ANSWER_STRETCH;
use crate::pace::Pace;

/// How long the first byte (in HTTP/2, the preface) may take to come, and how long a TLS handshake may take.
pub(super) const FIRST_BYTES: Duration = Duration::from_secs(10);

/// How much is still read of a client that is told that nothing more will be said.
const LEAVE_BYTES: u64 = 1024 * 1024;

/// Up to how much is written in one piece, rather than as a list of pieces.
const TOGETHER: usize = 2048;

/// A client's stream. Holds the connection's seat for as long as it is open, whatever is spoken on it.
#[derive(Debug)]
pub(super) struct Wire<S: Accepted> {
    stream: S,
    /// Whether it breaks off if it is dropped before it was shut down.
    breaks_off: Arc<AtomicBool>,
    /// What was read of the stream before, to be read again.
    begun: Vec<u8>,
    /// Gone once as many bytes came as are awaited.
    first: Option<Pin<Box<Sleep>>>,
    awaited: usize,
    /// Notices a client that does not read, or too slowly.
    pace: Pace,
    seat: Arc<Seat>,
}

impl<S: Accepted> Wire<S> {
    /// For a client that speaks HTTP/1.
    pub(super) fn http1(stream: S, seat: Seat) -> Self {
        Self::new(stream, seat, 1)
    }

    /// For a client that speaks HTTP/2.
    pub(super) fn http2(stream: S, seat: Seat) -> Self {
        Self::new(stream, seat, PREFACE.len())
    }

    /// Of which this much was read already.
    pub(super) fn after(mut self, begun: &Begun) -> Self {
        self.begun = begun.bytes().to_vec();
        self
    }

    fn new(stream: S, seat: Seat, awaited: usize) -> Self {
        Self {
            stream,
            breaks_off: Arc::default(),
            begun: Vec::new(),
            first: Some(Box::pin(sleep(FIRST_BYTES))),
            awaited,
            pace: Pace::over(ANSWER_STRETCH),
            seat: Arc::new(seat),
        }
    }

    /// Where is said that it is in the middle of something whose end is that of the connection, which then must not pass for
    /// an orderly one.
    pub(super) const fn breaks_off(&self) -> &Arc<AtomicBool> {
        &self.breaks_off
    }

    pub(super) const fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Holds the client to its pace, in what it takes.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = &result {
            self.pace.moved(*written.as_ref().unwrap_or(&0));
            return result;
        }
        ready!(self.pace.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Accepted> Wire<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let rest = self.begun.split_off(self.begun.len().min(buf.remaining()));
        buf.put_slice(&std::mem::replace(&mut self.begun, rest));
        Poll::Ready(Ok(()))
    }
}

/// Says that nothing more will be said, and gives the client a moment to take what was: closing on what it says meanwhile, where
/// that is still to be `read`, would take the rest of it away.
pub(super) async fn take_leave(
    read: Option<impl AsyncRead + Unpin>,
    mut write: impl AsyncWrite + Unpin,
    moment: Duration,
) {
    let last_bytes = async {
        write.shutdown().await?;
        match read {
            Some(read) => copy(&mut read.take(LEAVE_BYTES), &mut sink()).await,
            None => Ok(0),
        }
    };
    // Whether it has read it is up to the client.
    drop(timeout(moment, last_bytes).await);
}

/// All of it in one piece, if it is small: the system takes one piece with less ado than a list.
fn gather<'a>(slices: &'a [IoSlice<'_>], together: &'a mut [u8; TOGETHER]) -> Option<&'a [u8]> {
    if let [only] = slices {
        return Some(only);
    }
    let mut length = 0;
    for slice in slices {
        together.get_mut(length..length + slice.len())?.copy_from_slice(slice);
        length += slice.len();
    }
    Some(&together[..length])
}

impl<S: Accepted> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match this.poll_next(cx, buf) {
            Poll::Ready(result) => {
                this.awaited = this.awaited.saturating_sub(buf.filled().len() - before);
                if this.awaited == 0 {
                    this.first = None;
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let Some(first) = &mut this.first else { return Poll::Pending };
                ready!(first.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: Accepted> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut together = [0; TOGETHER];
        let result = match gather(slices, &mut together) {
            Some(bytes) => Pin::new(&mut this.stream).poll_write(cx, bytes),
            None => Pin::new(&mut this.stream).poll_write_vectored(cx, slices),
        };
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// What a layer below has taken is the client's to take as well: over TLS, some 64 KiB of an answer.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.stream).poll_flush(cx).map_ok(|()| 0);
        this.written(cx, flushed).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.breaks_off.store(false, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Accepted> Drop for Wire<S> {
    fn drop(&mut self) {
        if self.breaks_off.load(Ordering::Relaxed) {
            self.stream.break_off();
        }
    }
}
