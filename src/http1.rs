//! Messages in HTTP/1.1 as bytes (RFC 9112): what is read and written alike towards clients and towards dashboards.

pub(crate) mod fields;
pub(crate) mod framing;
mod receiver;

use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};

pub(crate) use self::receiver::Receiver;

/// The largest head, in bytes.
pub(crate) const LARGEST_HEAD: usize = 64 * 1024;

/// The most fields of one.
pub(crate) const MOST_FIELDS: usize = 100;

/// A connection, whatever it is made of, and whatever is spoken on it by now.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Where the other side is heard.
pub(crate) type Reader = ReadHalf<Box<dyn Stream>>;

/// Where it is spoken to.
pub(crate) type Writer = WriteHalf<Box<dyn Stream>>;
