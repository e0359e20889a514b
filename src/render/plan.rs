//! What every server in front has to be told, checked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::Refused;
use crate::config::{
    Config, Credential, Hosts, Keys, Listen, OuterServer, Site, Source, Upstream, UpstreamAddress, UpstreamHttp,
};

/// How long Vestibule may take beyond asking the dashboard who it is.
const MARGIN: Duration = Duration::from_secs(10);

/// Where Debian and most others keep the authorities that the system believes.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Every value in it is of letters, digits and marks that mean nothing in the servers' languages.
pub(super) struct Plan<'a> {
    /// Where Vestibule is asked.
    pub(super) vestibule: Place,
    /// Those with hosts of their own first.
    pub(super) sites: Vec<Planned<'a>>,
    /// Every host that is named.
    pub(super) named: Vec<&'a str>,
}

/// One site.
pub(super) struct Planned<'a> {
    pub(super) site: &'a Site,
    /// What its parts are called: lower case, unique.
    pub(super) name: String,
    /// The hosts, or any that no other site names.
    pub(super) hosts: Option<&'a [String]>,
    pub(super) dashboard: Dashboard<'a>,
    /// What the dashboard is told in `Host`, if not what the client said.
    pub(super) host: Option<&'a str>,
}

/// The dashboard.
pub(super) struct Dashboard<'a> {
    /// At least one.
    pub(super) places: Vec<Place>,
    pub(super) tls: Option<Tls<'a>>,
}

/// How a dashboard shows who it is.
pub(super) struct Tls<'a> {
    /// The name in its certificate; of each place its own, if none is fixed.
    pub(super) name: Option<&'a str>,
    /// PEM file.
    pub(super) authorities: &'a str,
}

/// Where somebody listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Name or address, IPv6 without brackets.
    Tcp { host: String, port: u16 },
    /// The path of a Unix socket.
    Unix(String),
}

impl fmt::Display for Place {
    /// `host:port`, IPv6 in brackets; or the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

impl<'a> Plan<'a> {
    /// For a server of that kind.
    pub(super) fn of(config: &'a Config, server: OuterServer) -> Result<Self, Refused> {
        let vestibule = vestibule(config)?;
        may_ask(config, server)?;
        let mut sites = config.sites.iter().map(|site| Planned::of(site)).collect::<Result<Vec<_>, _>>()?;
        sites.sort_by_key(|site| site.hosts.is_none());
        for (at, site) in sites.iter().enumerate() {
            if sites[..at].iter().any(|other| other.name == site.name) {
                let what = format!("two sites are called {:?}, but for the case of letters", site.name);
                return Err(Refused::new(what, "give them names that differ in more"));
            }
        }
        let named = sites.iter().filter_map(|site| site.hosts).flatten().map(String::as_str).collect();
        Ok(Self { vestibule, sites, named })
    }

    /// How the text at the top calls what is behind it.
    pub(super) fn titles(&self) -> String {
        let names: Vec<_> = self.sites.iter().map(|site| site.site.name.as_str()).collect();
        names.join(", ")
    }

    /// How long the server in front waits for Vestibule's word.
    pub(super) fn check_timeout(&self) -> Duration {
        let longest = self.sites.iter().map(|site| site.site.upstream.connect_timeout + verdict(site.site));
        longest.max().unwrap_or_default() + MARGIN
    }
}

/// How long it may take to find out who has logged in, connecting aside.
fn verdict(site: &Site) -> Duration {
    match &site.identity.source {
        Source::Probe(probe) => probe.timeout,
        Source::Header(_) => Duration::ZERO,
        Source::Token(token) => match &token.keys {
            Keys::Address(address) => address.timeout,
            Keys::Text(_) | Keys::Secret(_) => Duration::ZERO,
        },
    }
}

impl<'a> Planned<'a> {
    fn of(site: &'a Site) -> Result<Self, Refused> {
        if let Source::Header(_) = site.identity.source {
            let what =
                format!("site {:?}: what sets the fields of its `source = \"header\"` is not in this file", site.name);
            let instead =
                "write the configuration by hand (docs/forward-auth.md, section 3), or let Vestibule ask the dashboard";
            return Err(Refused::new(what, instead));
        }
        let is_clear = |address: &UpstreamAddress| !matches!(address, UpstreamAddress::Https { .. });
        if site.upstream.http == UpstreamHttp::Http2 && site.upstream.addresses.iter().any(is_clear) {
            let what =
                format!("site {:?}: its dashboard speaks HTTP/2 without TLS, which not every server can", site.name);
            return Err(Refused::new(what, "an https address, or a dashboard that speaks HTTP/1.1"));
        }
        let upstream = &site.upstream;
        let places = upstream.addresses.iter().map(|address| place(site, address)).collect::<Result<_, _>>()?;
        let host = match &upstream.host {
            None => None,
            Some(host) => Some(plain(host.to_str().unwrap_or("\u{fffd}"), &site.name, "upstream_host")?),
        };
        Ok(Self {
            site,
            name: site.name.to_ascii_lowercase(),
            hosts: match &site.hosts {
                Hosts::Any => None,
                Hosts::Named(names) => Some(names),
            },
            dashboard: Dashboard { places, tls: tls(site)? },
            host,
        })
    }

    /// Between two bytes of an answer: as long as a dashboard may take, and an hour where nothing is said for long.
    pub(super) fn silence(&self) -> Duration {
        self.site.upstream.answer_timeout.max(Duration::from_hours(1))
    }

