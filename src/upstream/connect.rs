//! One new connection to the dashboard.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::{Purpose, UpstreamError, tls};
use crate::body::Body;
use crate::config::{self, UpstreamAddress};

/// How new connections are made.
pub(super) struct Connector {
    way: Way,
    pub(super) timeout: Duration,
}

enum Way {
    Tcp(Target),
    Tls(Target, TlsConnector, rustls::pki_types::ServerName<'static>),
    Unix(PathBuf),
}

enum Target {
    Address(SocketAddr),
    Name(String, u16),
}

/// A connection that speaks HTTP, and the task that drives it.
pub(super) type Spoken = (SendRequest<Body>, AbortHandle);

impl Connector {
    pub(super) fn new(upstream: &config::Upstream) -> io::Result<Self> {
        let way = match &upstream.address {
            UpstreamAddress::Http { host, port } => Way::Tcp(Target::new(host, *port)),
            UpstreamAddress::Https { host, port, name, authorities } => {
                let name = name.as_ref().unwrap_or(host).clone();
                let name = name.try_into().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                Way::Tls(Target::new(host, *port), tls::connector(authorities.as_deref())?, name)
            }
            UpstreamAddress::Unix(path) => Way::Unix(path.clone()),
        };
        Ok(Self { way, timeout: upstream.connect_timeout })
    }

    /// Connects within the time that is given for it.
    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Spoken, UpstreamError> {
        match tokio::time::timeout(self.timeout, self.dial(purpose)).await {
            Ok(connected) => connected,
            Err(_) => Err(UpstreamError::TimedOut { what: "accept a connection" }),
        }
    }

    async fn dial(&self, purpose: Purpose) -> Result<Spoken, UpstreamError> {
        match &self.way {
            Way::Tcp(target) => speak(target.connect().await.map_err(UpstreamError::Unreachable)?, purpose).await,
            Way::Tls(target, connector, name) => {
                let tcp = target.connect().await.map_err(UpstreamError::Unreachable)?;
                let tls = connector.connect(name.clone(), tcp).await.map_err(UpstreamError::Unreachable)?;
                speak(tls, purpose).await
            }
            Way::Unix(path) => {
                speak(UnixStream::connect(path).await.map_err(UpstreamError::Unreachable)?, purpose).await
            }
        }
    }
}

impl Target {
    fn new(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(address) => Self::Address((address, port).into()),
            Err(_) => Self::Name(host.to_owned(), port),
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = match self {
            Self::Address(address) => TcpStream::connect(address).await?,
            Self::Name(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

async fn speak<S>(stream: S, purpose: Purpose) -> Result<Spoken, UpstreamError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(UpstreamError::Broken)?;
    // How it ends is told to whoever has a request or a body on it.
    let task = match purpose {
        Purpose::Exchange => tokio::spawn(async { drop(connection.await) }),
        Purpose::Switch => tokio::spawn(async { drop(connection.with_upgrades().await) }),
    };
    Ok((sender, task.abort_handle()))
}
