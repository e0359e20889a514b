//! What the operator wants, as the gateway means it: checked, complete, no more questions asked.
//!
//! [`mod@file`] is the same as written in TOML, and [`check`] goes from there to what is meant. Every [`problem`] on the way
//! is reported at once, those of reading included.

pub mod check;
mod default;
pub mod file;
mod find;
mod identity;
mod outer_server;
pub mod problem;
mod read;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

pub use self::check::{load, parse, store_at};
pub use self::find::{NotFound, find};
pub use self::identity::{
    AdminRule, Algorithm, AnonymousEvidence, Identity, Keys, KeysAddress, OuterLogin, Probe, Scalar, Secret,
    SharedSecret, Source, Token, TokenPlace, Value,
};
pub use self::outer_server::OuterServer;
use crate::second_factor::account::Requirement;
use crate::second_factor::session::Limits;
pub use crate::second_factor::ticket::Guard;
use crate::store::postgres::Database;

/// Everything that one configuration file says.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where visitors come in.
    pub server: Server,
    /// Where the operator looks in.
    pub operations: Operations,
    /// Where things are kept.
    pub store: Store,
    /// How long sessions live.
    pub session: Limits,
    /// What authenticators show.
    pub totp: Totp,
    /// How events are logged.
    pub log: Log,
    /// The protected dashboards; at least one.
    pub sites: Vec<Arc<Site>>,
}

/// Where visitors come in.
#[derive(Debug, Clone)]
pub struct Server {
    /// The addresses to listen on; at least one.
    pub listen: Vec<Listen>,
    /// Peers whose `X-Forwarded-*` are believed.
    pub trusted_proxies: TrustedProxies,
    /// Those of them that may ask for leave to send a request on themselves, by their kind; `trusted_proxies` is not empty
    /// if there is one.
    pub forward_auth: Vec<OuterServer>,
    /// Whether visitors may begin in HTTP/2 where there is no TLS to say so.
    pub h2c: bool,
    /// Whether every connection begins with a PROXY header, and comes from one of `trusted_proxies`.
    pub proxy_protocol: bool,
    /// TLS on every address of `listen`; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// How many threads answer requests.
    pub workers: NonZeroUsize,
    /// How many connections may be open at once; `None` is what the limit on open files leaves room for, within reason.
    pub connections: Option<NonZeroUsize>,
    /// How many of them one client may have; `None` is a quarter of them, and all of them for clients on this machine.
    pub connections_per_client: Option<NonZeroUsize>,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Peers whose `X-Forwarded-*` are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// By address.
    pub networks: Vec<IpNet>,
    /// Whoever connects over a Unix socket.
    pub unix: bool,
}

impl TrustedProxies {
    /// Whether a peer at that address is one of them. IPv4 addresses mapped into IPv6 count as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// The certificates that visitors see.
#[derive(Debug, Clone)]
pub struct Tls {
    /// At least one. The first is for whoever asks for a name that is in none.
    pub certificates: Vec<CertificateFiles>,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// PEM file with the certificate and those between it and the root.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Where the operator looks in.
#[derive(Debug, Clone)]
pub struct Operations {
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
}

/// Where things are kept.
#[derive(Debug, Clone)]
pub struct Store {
    /// Which engine, and where.
    pub url: StoreUrl,
    /// The file of the keys that seal secrets at rest.
    pub key_file: PathBuf,
    /// How long entries of the audit log are kept; `None` for good.
    pub audit_retention: Option<Duration>,
}

/// Which engine, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// An embedded database in this file.
    Sqlite(PathBuf),
    /// A database on a PostgreSQL server.
    Postgres(Postgres),
}

/// A database on a PostgreSQL server, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Which.
    pub database: Database,
    /// How what is said to the server is protected.
    pub tls: PostgresTls,
}

/// How what is said to a PostgreSQL server is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostgresTls {
    /// Not at all.
    Off,
    /// TLS, with whoever answers.
    Unverified,
    /// TLS, the server's certificate verified for the host.
    Verified {
        /// PEM file of the authorities to believe instead of the system's.
        authorities: Option<PathBuf>,
    },
}

/// What authenticators show.
#[derive(Debug, Clone)]
pub struct Totp {
    /// Above the code; without a colon.
    pub issuer: String,
}

/// How events are logged, on standard error.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// For whom.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// For whom a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What needs somebody's attention.
    Error,
    /// And what may.
    Warn,
    /// And what happened to whom.
    Info,
    /// And each request.
    Debug,
    /// And how each decision came about.
    Trace,
}