    /// The credentials beside cookies that Vestibule gives back, as the dashboard is to get them: none, where pages are
    /// shown to nobody.
    pub(super) fn withheld(&self) -> Vec<&'a str> {
        if self.site.public_until_login.is_empty() {
            return Vec::new();
        }
        let fields = self.site.credentials.iter().filter_map(|credential| match credential {
            Credential::Header(name) => Some(name.as_str()),
            Credential::Cookie | Credential::Query(_) => None,
        });
        let others = fields.filter(|name| *name != "authorization");
        std::iter::once("authorization").chain(others).collect()
    }
}

/// In whole seconds, at least one.
pub(super) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    whole.max(1).to_string()
}

/// The names, as a regular expression that matches each of them and no other.
pub(super) fn pattern(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, c| {
        if ".[]".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
        pattern
    })
}

fn vestibule(config: &Config) -> Result<Place, Refused> {
    let server = &config.server;
    if server.tls.is_some() {
        let right = "the server in front has the certificate: take [server.tls] out, and listen on a loopback address";
        return Err(Refused::new("Vestibule listens with TLS", right));
    }
    if server.proxy_protocol {
        let right = "set proxy_protocol = false: whoever asks for others has to speak HTTP from the first byte";
        return Err(Refused::new("Vestibule expects a PROXY header", right));
    }
    let listen = server.listen.first().expect("a configuration listens somewhere");
    let (place, is_trusted, right) = match listen {
        Listen::Tcp(address) if address.port() == 0 => {
            return Err(Refused::new("Vestibule listens on a port that the system chooses", "name one in `listen`"));
        }
        Listen::Tcp(address) => {
            let near = near(*address);
            let trusted = server.trusted_proxies.contains(near);
            // From another machine, the server in front comes from an address that is not ours to know.
            let trusted = trusted || !near.is_loopback() && !server.trusted_proxies.networks.is_empty();
            (Place::Tcp { host: near.to_string(), port: address.port() }, trusted, near.to_string())
        }
        Listen::Unix(path) => {
            let path = plain_path(path, "server", "listen")?;
            (Place::Unix(path.to_owned()), server.trusted_proxies.unix, "unix".to_owned())
        }
    };
    if !is_trusted {
        let right = format!("name it in [server], as trusted_proxies = [{right:?}]");
        return Err(Refused::new("Vestibule would not believe the server in front, and let nobody through", right));
    }
    Ok(place)
}

fn may_ask(config: &Config, server: OuterServer) -> Result<(), Refused> {
    let answered = &config.server.forward_auth;
    if answered.contains(&server) {
        return Ok(());
    }
    let names: Vec<_> = answered.iter().chain([&server]).map(|server| server.name()).collect();
    let right = format!("name it in [server], as forward_auth = {names:?}");
    Err(Refused::new(format!("Vestibule would not answer what {} asks, and let nobody through", server.name()), right))
}

/// Where to connect to what listens there.
fn near(address: SocketAddr) -> IpAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn place(site: &Site, address: &UpstreamAddress) -> Result<Place, Refused> {
    Ok(match address {
        UpstreamAddress::Http { host, port } | UpstreamAddress::Https { host, port, .. } => {
            Place::Tcp { host: host.clone(), port: *port }
        }
        UpstreamAddress::Unix(path) => Place::Unix(plain_path(path, &site.name, "upstream")?.to_owned()),
    })
}

fn tls(site: &Site) -> Result<Option<Tls<'_>>, Refused> {
    match site.upstream.addresses.first() {
        Some(UpstreamAddress::Https { name, authorities, .. }) => {
            let authorities = match authorities {
                Some(path) => plain_path(path, &site.name, "upstream_authorities")?,
                None => SYSTEM_AUTHORITIES,
            };
            let name = name.as_deref().map(|name| plain(name, &site.name, "upstream_name")).transpose()?;
            if name.is_none() && site.upstream.addresses.iter().any(|other| !is_same_host(other, &site.upstream)) {
                let what = format!("the dashboards of {} have a name in their certificate each", site.name);
                return Err(Refused::new(what, "one for all of them, as upstream_name"));
            }
            Ok(Some(Tls { name, authorities }))
        }
        _ => Ok(None),
    }
}

fn is_same_host(address: &UpstreamAddress, upstream: &Upstream) -> bool {
    let host = |address: &UpstreamAddress| match address {
        UpstreamAddress::Http { host, .. } | UpstreamAddress::Https { host, .. } => Some(host.clone()),
        UpstreamAddress::Unix(_) => None,
    };
    upstream.addresses.first().and_then(host) == host(address)
}

fn plain_path<'a>(path: &'a Path, whose: &str, key: &str) -> Result<&'a str, Refused> {
    plain(path.to_str().unwrap_or("\u{fffd}"), whose, key)
}

/// A value that can stand in each of the servers' languages as it is. Others could end a word there, and begin another.
fn plain<'a>(text: &'a str, whose: &str, key: &str) -> Result<&'a str, Refused> {
    let means_nothing = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:+@[]".contains(&byte);
    if !text.is_empty() && text.bytes().all(means_nothing) {
        return Ok(text);
    }
    Err(Refused::new(
        format!("{key} of {whose} is {text:?}, which means something else in the language of a server in front"),
        "letters, digits and \"-_./:+@[]\" alone",
    ))
}
