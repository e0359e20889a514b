//! Bytes between two connections, both ways. An idle pair holds no buffers.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

/// How long a pair may be silent before it is closed: at least this long, at most twice as long.
pub(super) const SILENCE: Duration = Duration::from_hours(1);

/// How much is read at once, onto the stack.
const PIECE: usize = 8 * 1024;

/// Relays until both sides have said all, or one of them breaks off. An end of one side is passed on to the other.
pub(super) async fn between<A, B>(mut a: A, mut b: B) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut forth, mut back) = (Direction::default(), Direction::default());
    let mut silence = std::pin::pin!(sleep(SILENCE));
    poll_fn(|cx| {
        let one = forth.poll(cx, &mut a, &mut b)?;
        let other = back.poll(cx, &mut b, &mut a)?;
        if one.is_ready() && other.is_ready() {
            return Poll::Ready(Ok(()));
        }
        while silence.as_mut().poll(cx).is_ready() {
            if !(std::mem::take(&mut forth.moved) | std::mem::take(&mut back.moved)) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            silence.set(sleep(SILENCE));
        }
        Poll::Pending
    })
    .await
}

/// One direction.
#[derive(Default)]
struct Direction {
    /// What was read and could not be written yet; usually nothing.
    held: Vec<u8>,
    /// Whether something moved since that was last asked.
    moved: bool,
    stage: Stage,
}

#[derive(Default, Clone, Copy)]
enum Stage {
    #[default]
    Open,
    /// Everything was read; the end has to be passed on.
    Ended,
    Closed,
}

impl Direction {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            ready!(self.write_held(cx, to))?;
            match self.stage {
                Stage::Open => ready!(self.pass_on(cx, from, to))?,
                Stage::Ended => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Closed;
                }
                Stage::Closed => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads one piece, and writes as much of it as goes.
    fn pass_on<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut space = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut space);
        if Pin::new(from).poll_read(cx, &mut piece)?.is_pending() {
            ready!(Pin::new(to).poll_flush(cx))?;
            return Poll::Pending;
        }
        self.moved = true;
        let mut rest = piece.filled();
        if rest.is_empty() {
            self.stage = Stage::Ended;
        }
        while !rest.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => rest = &rest[written..],
                Poll::Pending => {
                    self.held = rest.to_vec();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn write_held<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.held))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.held.drain(..written)),
            }
            self.moved = true;
        }
        self.held = Vec::new();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn everything_arrives_in_order_through_a_narrow_place_and_the_ends_are_passed_on() {
        let (mut left, a) = duplex(1000);
        let (b, mut right) = duplex(7);
        let relay = tokio::spawn(between(a, b));
        let sent: Vec<u8> = (0..100_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            left.write_all(&sent).await.expect("written");
            left.shutdown().await.expect("ended");
            let mut answer = String::new();
            left.read_to_string(&mut answer).await.expect("answered");
            answer
        });
        let mut received = Vec::new();
        right.read_to_end(&mut received).await.expect("read");
        assert!(received == expected, "as it was sent");
        right.write_all(b"thanks").await.expect("written after the other side's end");
        right.shutdown().await.expect("ended");
        assert_eq!(writer.await.expect("no panic"), "thanks");
        relay.await.expect("no panic").expect("an orderly end");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_but_a_word_puts_that_off() {
        let (mut left, a) = duplex(100);
        let (b, _right) = duplex(100);
        let started = Instant::now();
        let relay = tokio::spawn(between(a, b));
        left.write_all(b"still here").await.expect("written");
        let end = relay.await.expect("no panic").expect_err("silence");
        assert_eq!(end.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), 2 * SILENCE.as_secs());
    }
}
