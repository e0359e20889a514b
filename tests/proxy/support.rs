//! Both ends of the wire, and a gateway between them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vestibule::body::Body;
use vestibule::config::{self, Listen, Server, Site, TrustedProxies, Upstream, UpstreamAddress, UpstreamHttp};
use vestibule::identity::client::{Arrival, Client};
use vestibule::listener::{self, Address, Door, Incoming, Sockets, framing, tls::Tls};
use vestibule::memory::Memory;
use vestibule::message::{Request, Response};
use vestibule::proxy::tunnels::Tunnels;
use vestibule::proxy::{self, ProxyError, Way, headers};
use vestibule::second_factor::account::{Account, AccountId, AccountKey, Factor, OrganizationId, Requirement};
use vestibule::second_factor::policy::{Decision, Passage, Standing, decide};
use vestibule::upstream::{Pool, UpstreamError};

/// What nothing here takes, unless something is broken.
const TOO_LONG: Duration = Duration::from_secs(20);

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(TOO_LONG, what).await.expect("it should have happened by now")
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One end of a connection.
pub(crate) struct End {
    pub(crate) stream: Box<dyn Stream>,
    read: Vec<u8>,
}

impl End {
    pub(crate) fn of(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.expect("the other end listens");
        soon(self.stream.flush()).await.expect("the other end listens");
    }

    /// Everything up to and with the mark.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|piece| piece == mark.as_bytes()) {
                return self.take(at + mark.len());
            }
            assert!(self.more().await, "the end came before {mark:?}, after {:?}", self.take(self.read.len()));
        }
    }

    /// The head of a message.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    pub(crate) async fn exactly(&mut self, count: usize) -> String {
        while self.read.len() < count {
            assert!(self.more().await, "the end came after {:?}", self.take(self.read.len()));
        }
        self.take(count)
    }

    /// An answer with a length, head and body apart.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().expect("a length"));
        let body = self.exactly(length).await;
        (head, body)
    }

    /// Everything up to the end, orderly or not.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await {}
        self.take(self.read.len())
    }

    async fn more(&mut self) -> bool {
        matches!(soon(self.stream.read_buf(&mut self.read)).await, Ok(1..))
    }

    fn take(&mut self, count: usize) -> String {
        String::from_utf8(self.read.drain(..count).collect()).expect("text")
    }
}

/// The value of a field in a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The number in the first line of an answer.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {head:?}"))
}

/// The dashboard's side: says what a test has it say.
pub(crate) struct Origin {
    listener: TcpListener,
}

impl Origin {
    pub(crate) async fn accept(&self) -> End {
        End::of(soon(self.listener.accept()).await.expect("a connection").0)
    }

    pub(crate) async fn accept_tcp(&self) -> TcpStream {
        soon(self.listener.accept()).await.expect("a connection").0
    }
}

/// A gateway in front of an origin.
pub(crate) struct World {
    pub(crate) origin: Origin,
    pub(crate) address: Address,
    pub(crate) tunnels: Arc<Tunnels>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
}

/// What a world can be told to be like.
pub(crate) struct Options {
    pub(crate) upstream: Option<UpstreamAddress>,
    pub(crate) upstream_http: UpstreamHttp,
    pub(crate) listen: Listen,
    pub(crate) h2c: bool,
    pub(crate) tls: Option<config::Tls>,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) workers: usize,
    pub(crate) connections: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            upstream: None,
            upstream_http: UpstreamHttp::Http1,
            listen: Listen::Tcp(([127, 0, 0, 1], 0).into()),
            h2c: false,
            tls: None,
            connect_timeout: TOO_LONG,
            answer_timeout: TOO_LONG,
            idle_timeout: TOO_LONG,
            // One, so that connections to the origin are found again.
            workers: 1,
            connections: None,
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let sockets = bind(&options);
        let address = options.upstream.unwrap_or(UpstreamAddress::Http { host: "127.0.0.1".into(), port });
        let site = Arc::new(site(Upstream {
            addresses: vec![address],
            http: options.upstream_http,
            host: None,
            connect_timeout: options.connect_timeout,
            answer_timeout: options.answer_timeout,
            idle_timeout: options.idle_timeout,
        }));
        let address = sockets.addresses()[0].clone();
        let tls = options.tls.map(|files| Tls::load(&files).expect("a certificate with its key"));
        let tunnels = Arc::new(Tunnels::default());
        let shutdown = CancellationToken::new();
        let pool = Pool::new(&site.upstream).expect("a pool");
        let shared = Arc::clone(&tunnels);
        let make_door =
            move |_| Arc::new(Open { pool: pool.sibling(), site: Arc::clone(&site), tunnels: Arc::clone(&shared) });
        let served = tokio::spawn(listener::serve(sockets, tls, make_door, shutdown.clone()));
        Self { origin: Origin { listener }, address, tunnels, shutdown, served }
    }

    /// A new connection of a client.
    pub(crate) async fn client(&self) -> End {
        End::of(self.connect().await)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        let Address::Tcp(address) = self.address else { panic!("a TCP address") };
        soon(TcpStream::connect(address)).await.expect("the gateway listens")
    }

    /// A client that has asked for `target`, and the origin that has read so.
    pub(crate) async fn asked(&self, target: &str) -> (End, End) {
        let mut client = self.client().await;
        client.say(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let mut origin = self.origin.accept().await;
        let head = origin.head().await;
        assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{head}");
        (client, origin)
    }

    /// Asserts that nothing of what was sent before has reached the origin: the next that does is this.
    pub(crate) async fn nothing_arrived(&self) {
        self.asked("/nothing-arrived-before").await;
    }
}

