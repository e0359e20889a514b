//! How a client gets to a gate, and asks there.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why something did not work.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http1OverTls,
    /// Over TLS.
    Http2,
}

/// A person's way to a gate.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    pub(crate) tls: TlsConnector,
    pub(crate) cookies: String,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection on which one asks.
pub(crate) enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Way {
    /// Who goes it, as the dashboard calls them.
    pub(crate) fn person(&self) -> &str {
        let rest = self.cookies.split_once("login=").map_or("", |(_, rest)| rest);
        rest.split(';').next().unwrap_or_default()
    }

    /// The bytes alone.
    pub(crate) async fn stream(&self) -> Result<Box<dyn Stream>, Failed> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(match self.protocol {
            Protocol::Http1 => Box::new(stream),
            Protocol::Http1OverTls | Protocol::Http2 => {
                Box::new(self.tls.connect(ServerName::try_from("localhost")?, stream).await?)
            }
        })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Failed> {
        let stream = TokioIo::new(self.stream().await?);
        if self.protocol == Protocol::Http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            Ok(Connection::Http2(sender))
        } else {
            let (sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            Ok(Connection::Http1(sender))
        }
    }

    /// What a browser of this person asks.
    pub(crate) fn request(&self, method: &str, path: &str, marker: &str) -> http::request::Builder {
        let (target, host) = match self.protocol {
            Protocol::Http2 => (format!("https://localhost{path}"), None),
            Protocol::Http1 | Protocol::Http1OverTls => (path.to_owned(), Some("localhost")),
        };
        let request = Request::builder().method(method).uri(target);
        let request = host.into_iter().fold(request, |request, host| request.header("host", host));
        request.header("cookie", &self.cookies).header("x-marker", marker).header("accept", "application/json")
    }
}

impl Connection {
    pub(crate) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
