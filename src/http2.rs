//! HTTP/2 (RFC 9113) as it is spoken towards clients and towards dashboards alike: what comes on a stream, what goes on it,
//! and whether the other side is there. Frames, windows and fields are the library's.

mod alive;
mod received;
mod sending;
mod tunnel;

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