fn bind(options: &Options) -> Sockets {
    let workers = NonZeroUsize::new(options.workers).expect("at least one");
    let server = Server {
        listen: vec![options.listen.clone()],
        trusted_proxies: TrustedProxies::default(),
        forward_auth: Vec::new(),
        h2c: options.h2c,
        proxy_protocol: false,
        tls: None,
        workers,
        connections: options.connections.and_then(NonZeroUsize::new),
        connections_per_client: None,
    };
    listener::bind(&server).expect("a socket")
}

/// Lets everybody through: to paths below `/known/` as somebody with an account, elsewhere as anybody.
struct Open {
    pool: Pool,
    site: Arc<Site>,
    tunnels: Arc<Tunnels>,
}

impl Door for Open {
    type Memory = Memory;

    async fn answer(&self, request: Box<Request<Incoming>>, arrival: Arrival, memory: &Memory) -> Response<Body> {
        assert!(request.uri().path() != "/panic", "as a test asked for");
        let (mut head, body) = request.into_parts();
        if let Err(refusal) = framing::check(&mut head) {
            let mut response = empty(refusal.status());
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
        let passage = if head.uri.path().starts_with("/known/") { known() } else { public() };
        let (peer, scheme) = (arrival.peer, arrival.scheme);
        let client = Client { address: peer.address(), scheme, peer, trusted: false, outer_login: false };
        let way = Way { site: &self.site, pool: &self.pool, tunnels: &self.tunnels, memory };
        let body = Body::client(body);
        let request = headers::strip(&mut head, &self.site, &client).take_request(body);
        proxy::forward(passage, request, &client, way).await.unwrap_or_else(|error| empty(status_of(&error)))
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn status_of(error: &ProxyError) -> StatusCode {
    match error {
        ProxyError::Upstream(UpstreamError::TimedOut { .. }) => StatusCode::GATEWAY_TIMEOUT,
        ProxyError::Upstream(_) | ProxyError::Unspeakable => StatusCode::BAD_GATEWAY,
        ProxyError::Client(_) => StatusCode::BAD_REQUEST,
        ProxyError::Stalled => StatusCode::REQUEST_TIMEOUT,
        ProxyError::AnotherLogin => StatusCode::UNAUTHORIZED,
        ProxyError::ForeignOrigin => StatusCode::FORBIDDEN,
        ProxyError::Loop(_) => StatusCode::LOOP_DETECTED,
    }
}

fn public() -> Passage {
    passed(decide(&Standing::Public))
}

fn known() -> Passage {
    let account = Account {
        id: AccountId(7),
        organization: OrganizationId(1),
        key: Arc::new(AccountKey { realm: "insights".into(), organization: "acme".into(), user: "42".into() }),
        email: None,
        name: None,
        factor: Factor::NotEnrolled,
    };
    passed(decide(&Standing::Known { requirement: Requirement::Optional, account: &account, proof: None }))
}

fn passed(decision: Decision) -> Passage {
    match decision {
        Decision::Pass(passage) => passage,
        other => panic!("no passage: {other:?}"),
    }
}

fn site(upstream: Upstream) -> Site {
    Site {
        name: "insights".into(),
        realm: "insights".into(),
        hosts: config::Hosts::Any,
        upstream,
        public: vec![],
        public_until_login: vec![],
        login: None,
        logout: vec![],
        after_logout: None,
        prefix: "/_2fa".into(),
        strip: vec![http::HeaderName::from_static("remote-user")],
        strip_query: Vec::new(),
        credentials: vec![config::Credential::Cookie],
        by_session: Vec::new(),
        bind: None,
        enrollment: config::Guard::None,
        identity: config::Identity {
            source: config::Source::Probe(config::Probe {
                url: "/me".into(),
                anonymous: config::AnonymousEvidence {
                    statuses: vec![401],
                    redirects: vec![],
                    without_user: false,
                    css: None,
                },
                cache: Duration::ZERO,
                timeout: Duration::from_secs(1),
            }),
            user: config::Value::Pointer("/id".into()),
            email: None,
            name: None,
            organization: config::Value::Fixed("acme".into()),
            admin: config::AdminRule::Nobody,
        },
        organization: config::OrganizationPolicy::StartsWith(Requirement::Optional),
        look: config::Look { title: "Insights".into(), logo: None, accent: None },
    }
}

/// A file that lives as long as its directory.
pub(crate) fn write(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("written");
    path
}
