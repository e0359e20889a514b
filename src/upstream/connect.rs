//! One new connection to the dashboard, at the first of its addresses where there is one to be had.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use super::http1::Connection;
use super::{UpstreamError, tls};
use crate::config::{self, UpstreamAddress};
use crate::tcp::set_up;
use crate::telemetry::causes;

/// For how long an address comes last that could not be reached.
const AVOIDED: Duration = Duration::from_secs(10);

/// After which time an attempt counts as failed that nobody waited for the end of.
const ABANDONED: Duration = Duration::from_secs(1);

/// How new connections are made.
pub(super) struct Connector {
    addresses: Vec<Address>,
    pub(super) timeout: Duration,
}

/// One of the dashboard's addresses.
struct Address {
    way: Way,
    /// For the log.
    name: String,
    avoided_until: Mutex<Option<Instant>>,
}

enum Way {
    Tcp(Target),
    Tls(Target, tls::Connectors, rustls::pki_types::ServerName<'static>),
    Unix(PathBuf),
}

enum Target {
    Address(SocketAddr),
    Name(String, u16),
}

/// What a connection is to be.
pub(super) trait Speech: Sync {
    /// What comes of it.
    type Spoken;

    /// Whether HTTP/2 is offered, where that is asked.
    const OFFER: tls::Offer;

    /// Begins to speak. Without an agreement, nothing was asked.
    fn begin<S>(
        &self,
        stream: S,
        agreed: Option<tls::Agreement>,
    ) -> impl Future<Output = Result<Self::Spoken, UpstreamError>> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;
}

impl Connector {
    pub(super) fn new(upstream: &config::Upstream) -> io::Result<Self> {
        let addresses = upstream.addresses.iter().map(Address::new).collect::<io::Result<_>>()?;
        Ok(Self { addresses, timeout: upstream.connect_timeout })
    }

    /// Connects to the first address that can be reached, each within the time that is given for it. One that lately
    /// could not comes last; after a while, one attempt finds out whether it can again.
    pub(super) async fn connect<S: Speech>(&self, speech: &S) -> Result<S::Spoken, UpstreamError> {
        if let [only] = &*self.addresses {
            return only.attempt(speech, self.timeout).await;
        }
        let mut failed = UpstreamError::TimedOut { what: "accept a connection" };
        let mut last = Vec::new();
        for (index, address) in self.addresses.iter().enumerate() {
            if !address.may_be_tried(Instant::now()) {
                last.push(index);
                continue;
            }
            match address.attempt(speech, self.timeout).await {
                Ok(spoken) => return Ok(spoken),
                Err(error) => failed = address.complain(error),
            }
        }
        for index in last {
            match self.addresses[index].attempt(speech, self.timeout).await {
                Ok(spoken) => return Ok(spoken),
                Err(error) => failed = self.addresses[index].complain(error),
            }
        }
        Err(failed)
    }

    /// Whether what is spoken is agreed on in a handshake. All addresses are of one kind.
    pub(super) fn asks(&self) -> bool {
        matches!(self.addresses.first(), Some(Address { way: Way::Tls(..), .. }))
    }
}

impl Address {
    fn new(address: &UpstreamAddress) -> io::Result<Self> {
        let way = match address {
            UpstreamAddress::Http { host, port } => Way::Tcp(Target::new(host, *port)),
            UpstreamAddress::Https { host, port, name, authorities } => {
                let name = name.as_ref().unwrap_or(host).clone();
                let name = name.try_into().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                Way::Tls(Target::new(host, *port), tls::Connectors::new(authorities.as_deref())?, name)
            }
            UpstreamAddress::Unix(path) => Way::Unix(path.clone()),
        };
        let name = match address {
            UpstreamAddress::Http { host, port } | UpstreamAddress::Https { host, port, .. } => {
                format!("{host}:{port}")
            }
            UpstreamAddress::Unix(path) => path.display().to_string(),
        };
        Ok(Self { way, name, avoided_until: Mutex::default() })
    }

