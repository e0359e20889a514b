//! What comes over a connection, until it is known what it is.

use std::io::{self, Cursor};
use std::mem::{MaybeUninit, take};
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
    pub(crate) bytes: Bytes,
    /// Room that the last read left.
    spare: BytesMut,
    /// How much the next read has room for.
    room: usize,
    most: usize,
}

impl Receiver {
    /// That reads no more at once than `most`.
    pub(crate) fn new(reader: Reader, most: usize) -> Self {
        Self { reader, bytes: Bytes::new(), spare: BytesMut::new(), room: LEAST, most }
    }

    /// Has the next read have room for so much, as far as may be read at once: that is how much will come.
    pub(crate) fn expect(&mut self, length: u64) {
        self.room = usize::try_from(length).unwrap_or(usize::MAX).min(self.most).max(LEAST);
    }

    /// Makes it one that holds no memory, and begins anew. What came is lost.
    pub(crate) fn rest(&mut self) {
        self.bytes = Bytes::new();
        self.spare = BytesMut::new();
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
        let count = match (self.bytes.is_empty(), self.room) {
            (true, LEAST) => ready!(self.poll_little(cx))?,
            (true, _) => ready!(self.poll_much(cx))?,
            (false, _) => ready!(self.poll_more(cx))?,
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
        self.bytes = Bytes::copy_from_slice(read.filled());
        Poll::Ready(Ok(self.bytes.len()))
    }

    /// Reads without a copy. Whoever waits holds no memory here either.
    fn poll_much(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = take(&mut self.spare);
        // Room that has to grow would take along what was read into it before.
        if space.capacity() < self.room / 4 && !space.try_reclaim(self.room) {
            space = BytesMut::with_capacity(self.room);
        }
        let count = ready!(pin!(self.reader.read_buf(&mut space)).poll(cx))?;
        self.bytes = space.split().freeze();
        self.spare = space;
        Poll::Ready(Ok(count))
    }

    /// Reads what follows on what is there: that is moved only if somebody has a part of it.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = take(&mut self.bytes).try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        if bytes.capacity() - bytes.len() < self.room / 4 {
            bytes.reserve(self.room);
        }
        let read = pin!(self.reader.read_buf(&mut bytes)).poll(cx);
        self.bytes = bytes.freeze();
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
