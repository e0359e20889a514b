//! A stream on which another protocol is spoken (RFC 8441).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both sides of such a stream, and what has to be held on to for as long as it is open. Only the end of the stream is the end
/// of what the other side says; a reset, whatever its reason, ends both directions. Dropped before either side has said its
/// last, the stream is reset.
#[derive(Debug)]
pub(crate) struct Tunnel<H> {
    incoming: RecvStream,
    /// What came, and was not read yet.
    heard: Bytes,
    outgoing: SendStream<Bytes>,
    _held: H,
}

impl<H> Tunnel<H> {
    pub(crate) const fn new(incoming: RecvStream, outgoing: SendStream<Bytes>, held: H) -> Self {
        Self { incoming, heard: Bytes::new(), outgoing, _held: held }
    }
}

impl<H: Unpin> AsyncRead for Tunnel<H> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.heard.is_empty() {
            match ready!(self.incoming.poll_data(cx)) {
                Some(Ok(data)) => self.heard = data,
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => break,
            }
        }
        let length = self.heard.len().min(buf.remaining());
        buf.put_slice(&self.heard[..length]);
        self.heard.advance(length);
        // As much may come again.
        Poll::Ready(self.incoming.flow_control().release_capacity(length).map_err(io_error))
    }
}

impl<H: Unpin> AsyncWrite for Tunnel<H> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let length = ready!(super::poll_room(&mut self.outgoing, buf.len(), cx)).map_err(io_error)?;
        let sent = self.outgoing.send_data(Bytes::copy_from_slice(&buf[..length]), false);
        Poll::Ready(sent.map(|()| length).map_err(io_error))
    }

    /// Whatever was written goes out with what else the connection has to say. Whoever has said its last, and then gives the
    /// stream up, is noticed here: nothing is read from it, and nothing may be to be written for hours.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.outgoing.poll_reset(cx) {
            Poll::Ready(reset) => Poll::Ready(Err(io_error(reset.map_or_else(|error| error, h2::Error::from)))),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.outgoing.send_data(Bytes::new(), true).map_err(io_error))
    }
}

fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    } else {
        io::Error::other(error)
    }
}