    /// Whether it can be expected to be there. Whoever is told so after it was not finds out for everybody: until that is
    /// done, others are told no.
    fn may_be_tried(&self, now: Instant) -> bool {
        let mut avoided = self.avoided_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *avoided {
            None => true,
            Some(until) if until <= now => {
                *avoided = Some(now + AVOIDED);
                true
            }
            Some(_) => false,
        }
    }

    fn avoid_until(&self, until: Option<Instant>) {
        *self.avoided_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    async fn attempt<S: Speech>(&self, speech: &S, limit: Duration) -> Result<S::Spoken, UpstreamError> {
        let mut attempt = Attempt { address: self, begun: Instant::now(), is_settled: false };
        let connected = match timeout(limit, self.dial(speech)).await {
            Ok(connected) => connected,
            Err(_) => Err(UpstreamError::TimedOut { what: "accept a connection" }),
        };
        attempt.is_settled = true;
        self.avoid_until(connected.is_err().then(|| Instant::now() + AVOIDED));
        connected
    }

    /// Tells the operator, who would not notice otherwise: there are other addresses.
    fn complain(&self, error: UpstreamError) -> UpstreamError {
        tracing::warn!(address = self.name, error = causes(&error), "an upstream can't be reached at this address");
        error
    }

    async fn dial<S: Speech>(&self, speech: &S) -> Result<S::Spoken, UpstreamError> {
        match &self.way {
            Way::Tcp(target) => speech.begin(target.connect().await.map_err(UpstreamError::Unreachable)?, None).await,
            Way::Tls(target, connectors, name) => {
                let tcp = target.connect().await.map_err(UpstreamError::Unreachable)?;
                let connecting = connectors.of(S::OFFER).connect(name.clone(), tcp);
                let tls = connecting.await.map_err(UpstreamError::Unreachable)?;
                let agreed = tls::Agreement::of(&tls);
                speech.begin(tls, Some(agreed)).await
            }
            Way::Unix(path) => {
                speech.begin(UnixStream::connect(path).await.map_err(UpstreamError::Unreachable)?, None).await
            }
        }
    }
}

/// An attempt that is going on. A client that is less patient than we are must not keep us from learning that an address
/// is dead.
struct Attempt<'a> {
    address: &'a Address,
    begun: Instant,
    is_settled: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_settled && self.begun.elapsed() >= ABANDONED {
            self.address.avoid_until(Some(Instant::now() + AVOIDED));
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
        set_up(&SockRef::from(&stream))?;
        Ok(stream)
    }
}

/// HTTP/1.1, whatever was agreed: nothing else was offered.
pub(super) struct Http1;

impl Speech for Http1 {
    type Spoken = Connection;
    const OFFER: tls::Offer = tls::Offer::Http1;

    async fn begin<S>(&self, stream: S, _agreed: Option<tls::Agreement>) -> Result<Connection, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Ok(Connection::new(stream))
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};
    use tempfile::TempDir;
    use tokio::net::UnixListener;
    use tokio::time::{advance, pause, resume};

    use super::*;

    /// The way to sockets of these names in a folder, and the folder.
    fn ways(names: &[&str]) -> (Connector, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let addresses = names.iter().map(|name| UpstreamAddress::Unix(folder.path().join(name))).collect();
        (to(addresses), folder)
    }

    fn to(addresses: Vec<UpstreamAddress>) -> Connector {
        let upstream = config::Upstream {
            addresses,
            http: config::UpstreamHttp::Http1,
            host: None,
            connect_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(20),
        };
        Connector::new(&upstream).expect("addresses")
    }