/// One protected dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// What the operator calls it; unique.
    pub name: String,
    /// Whose user ids its users have: sites of one realm share accounts. The name, unless the operator says otherwise.
    pub realm: String,
    /// The hosts it answers on.
    pub hosts: Hosts,
    /// The dashboard.
    pub upstream: Upstream,
    /// Paths that are open to everybody.
    pub public: Vec<PathPattern>,
    /// Paths that are open to whoever has not logged in; others need a passage.
    pub public_until_login: Vec<PathPattern>,
    /// Where an anonymous visitor is sent: a path on the site, in which `{next}` stands for where they wanted to go.
    pub login: Option<String>,
    /// Paths that end the dashboard's login.
    pub logout: Vec<PathPattern>,
    /// Where the browser is sent when Vestibule's own logout is done: a path on the site.
    pub after_logout: Option<String>,
    /// First part of the paths of the gateway's own pages, as `/_2fa`.
    pub prefix: String,
    /// Header fields of clients that never reach the dashboard, beside those that never do anyway.
    pub strip: Vec<HeaderName>,
    /// Parameters of the query that never reach it.
    pub strip_query: Vec<String>,
    /// By what the dashboard recognizes its users; at least one.
    pub credentials: Vec<Credential>,
    /// Paths that no request can carry a credential to, and that a verified session alone opens.
    pub by_session: Vec<PathPattern>,
    /// The credential that stays the same for a whole login, to which sessions are bound.
    pub bind: Option<Bind>,
    /// Who has logged in.
    pub identity: Identity,
    /// What organizations start with.
    pub organization: OrganizationPolicy,
    /// What the first authenticator of an account takes beside the first factor. The same at all sites of a realm.
    pub enrollment: Guard,
    /// How its pages look.
    pub look: Look,
}

/// The hosts a site answers on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Any that no other site names.
    Any,
    /// These: lower case, without port or trailing dot; IPv6 addresses in brackets.
    Named(Vec<String>),
}

/// How the dashboard is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Where it listens; at least one, all of one kind. The next is tried where one can't be reached.
    pub addresses: Vec<UpstreamAddress>,
    /// What it is spoken to in.
    pub http: UpstreamHttp,
    /// What it is told in `Host`, if not what the client said.
    pub host: Option<HeaderValue>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for the head of an answer.
    pub answer_timeout: Duration,
    /// How long an unused connection is kept: shorter than the dashboard's own keep-alive.
    pub idle_timeout: Duration,
}

/// Which version of HTTP a dashboard is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamHttp {
    /// HTTP/1.1, each request on a connection that no other uses meanwhile.
    Http1,
    /// HTTP/2, all requests of a worker on one connection as far as the dashboard lets them. Over TLS, HTTP/1.1 if the
    /// dashboard chooses so in the handshake; without, the dashboard must know beforehand (RFC 9113, section 3.3).
    Http2,
}

/// Where the dashboard listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// Plain HTTP.
    Http {
        /// Name or address, IPv6 without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// HTTP over TLS, the certificate verified for the name.
    Https {
        /// Name or address, IPv6 without brackets.
        host: String,
        /// TCP port.
        port: u16,
        /// The name in its certificate, if not `host`.
        name: Option<String>,
        /// PEM file of the authorities to believe instead of the system's.
        authorities: Option<PathBuf>,
    },
    /// Plain HTTP over a Unix socket.
    Unix(PathBuf),
}

/// Which request targets a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// This path, whatever the query: `/login`.
    Path(String),
    /// This path and everything below it: `/static/*` is kept as `/static/`.
    Below(String),
    /// This path and query, byte for byte: `/index.php?title=Special:UserLogin`.
    Target(String),
}

/// By what a dashboard recognizes its users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Cookies, all of them but Vestibule's own.
    Cookie,
    /// A header field, as `authorization`.
    Header(HeaderName),
    /// A parameter in the query, as `access_token`.
    Query(String),
}

/// A credential that stays the same for a whole login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// The cookie of this name.
    Cookie(String),
    /// Every cookie whose name begins like this: `access-token-*` is kept as `access-token-`.
    CookiesBeginning(String),
    /// A header field.
    Header(HeaderName),
    /// What the site's token says at this JSON pointer.
    Claim(String),
}

/// What organizations start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationPolicy {
    /// Theirs to change.
    StartsWith(Requirement),
    /// Fixed by the operator, whatever the store says.
    Locked(Requirement),
}

/// How a site's own pages look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What visitors call the dashboard; the issuer unless the operator says otherwise.
    pub title: String,
    /// The logo.
    pub logo: Option<Logo>,
    /// Accent color, `#rrggbb`.
    pub accent: Option<String>,
}

/// A logo, read at start and served from the gateway's own assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// Its media type: `image/png`, `image/svg+xml`, `image/jpeg` or `image/webp`.
    pub media_type: &'static str,
    /// The file's bytes; at most 256 KiB.
    pub bytes: Arc<[u8]>,
}

impl OrganizationPolicy {
    /// What an organization asks for that was never seen before.
    pub const fn initial(self) -> Requirement {
        match self {
            Self::StartsWith(requirement) | Self::Locked(requirement) => requirement,
        }
    }

    /// What an organization asks for, given what the store has.
    pub const fn requirement(self, stored: Requirement) -> Requirement {
        match self {
            Self::StartsWith(_) => stored,
            Self::Locked(requirement) => requirement,
        }
    }
}
