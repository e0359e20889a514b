//! Whether the other side of a connection is still there.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

/// After how long a silence the other side is asked whether it is still there (section 6.7), and how long it may take to say
/// anything then. It is asked after twice as long at most.
pub(crate) const PING: Duration = Duration::from_secs(20);

/// Asks the other side, and notices that it says nothing.
pub(crate) struct Alive {
    pings: PingPong,
    heard: Arc<AtomicBool>,
    was_asked: bool,
    timer: Pin<Box<Sleep>>,
}

impl Alive {
    pub(crate) fn new(pings: PingPong, heard: Arc<AtomicBool>) -> Self {
        Self { pings, heard, was_asked: false, timer: Box::pin(sleep(PING)) }
    }

    /// Ready once it has said nothing for too long. Whoever owes nothing may be silent.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>, owes: bool) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let is_there = self.heard.swap(false, Ordering::Relaxed) || !owes;
            if self.was_asked && !is_there {
                return Poll::Ready(());
            }
            self.was_asked = !is_there;
            if self.was_asked {
                // The library asks again only after the last answer was taken; as long as there was none, that is still asked.
                let _ = self.pings.poll_pong(cx);
                let _ = self.pings.send_ping(Ping::opaque());
            }
            self.timer.as_mut().reset(Instant::now() + PING);
        }
    }
}

/// A stream to speak HTTP/2 on, whether there was any sign of life on it, and where it comes back to when it is dropped: the
/// library keeps it to the end.
pub(crate) fn lend<S>(stream: S) -> (Lent<S>, Arc<AtomicBool>, oneshot::Receiver<S>) {
    let (is_there, (back, returned)) = (Arc::new(AtomicBool::new(false)), oneshot::channel());
    let lent = Lent { stream: Some((stream, back)), is_there: Arc::clone(&is_there), is_full: false };
    (lent, is_there, returned)
}

/// Notes whenever something comes on a stream, or goes after it could not: whoever takes what it is sent, however slowly, is
/// there as well, though a ping, and the answer to it, have to wait behind all of that.
#[derive(Debug)]
pub(crate) struct Lent<S> {
    /// Here until this is dropped.
    stream: Option<(S, oneshot::Sender<S>)>,
    is_there: Arc<AtomicBool>,
    /// Whether there was no room the last time.
    is_full: bool,
}

impl<S: Unpin> Lent<S> {
    fn stream(&mut self) -> Pin<&mut S> {
        let (stream, _) = self.stream.as_mut().expect("it is here until this is dropped");
        Pin::new(stream)
    }

    fn written<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if std::mem::replace(&mut self.is_full, written.is_pending()) && matches!(written, Poll::Ready(Ok(_))) {
            self.is_there.store(true, Ordering::Relaxed);
        }
        written
    }
}

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        if let Some((stream, back)) = self.stream.take() {
            // Nobody may want it.
            drop(back.send(stream));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream().poll_read(cx, buf))?;
        self.is_there.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write(cx, buf);
        self.written(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream().poll_flush(cx);
        self.written(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write_vectored(cx, bufs);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(|(stream, _)| stream.is_write_vectored())
    }
}
