//! Whom to believe that they are the dashboard.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authorities;

/// What is offered to a dashboard in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    Http2OrHttp1,
}

/// What it chose. Whoever says nothing speaks HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    Http1,
    Http2,
}

impl Agreement {
    pub(super) fn of<S>(stream: &TlsStream<S>) -> Self {
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) { Self::Http2 } else { Self::Http1 }
    }
}

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// A connector for each offer.
pub(super) struct Connectors {
    http1: TlsConnector,
    http2_or_http1: TlsConnector,
}

impl Connectors {
    /// Believes the authorities in this PEM file, or those of the system. There is no way to believe anybody.
    pub(super) fn new(authorities: Option<&Path>) -> io::Result<Self> {
        let mut http1 = authorities::client(authorities)?;
        http1.alpn_protocols = vec![HTTP1.to_vec()];
        let mut both = http1.clone();
        both.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Self { http1: Arc::new(http1).into(), http2_or_http1: Arc::new(both).into() })
    }

    pub(super) const fn of(&self, offer: Offer) -> &TlsConnector {
        match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2OrHttp1 => &self.http2_or_http1,
        }
    }
}
