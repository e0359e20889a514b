//! Sockets that the service manager has bound and hands over, the way systemd does it (`LISTEN_FDS`).

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

use super::sockets::{Address, Listener};

/// Bound sockets of somebody else's; usually none.
#[derive(Debug, Default)]
pub struct Given(Vec<Listener>);

impl Given {
    /// What the service manager hands over to this process. To be called once, before there are other threads: the
    /// variables that say so are taken out of the environment.
    ///
    /// Fails if something is handed over that is no TCP or Unix socket which listens.
    pub fn from_environment() -> io::Result<Self> {
        let mut handed = ListenFd::from_env();
        (0..handed.len()).map(|index| listener(&mut handed, index)).collect::<io::Result<_>>().map(Self)
    }

    /// The one that is bound there, to be taken before those for visitors: with it as well, two gateways can run beside each
    /// other, so that one takes over from the other.
    pub(crate) fn for_operations(&mut self, address: SocketAddr) -> Option<io::Result<TcpListener>> {
        match self.take(&Address::Tcp(address))? {
            Listener::Tcp(listener) => Some(listener.set_nonblocking(true).map(|()| listener)),
            Listener::Unix(_) => None,
        }
    }

    /// The one that is bound there.
    pub(super) fn take(&mut self, address: &Address) -> Option<Listener> {
        let index = self.0.iter().position(|listener| bound(listener).as_ref() == Some(address))?;
        Some(self.0.swap_remove(index))
    }

    /// Where one is bound that was not taken.
    pub(super) fn left(&self) -> Option<Address> {
        self.0.first().map(|listener| bound(listener).unwrap_or_else(|| Address::Unix("an unknown address".into())))
    }
}

fn listener(handed: &mut ListenFd, index: usize) -> io::Result<Listener> {
    let listener = match handed.take_tcp_listener(index) {
        Ok(listener) => listener.map(Listener::Tcp),
        Err(_) => handed.take_unix_listener(index)?.map(Listener::Unix),
    };
    let listens = |listener: &Listener| match listener {
        Listener::Tcp(listener) => SockRef::from(listener).is_listener(),
        Listener::Unix(listener) => SockRef::from(listener).is_listener(),
    };
    match listener {
        Some(listener) if listens(&listener)? => Ok(listener),
        Some(_) | None => Err(io::Error::other("the service manager hands over a socket that does not listen")),
    }
}

fn bound(listener: &Listener) -> Option<Address> {
    match listener {
        Listener::Tcp(listener) => listener.local_addr().ok().map(Address::Tcp),
        Listener::Unix(listener) => Some(Address::Unix(listener.local_addr().ok()?.as_pathname()?.to_owned())),
    }
}