    /// Where connections wait to be accepted, as many as may, and the next hears nothing; what it takes to stay so.
    fn crowded() -> (UpstreamAddress, impl Sized) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        socket.listen(0).expect("it listens");
        let address = socket.local_addr().expect("bound").as_socket().expect("an address");
        let first = std::net::TcpStream::connect(address).expect("there is room for one");
        (UpstreamAddress::Http { host: address.ip().to_string(), port: address.port() }, (socket, first))
    }

    fn listen(folder: &TempDir, name: &str) -> UnixListener {
        UnixListener::bind(folder.path().join(name)).expect("a socket")
    }

    /// Connects, and says at which of them somebody was let in.
    async fn reached(connector: &Connector, listeners: &[&UnixListener]) -> usize {
        let _spoken = connector.connect(&Http1).await.expect("connected");
        let mut let_in = listeners.iter().map(|listener| Box::pin(listener.accept()));
        let (first, second) = (let_in.next().expect("one"), let_in.next().expect("two"));
        tokio::select! {
            _ = first => 0,
            _ = second => 1,
        }
    }

    async fn later(time: Duration) {
        pause();
        advance(time).await;
        resume();
    }

    #[tokio::test]
    async fn the_first_address_that_can_be_reached_is_used_and_one_that_could_not_comes_last_for_a_while() {
        let (connector, folder) = ways(&["first", "second"]);
        let (other, second) = (listen(&folder, "other"), listen(&folder, "second"));
        assert_eq!(reached(&connector, &[&other, &second]).await, 1);
        let first = listen(&folder, "first");
        assert_eq!(reached(&connector, &[&first, &second]).await, 1, "what it was is remembered");
        later(AVOIDED).await;
        assert_eq!(reached(&connector, &[&first, &second]).await, 0, "and for a while only");
        assert_eq!(reached(&connector, &[&first, &second]).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_at_which_nothing_is_heard_is_given_up_in_time_for_the_next() {
        let ((crowded, _crowd), folder) = (crowded(), tempfile::tempdir().expect("a folder"));
        let _second = listen(&folder, "second");
        let failed = to(vec![crowded.clone()]).connect(&Http1).await;
        assert!(matches!(failed, Err(UpstreamError::TimedOut { .. })));
        let both = to(vec![crowded, UpstreamAddress::Unix(folder.path().join("second"))]);
        let begun = Instant::now();
        both.connect(&Http1).await.expect("the second");
        assert_eq!(begun.elapsed(), both.timeout);
    }

    #[tokio::test]
    async fn a_connection_does_not_delay_and_notices_a_dashboard_that_is_gone() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        for target in [Target::Address(address), Target::Name("localhost".into(), address.port())] {
            let stream = target.connect().await.expect("connected");
            assert!(stream.nodelay().expect("an option") && SockRef::from(&stream).keepalive().expect("an option"));
        }
    }

    #[tokio::test]
    async fn when_none_could_be_reached_all_are_tried_again() {
        let (connector, folder) = ways(&["first", "second"]);
        for _ in 0..2 {
            let failed = connector.connect(&Http1).await;
            assert!(matches!(failed, Err(UpstreamError::Unreachable(_))));
        }
        let (other, second) = (listen(&folder, "other"), listen(&folder, "second"));
        assert_eq!(reached(&connector, &[&other, &second]).await, 1);
    }

    #[tokio::test]
    async fn one_attempt_alone_finds_out_whether_an_address_is_there_again() {
        let (connector, _folder) = ways(&["first", "second"]);
        let first = &connector.addresses[0];
        assert!(first.attempt(&Http1, connector.timeout).await.is_err());
        assert!(!first.may_be_tried(Instant::now()));
        later(AVOIDED).await;
        assert!(first.may_be_tried(Instant::now()));
        assert!(!first.may_be_tried(Instant::now()), "the others go elsewhere meanwhile");
    }

    #[tokio::test]
    async fn what_an_impatient_client_did_not_wait_for_is_learned_all_the_same() {
        let (connector, _folder) = ways(&["first"]);
        let address = &connector.addresses[0];
        let attempt = || Attempt { address, begun: Instant::now(), is_settled: false };
        drop(attempt());
        assert!(address.may_be_tried(Instant::now()), "nothing was learned in no time");
        let attempt = attempt();
        later(ABANDONED).await;
        drop(attempt);
        assert!(!address.may_be_tried(Instant::now()));
    }
}
