//! The way from a gateway to its database, which a test can freeze, slow down or cut.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::Cluster;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It arrives.
    Open,
    /// It arrives this much later.
    Slow(Duration),
    /// It arrives once the link is open again; nobody is told.
    Frozen,
    /// Connections break, and new ones with them.
    Cut,
}

/// A TCP port that leads to the server's Unix socket.
pub(crate) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Link {
    pub(crate) async fn to(cluster: &Cluster) -> Self {
        let (folder, port) = cluster.socket();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (state, seen) = watch::channel(State::Open);
        tokio::spawn(accept(listener, folder.join(format!(".s.PGSQL.{port}")), seen));
        Self { address, state }
    }

    /// The URL of a database behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://vestibule@{}/{database}", self.address)
    }

    pub(crate) fn is(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn accept(listener: TcpListener, server: PathBuf, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, server.clone(), state.clone()));
    }
}

async fn carry(client: TcpStream, server: PathBuf, state: watch::Receiver<State>) {
    if *state.borrow() == State::Cut {
        return;
    }
    let Ok(server) = UnixStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(from_client, to_server, state.clone()) => {}
        () = pump(from_server, to_client, state) => {}
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut state: watch::Receiver<State>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = tokio::select! {
            _ = state.wait_for(|state| *state == State::Cut) => return,
            read = from.read(&mut bytes) => read.unwrap_or(0),
        };
        let now = state.wait_for(|state| *state != State::Frozen).await.map(|state| *state);
        match now {
            Ok(State::Slow(delay)) => sleep(delay).await,
            Ok(State::Open) => {}
            Ok(State::Frozen | State::Cut) | Err(_) => return,
        }
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
