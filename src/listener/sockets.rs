//! The sockets, bound or taken over before anything else starts, so that a busy address is an early error.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::given::Given;
use super::seats;
use crate::config::{self, Listen};
use crate::open_files;
use crate::tcp::set_up;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Bound sockets: one for each worker and address.
#[derive(Debug)]
pub struct Sockets {
    pub(super) workers: Vec<Vec<Listener>>,
    /// Whether visitors may begin in HTTP/2 without TLS.
    pub(super) h2c: bool,
    pub(super) connections: usize,
    addresses: Vec<Address>,
}

/// A socket of one worker.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// Where a socket is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// With the port that the system chose, if it was asked to.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}")]
pub struct BindError {
    /// Which.
    pub address: Address,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Sockets {
    /// Where they are bound, in the order of the configuration.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// How many connections may be open at once, over all workers; whoever comes then waits outside. In HTTP/2, also how
    /// many requests may be in progress; those that come then are refused, unread.
    pub const fn connections(&self) -> usize {
        self.connections
    }
}

/// As [`Given::or_bind`] with nothing given.
pub fn bind(server: &config::Server) -> Result<Sockets, BindError> {
    Given::default().or_bind(server)
}

impl Given {
    /// Takes what was given, and binds every other address of the configuration: once for each worker. A Unix socket's
    /// file gets mode 0660; one that is left from before is replaced, but only if nobody answers on it. What was given
    /// and is not in the configuration is an error: whoever comes there would wait for ever.
    pub fn or_bind(mut self, server: &config::Server) -> Result<Sockets, BindError> {
        let count = server.workers.get();
        let mut workers: Vec<Vec<Listener>> = (0..count).map(|_| Vec::new()).collect();
        let mut addresses = Vec::with_capacity(server.listen.len());
        for listen in &server.listen {
            let address = match listen {
                Listen::Tcp(address) => Address::Tcp(*address),
                Listen::Unix(path) => Address::Unix(path.clone()),
            };
            let bound = match (self.take(&address), listen) {
                (Some(given), _) => share(&given, count).map(|listeners| (address.clone(), listeners)),
                (None, Listen::Tcp(address)) => bind_tcp(*address, count),
                (None, Listen::Unix(path)) => bind_unix(path, count),
            };
            let (address, listeners) = bound.map_err(|source| BindError { address, source })?;
            addresses.push(address);
            for (worker, listener) in workers.iter_mut().zip(listeners) {
                worker.push(listener);
            }
        }
        if let Some(address) = self.left() {
            let source = io::Error::other(
                "the service manager has bound it, and it is neither in server.listen nor operations.listen",
            );
            return Err(BindError { address, source });
        }
        let connections = seats::number(server, open_files::allowed());
        Ok(Sockets { workers, h2c: server.h2c, connections, addresses })
    }
}

/// The workers take turns at it.
fn share(given: &Listener, count: usize) -> io::Result<Vec<Listener>> {
    match given {
        Listener::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            set_up(&SockRef::from(listener))?;
        }
        Listener::Unix(listener) => listener.set_nonblocking(true)?,
    }
    let another = || match given {
        Listener::Tcp(listener) => listener.try_clone().map(Listener::Tcp),
        Listener::Unix(listener) => listener.try_clone().map(Listener::Unix),
    };
    (0..count).map(|_| another()).collect()
}

/// The system spreads connections over the workers' sockets.
fn bind_tcp(address: SocketAddr, count: usize) -> io::Result<(Address, Vec<Listener>)> {
    // A socket that shares its port would be bound beside that of another gateway without a word.
    let alone = tcp_socket(address)?;
    alone.bind(&address.into())?;
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    let shared = || {
        let socket = tcp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Listener::Tcp(socket.into()))
    };
    let listeners = (0..count).map(|_| shared()).collect::<io::Result<_>>()?;
    Ok((Address::Tcp(address), listeners))
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    set_up(&SockRef::from(&socket))?;
    Ok(socket)
}

/// There is but one Unix socket at a path: the workers take turns at it.
fn bind_unix(path: &Path, count: usize) -> io::Result<(Address, Vec<Listener>)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody can connect before it listens, so nobody slips in under the first mode.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    socket.listen(BACKLOG)?;
    let listeners = (0..count).map(|_| Ok(Listener::Unix(socket.try_clone()?.into()))).collect::<io::Result<_>>()?;
    Ok((Address::Unix(path.to_owned()), listeners))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody answers on it")),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::config::TrustedProxies;

    fn server(listen: Vec<Listen>) -> config::Server {
        let workers = NonZeroUsize::new(2).expect("not zero");
        config::Server {
            listen,
            trusted_proxies: TrustedProxies::default(),
            forward_auth: Vec::new(),
            h2c: false,
            proxy_protocol: false,
            tls: None,
            workers,
            connections: None,
            connections_per_client: None,
        }
    }

    fn any_port() -> Listen {
        Listen::Tcp(([127, 0, 0, 1], 0).into())
    }

    #[test]
    fn every_worker_gets_a_socket_on_every_address() {
        let sockets = bind(&server(vec![any_port(), any_port()])).expect("bound");
        assert_eq!(sockets.workers.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        assert!(matches!(sockets.addresses()[0], Address::Tcp(address) if address.port() != 0));
    }

    #[test]
    fn what_is_accepted_does_not_delay_and_notices_clients_that_are_gone() {
        let sockets = bind(&server(vec![any_port()])).expect("bound");
        let Address::Tcp(address) = sockets.addresses()[0] else { panic!("a TCP address") };
        let connected = std::net::TcpStream::connect(address).expect("connected");
        let mut listeners = sockets.workers.iter().flatten().cycle();
        let accepted = loop {
            let Some(Listener::Tcp(listener)) = listeners.next() else { panic!("a TCP socket") };
            if let Ok((accepted, _)) = listener.accept() {
                break accepted;
            }
        };
        assert_eq!(accepted.peer_addr().ok(), connected.local_addr().ok());
        assert!(accepted.nodelay().expect("an option"));
        assert!(socket2::SockRef::from(&accepted).keepalive().expect("an option"));
    }

    #[test]
    fn a_busy_port_is_an_error_that_names_it_even_if_its_owner_would_share_it() {
        let sockets = bind(&server(vec![any_port()])).expect("bound");
        let Address::Tcp(address) = sockets.addresses()[0] else { panic!("a TCP address") };
        let error = bind(&server(vec![any_port(), Listen::Tcp(address)])).expect_err("busy");
        assert_eq!(error.to_string(), format!("can't listen on {address}"));
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("vestibule.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let live = bind(&server(vec![Listen::Unix(path.clone())])).expect("the stale one is replaced");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = bind(&server(vec![Listen::Unix(path.clone())])).expect_err("somebody answers");
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(live.workers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = bind(&server(vec![Listen::Unix(file.path().to_owned())])).expect_err("not ours");
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert!(file.path().exists());
    }
}
