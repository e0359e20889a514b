//! The way from a gateway to its database or its dashboard, which a test can freeze, slow down or cut.

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

/// Where it leads.
#[derive(Clone)]
enum End {
    /// The Unix socket of a database server.
    Socket(PathBuf),
    /// A dashboard.
    Port(SocketAddr),
}

/// A TCP port that leads there.
pub(crate) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Link {
    pub(crate) async fn to(cluster: &Cluster) -> Self {
        let (folder, port) = cluster.socket();
        Self::lead(End::Socket(folder.join(format!(".s.PGSQL.{port}")))).await
    }

    /// One to a dashboard.
    pub(crate) async fn before(dashboard: SocketAddr) -> Self {
        Self::lead(End::Port(dashboard)).await
    }

    async fn lead(end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (state, seen) = watch::channel(State::Open);
        tokio::spawn(accept(listener, end, seen));
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a database behind it, or behind another.
    pub(crate) fn url_or(&self, other: &Self, database: &str) -> String {
        format!("postgres://vestibule@{},{}/{database}", self.address, other.address)
    }

    /// The URL of a database behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://vestibule@{}/{database}", self.address)
    }

    pub(crate) fn is(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn accept(listener: TcpListener, end: End, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, end.clone(), state.clone()));
    }
}

async fn carry(client: TcpStream, end: End, state: watch::Receiver<State>) {
    if *state.borrow() == State::Cut {
        return;
    }
    match end {
        End::Socket(path) => {
            let Ok(server) = UnixStream::connect(path).await else { return };
            let (from_server, to_server) = server.into_split();
            both(client, from_server, to_server, state).await;
        }
        End::Port(address) => {
            let Ok(server) = TcpStream::connect(address).await else { return };
            let (from_server, to_server) = server.into_split();
            both(client, from_server, to_server, state).await;
        }
    }
}

async fn both(
    client: TcpStream,
    from_server: impl AsyncRead + Unpin,
    to_server: impl AsyncWrite + Unpin,
    state: watch::Receiver<State>,
) {
    let (from_client, to_client) = client.into_split();
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
