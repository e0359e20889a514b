//! Telling the service manager how the gateway is, the way systemd wants to be told (`sd_notify`).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// How the gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It answers. Also after a reload, whatever became of that.
    Ready,
    /// It reads its configuration again; it answers meanwhile.
    Reloading,
    /// It finishes what is in flight, and ends.
    Stopping,
}

impl State {
    const fn message(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1",
            Self::Reloading => b"RELOADING=1",
            Self::Stopping => b"STOPPING=1",
        }
    }
}

/// Tells the service manager, if there is one that wants to know (`NOTIFY_SOCKET`).
pub fn tell(state: State) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, state.message()) {
        tracing::warn!(%error, ?state, "the service manager can't be told");
    }
}

fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?.send_to_addr(message, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(listener: &UnixDatagram) -> Vec<u8> {
        let mut message = [0; 64];
        let length = listener.recv(&mut message).expect("a message");
        message[..length].to_vec()
    }

    #[test]
    fn a_socket_may_have_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify.sock");
        let listener = UnixDatagram::bind(&path).expect("a socket");
        send(path.as_os_str(), State::Ready.message()).expect("sent");
        assert_eq!(received(&listener), b"READY=1");

        let name = path.to_str().expect("text");
        let address = SocketAddr::from_abstract_name(name).expect("a name");
        let listener = UnixDatagram::bind_addr(&address).expect("a socket");
        send(OsStr::new(&format!("@{name}")), State::Stopping.message()).expect("sent");
        assert_eq!(received(&listener), b"STOPPING=1");
    }
}
