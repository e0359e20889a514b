//! HTTP/2 (RFC 9113) as it is spoken towards clients and towards dashboards alike: what comes on a stream, what goes on it,
//! and whether the other side is there. Frames, windows and fields are the library's.

mod alive;
mod received;
mod sending;
mod tunnel;

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderName;
use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};

#[cfg(test)]
pub(crate) use self::alive::PING;
pub(crate) use self::alive::{Alive, Lent, lend};
pub(crate) use self::received::Received;
pub(crate) use self::sending::{Sending, Unsent};
pub(crate) use self::tunnel::Tunnel;

/// Fields that are for a connection in HTTP/1.1, and that HTTP/2 does not have (section 8.2.2).
pub(crate) const CONNECTION_SPECIFIC: [HeaderName; 5] = [
    CONNECTION,
    UPGRADE,
    TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// How much of so many bytes may be sent on a stream, once any may: as much as the other side has made room for.
fn poll_room(stream: &mut SendStream<Bytes>, wanted: usize, cx: &mut Context<'_>) -> Poll<Result<usize, h2::Error>> {
    stream.reserve_capacity(wanted);
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(cx)) {
            Some(room) => drop(room?),
            // The stream has ended.
            None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
        }
    }
    Poll::Ready(Ok(stream.capacity().min(wanted)))
}
