//! Addresses: where to listen, whom to believe, where the dashboard is, and hosts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::finding::Form;
use crate::config::Listen;
use crate::config::problem::Wrong;

/// The longest path of a socket that Linux takes, in bytes.
const LONGEST_SOCKET_PATH: usize = 107;

/// An address to listen on.
pub(super) fn listen(text: &str, folder: &Path) -> Form<Listen> {
    match text.strip_prefix("unix:") {
        Some(path) => socket_path(path, folder).map(Listen::Unix),
        None => socket_address(text).map(Listen::Tcp).map_err(|Wrong { what, right }| {
            Wrong::new(what, format!("{right}, or the path of a socket, as \"unix:/run/vestibule.sock\""))
        }),
    }
}

/// An IP address and a port.
pub(super) fn socket_address(text: &str) -> Form<SocketAddr> {
    text.parse().map_err(|_| {
        let right = "an IP address and a port, as \"127.0.0.1:8080\" or \"[::]:8443\"";
        Wrong::new(format!("{text:?} is no address to listen on"), right)
    })
}

fn socket_path(path: &str, folder: &Path) -> Form<PathBuf> {
    let wrong = |what: &str| Wrong::new(what, "\"unix:\" and the path of a socket, as \"unix:/run/vestibule.sock\"");
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err(wrong("this names no socket"));
    }
    let path = folder.join(path);
    if path.as_os_str().len() > LONGEST_SOCKET_PATH {
        return Err(wrong("the path is too long for a socket: Linux takes 107 bytes"));
    }
    Ok(path)
}

/// Whom to believe.
pub(super) enum Trusted {
    Network(IpNet),
    Unix,
}

/// A network, an address or `unix`.
pub(super) fn trusted(text: &str) -> Form<Trusted> {
    if text == "unix" {
        return Ok(Trusted::Unix);
    }
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    match network {
        None => {
            Err(Wrong::new(format!("{text:?} is no network"), "an address, a network, as \"10.0.0.0/8\", or \"unix\""))
        }
        Some(network) if network.prefix_len() == 0 => Err(Wrong::new(
            format!("{text:?} believes everybody: any visitor could then claim any address, and to have come by https"),
            "the addresses of the servers in front, as \"10.1.2.0/24\"",
        )),
        Some(IpNet::V6(network)) if network.addr().to_ipv4_mapped().is_some() => Err(Wrong::new(
            format!("{text:?} never matches: IPv4 visitors are compared by their IPv4 address"),
            "the same network as IPv4, as \"10.0.0.0/8\"",
        )),
        Some(network) => Ok(Trusted::Network(network)),
    }
}

/// Where a dashboard listens.
#[derive(Debug, PartialEq)]
pub(super) enum Origin {
    Http(Host, u16),
    Https(Host, u16),
    Unix(PathBuf),
}

/// `http://host[:port]`, `https://host[:port]` or `unix:/path`.
pub(super) fn upstream(text: &str, folder: &Path) -> Form<Origin> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path, folder).map(Origin::Unix);
    }
    if let Some(authority) = text.strip_prefix("http://") {
        return origin(authority).map(|(host, port)| Origin::Http(host, port.unwrap_or(80)));
    }
    if let Some(authority) = text.strip_prefix("https://") {
        return origin(authority).map(|(host, port)| Origin::Https(host, port.unwrap_or(443)));
    }
    Err(not_upstream(&format!("{text:?} is no upstream")))
}

impl Origin {
    /// What its URL begins with.
    pub(super) const fn scheme(&self) -> &'static str {
        match self {
            Self::Http(..) => "http://",
            Self::Https(..) => "https://",
            Self::Unix(_) => "unix:",
        }
    }

    /// Whether what listens there is itself the upstream.
    pub(super) fn is(&self, listen: &Listen) -> bool {
        match (self, listen) {
            (Self::Http(host, port) | Self::Https(host, port), Listen::Tcp(address)) if *port == address.port() => {
                match host.address() {
                    Some(host) => host == address.ip() || host.is_loopback() && address.ip().is_unspecified(),
                    None => false,
                }
            }
            (Self::Unix(path), Listen::Unix(listen)) => path == listen,
            (Self::Http(..) | Self::Https(..) | Self::Unix(_), Listen::Tcp(_) | Listen::Unix(_)) => false,
        }
    }
}

fn origin(authority: &str) -> Form<(Host, Option<u16>)> {
    if authority.contains('@') {
        return Err(not_upstream("an upstream takes no user or password"));
    }
    if authority.contains(['/', '?', '#']) {
        return Err(not_upstream("an upstream has no path: the visitor's is passed on as it came"));
    }
    match host_and_port(authority) {
        Some((_, Some(0))) | None => Err(not_upstream(&format!("{authority:?} is no host and port"))),
        Some(found) => Ok(found),
    }
}

fn not_upstream(what: &str) -> Wrong {
    Wrong::new(what, "\"http://host:port\", \"https://host:port\" or \"unix:/path\", and nothing behind")
}

/// A host, as a client may ask for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    /// The address, if that can be said without asking the name service.
    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(name) => (name == "localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// Whether it is the machine that the gateway runs on, whatever the name service says.
    pub(super) fn is_on_this_machine(&self) -> bool {
        self.address().is_some_and(|address| address.is_loopback())
    }

    /// Without brackets.
    pub(super) fn bare(&self) -> String {
        match self {
            Self::V6(address) => address.to_string(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// A host that a site answers on. A port is allowed, and not looked at.
pub(super) fn host(text: &str) -> Form<Host> {
    let right = if text.contains('*') {
        "each host by its name, or \"*\" alone for any"
    } else if !text.is_ascii() {
        "the name as browsers send it, in letters a to z: \"xn--…\""
    } else {
        "a name as \"insights.acme.example\", without scheme or path, or an address as \"192.0.2.1\" or \"[2001:db8::1]\""
    };
    let found = host_and_port(text).map(|(host, _)| host);
    found.ok_or_else(|| Wrong::new(format!("{text:?} is no host"), right))
}

fn host_and_port(text: &str) -> Option<(Host, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (Host::V6(address.parse().ok()?), if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name_or_v4(name)?, Some(port)),
            None => (name_or_v4(text)?, None),
        },
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    Some((host, port))
}

fn name_or_v4(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse() {
        return Some(Host::V4(address));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let last = name.rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    (name.len() <= 253 && !is_number && name.split('.').all(is_label)).then_some(Host::Name(name))
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
}
