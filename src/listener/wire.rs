//! The stream below the HTTP library: what the library has no limit or no eye for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::follower::Follower;
use crate::body::Standstill;

/// How long the first byte may take to come, and how long a TLS handshake may take.
pub(super) const FIRST_BYTES: Duration = Duration::from_secs(10);

/// Up to how much is written in one piece, rather than as a list of pieces.
const TOGETHER: usize = 2048;

/// A client's stream. Holds the connection's seat for as long as it is open, whatever is spoken on it.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    follower: Follower,
    /// Gone once the first byte came.
    first: Option<Pin<Box<Sleep>>>,
    /// Notices a client that does not read.
    standstill: Standstill,
    _seat: OwnedSemaphorePermit,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, seat: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            follower: Follower::new(),
            first: Some(Box::pin(sleep(FIRST_BYTES))),
            standstill: Standstill::default(),
            _seat: seat,
        }
    }

    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.standstill.moved();
            return result;
        }
        ready!(self.standstill.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
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

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                this.first = None;
                this.follower.read(&mut buf.filled_mut()[before..]);
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.follower.written(bytes);
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.follower.written(slices.first().map_or(&[], |first| first));
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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
