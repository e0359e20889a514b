//! What comes over a connection, until it is known what it is.

use std::io::{self, Cursor};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, join};
use tokio::task::unconstrained;

use super::{Reader, Stream, Writer};

/// How much is read at once to begin with: onto the stack, so that whoever waits holds no memory.
const LEAST: usize = 4 * 1024;

/// One side of a connection.
pub(crate) struct Receiver {
    reader: Reader,
    /// What came and was not looked at yet.
    pub(crate) bytes: BytesMut,
    /// How much the next read has room for.
    room: usize,
    most: usize,
}

impl Receiver {
    /// That reads no more at once than `most`.
    pub(crate) fn new(reader: Reader, most: usize) -> Self {
        Self { reader, bytes: BytesMut::new(), room: LEAST, most }
    }

    /// Makes it one that holds no memory, and begins anew. What came is lost.
    pub(crate) fn rest(&mut self) {
        self.bytes = BytesMut::new();
        self.room = LEAST;
    }

    /// Whether nothing comes, and it is not closed, as far as that can be told. After a denial, what came is lost.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut surplus = [0];
        let read = pin!(unconstrained(self.reader.read(&mut surplus)));
        read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Reads what there is, and says how much: nothing at the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = if self.bytes.is_empty() && self.room == LEAST {
            ready!(self.poll_little(cx))?
        } else {
            ready!(self.poll_much(cx))?
        };
        if count >= self.room / 2 {
            self.room = (2 * self.room).min(self.most);
        } else if count < self.room / 8 {
            self.room = (self.room / 2).max(LEAST);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_little(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); LEAST];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.reader).poll_read(cx, &mut read))?;
        self.bytes = BytesMut::from(read.filled());
        Poll::Ready(Ok(self.bytes.len()))
    }

    fn poll_much(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.bytes.capacity() - self.bytes.len() < self.room / 4 {
            self.bytes.reserve(self.room);
        }
        let read = pin!(self.reader.read_buf(&mut self.bytes)).poll(cx);
        if read.is_pending() && self.bytes.is_empty() {
            // Nobody needs it meanwhile, and the memory that was used last is the one at hand.
            self.bytes = BytesMut::new();
        }
        read
    }

    /// What is said from now on, both ways, beginning with what came already.
    pub(crate) fn into_stream(self, writer: Writer) -> Box<dyn Stream> {
        // A copy: what came may have room for much more.
        let received = Cursor::new(Bytes::copy_from_slice(&self.bytes));
        Box::new(join(received.chain(self.reader), writer))
    }

    /// The rest of what is said, without what came already.
    pub(crate) fn into_reader(self) -> Reader {
        self.reader
    }
}
