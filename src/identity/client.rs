//! Which client a request comes from: the peer, or whom a trusted peer names.

use std::net::{IpAddr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderName, HeaderValue};

use super::outer_login;
use crate::config::{Site, TrustedProxies};
use crate::message::{Fields, Value};

/// The addresses a request came by, the client's first.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How the client reached the first server.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Which host the client asked.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A host.
    Tcp(IpAddr),
    /// A process on this machine.
    Unix,
    /// A balancer at that address (`None` for a process on this machine) that speaks for itself and for no client, as it does
    /// to see whether the gateway is there. What it sends may come from anybody, so it is never believed about clients.
    Balancer(Option<IpAddr>),
}

impl Peer {
    /// Its address; a process on this machine has none.
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix => None,
            Self::Balancer(address) => address,
        }
    }

    /// Whether its word on clients is believed.
    pub fn is_trusted(self, trusted: &TrustedProxies) -> bool {
        match self {
            Self::Tcp(address) => trusted.contains(address),
            Self::Unix => trusted.unix,
            Self::Balancer(_) => false,
        }
    }
}

/// How the client reached the first server that we trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The scheme that a proxy names. Some name that of a WebSocket by its own word.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        if is("https") || is("wss") {
            Some(Self::Https)
        } else if is("http") || is("ws") {
            Some(Self::Http)
        } else {
            None
        }
    }
}

/// How a request arrived here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Who is at the other end.
    pub peer: Peer,
    /// Whether that connection has TLS.
    pub scheme: Scheme,
}

/// The client, once it is settled whom to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its address; `None` for a process on this machine.
    pub address: Option<IpAddr>,
    /// How it reached the first server that we trust.
    pub scheme: Scheme,
    /// Who is at the other end of our connection: a host, or a process on this machine.
    pub peer: Peer,
    /// Whether that peer is trusted, and what it forwarded is passed on.
    pub trusted: bool,
    /// Whether the request came through the login in front of its site, whose fields are believed and passed on.
    pub outer_login: bool,
}

impl Client {
    /// Settles it from the connection and, if its peer is trusted, from what that peer forwarded.
    ///
    /// `X-Forwarded-For` is read from the right: each trusted hop is believed about the one before it, up to the first
    /// that is not trusted, or to an entry that is no address. `X-Forwarded-Proto` counts with its last entry; any but
    /// `http`, `https`, `ws` and `wss` leaves it at the connection's own scheme.
    pub fn of(arrival: Arrival, headers: &Fields, trusted: &TrustedProxies) -> Self {
        let own = arrival.peer.address().map(|address| address.to_canonical());
        let peer = own.map_or(Peer::Unix, Peer::Tcp);
        if !arrival.peer.is_trusted(trusted) {
            return Self { address: own, scheme: arrival.scheme, peer, trusted: false, outer_login: false };
        }
        let scheme = headers.get_all(FORWARDED_PROTO).next_back().and_then(last_entry).and_then(Scheme::named);
        Self {
            address: farthest_believed(headers, trusted).or(own),
            scheme: scheme.unwrap_or(arrival.scheme),
            peer,
            trusted: true,
            outer_login: false,
        }
    }

    /// The same client, now that it is known which site the request with these fields is for.
    #[must_use]
    pub fn before(self, site: &Site, headers: &Fields) -> Self {
        let outer_login = outer_login::vouches(site, &self, headers);
        Self { outer_login, ..self }
    }

    /// The client of a request that its trusted peer sends to the dashboard itself: what is asked of the dashboard beside
    /// it names no hop that the request does not have.
    #[must_use]
    pub fn without_hop(self) -> Self {
        Self { peer: Peer::Unix, ..self }
    }

    /// Tells the dashboard about the client: sets `X-Forwarded-For`, `-Proto` and `-Host`.
    ///
    /// What `headers` has of them came with the request. It is kept, and added to, if the peer is trusted; else it is
    /// dropped.
    pub fn forward(&self, headers: &mut Fields) {
        match self.hops(headers) {
            Some(hops) => headers.insert(FORWARDED_FOR, hops),
            None => headers.remove(FORWARDED_FOR),
        }
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(self.scheme.as_str()));
        let is_named = self.trusted && headers.get_all(FORWARDED_HOST).count() == 1;
        if !is_named {
            headers.copy(HOST, FORWARDED_HOST);
        }
    }

    /// The hops that a trusted peer named, and the peer.
    fn hops(&self, headers: &Fields) -> Option<HeaderValue> {
        let hop = self.peer.address().and_then(|address| HeaderValue::try_from(address.to_string()).ok());
        if !self.trusted || !headers.contains_key(FORWARDED_FOR) {
            return hop;
        }
        let hops = headers.get_all(FORWARDED_FOR).chain(hop.as_ref().map(Value::from)).map(Value::as_bytes);
        HeaderValue::from_bytes(&hops.collect::<Vec<_>>().join(&b", "[..])).ok()
    }
}

/// Whether the last entry of this line is an address: what the peer itself says of who connected to it.
pub(crate) fn is_named(forwarded_for: Value<'_>) -> bool {
    last_entry(forwarded_for).and_then(address).is_some()
}

/// The address farthest from here that trusted hops alone vouch for.
fn farthest_believed(headers: &Fields, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut believed = None;
    for line in headers.get_all(FORWARDED_FOR).rev() {
        let Some(entries) = entries_of(line) else { break };
        for entry in entries {
            let Some(address) = address(entry) else { return believed };
            believed = Some(address);
            if !trusted.contains(address) {
                return believed;
            }
        }
    }
    believed
}

/// The entries of a list on one line, the last one first, if the line is text.
fn entries_of(line: Value<'_>) -> Option<impl Iterator<Item = &str>> {
    Some(line.to_str()?.rsplit(',').map(|entry| entry.trim_matches([' ', '\t'])))
}

fn last_entry(line: Value<'_>) -> Option<&str> {
    entries_of(line)?.next()
}

/// An address as proxies write it: `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, each of the IPv4 and bracketed forms also
/// with a port.
fn address(text: &str) -> Option<IpAddr> {
    let parsed = if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        is_port_or_nothing(after).then_some(())?;
        IpAddr::V6(inside.parse::<Ipv6Addr>().ok()?)
    } else if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else {
        let (before, _) = text.split_once(':')?;
        is_port_or_nothing(&text[before.len()..]).then_some(())?;
        IpAddr::V4(before.parse().ok()?)
    };
    Some(parsed.to_canonical())
}

fn is_port_or_nothing(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::site::sample;

    fn trusted() -> TrustedProxies {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().expect("a network"));
        TrustedProxies { networks: networks.into(), unix: true }
    }

    fn headers(lines: &[(&'static str, &str)]) -> Fields {
        let mut headers = Fields::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a field value"));
        }
        headers
    }

    fn arrival(peer: &str, scheme: Scheme) -> Arrival {
        let peer = if peer == "unix" { Peer::Unix } else { Peer::Tcp(peer.parse().expect("an address")) };
        Arrival { peer, scheme }
    }

    fn address_of(peer: &str, forwarded: &[&str]) -> String {
        let lines: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let client = Client::of(arrival(peer, Scheme::Http), &headers(&lines), &trusted());
        client.address.map_or_else(|| "none".into(), |address| address.to_string())
    }

    #[test]
    fn the_client_is_whom_trusted_hops_alone_vouch_for() {
        let rows: &[(&str, &[&str], &str)] = &[
            ("192.0.2.9", &[], "192.0.2.9"),
            ("192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
            ("192.0.2.9", &["10.0.0.1"], "192.0.2.9"),
            ("::ffff:192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("2001:db8:1::1", &["198.51.100.1"], "198.51.100.1"),
            ("2001:db8:2::1", &["198.51.100.1"], "2001:db8:2::1"),
            ("unix", &[], "none"),
            ("unix", &["198.51.100.1"], "198.51.100.1"),
            ("unix", &["garbage"], "none"),
            ("10.0.0.1", &["203.0.113.7, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.7,198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.7 ,\t198.51.100.1\t"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.7", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.7, 198.51.100.1, 10.0.0.3, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["garbage"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, garbage"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, garbage, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["garbage, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1,"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1", ""], "10.0.0.1"),
            ("10.0.0.1", &["garbage, ::ffff:1.2.3.4:99999, ,"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, \u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1", "\u{e9}", "10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["_hidden, 10.0.0.2"], "10.0.0.2"),
        ];
        for (peer, forwarded, expected) in rows {
            assert_eq!(address_of(peer, forwarded), *expected, "{peer} with {forwarded:?}");
        }
    }

    #[test]
    fn an_address_is_read_in_the_forms_that_proxies_write() {
        let rows = [
            ("1.2.3.4", Some("1.2.3.4")),
            ("1.2.3.4:567", Some("1.2.3.4")),
            ("1.2.3.4:", None),
            ("1.2.3.4:x", None),
            ("1.2.3.4:+5", None),
            ("1.2.3.4:65536", None),
            ("1.2.3.4:1:2", None),
            ("01.2.3.4", None),
            ("1.2.3", None),
            ("0x7f.1", None),
            ("1.2.3.4/8", None),
            ("2001:db8::1", Some("2001:db8::1")),
            ("2001:DB8:0::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]443", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]:", None),
            ("[1.2.3.4]", None),
            ("fe80::1%eth0", None),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("[::ffff:1.2.3.4]:80", Some("1.2.3.4")),
            ("::ffff:1.2.3.4:99999", None),
            ("\"1.2.3.4\"", None),
            ("localhost", None),
            ("", None),
            (":80", None),
        ];
        for (text, expected) in rows {
            assert_eq!(address(text).map(|a| a.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_scheme_is_the_connections_unless_a_trusted_peer_names_another() {
        use Scheme::{Http, Https};
        let rows: &[(&str, Scheme, &[&str], Scheme)] = &[
            ("192.0.2.9", Http, &["https"], Http),
            ("192.0.2.9", Https, &["http"], Https),
            ("10.0.0.1", Http, &[], Http),
            ("10.0.0.1", Https, &[], Https),
            ("10.0.0.1", Http, &["https"], Https),
            ("10.0.0.1", Https, &["http"], Http),
            ("unix", Http, &["https"], Https),
            ("10.0.0.1", Http, &["HTTPS"], Https),
            ("10.0.0.1", Http, &[" https "], Https),
            ("10.0.0.1", Http, &["wss"], Https),
            ("10.0.0.1", Https, &["ws"], Http),
            ("10.0.0.1", Http, &["https, http"], Http),
            ("10.0.0.1", Http, &["http, https"], Https),
            ("10.0.0.1", Http, &["http", "https"], Https),
            ("10.0.0.1", Https, &["https", "http"], Http),
            ("10.0.0.1", Http, &["https,"], Http),
            ("10.0.0.1", Https, &["http,"], Https),
            ("10.0.0.1", Http, &["https,x"], Http),
            ("10.0.0.1", Http, &["httpsx"], Http),
            ("10.0.0.1", Https, &["ftp"], Https),
            ("10.0.0.1", Https, &["\u{e9}"], Https),
            ("10.0.0.1", Https, &["http", "\u{e9}"], Https),
        ];
        for (peer, own, forwarded, expected) in rows {
            let lines: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-proto", *line)).collect();
            let client = Client::of(arrival(peer, *own), &headers(&lines), &trusted());
            assert_eq!(client.scheme, *expected, "{peer}, {own:?}, {forwarded:?}");
        }
    }

    #[test]
    fn nobody_is_trusted_unless_the_operator_says_so() {
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")];
        for peer in ["127.0.0.1", "::1", "unix", "10.0.0.1"] {
            let client = Client::of(arrival(peer, Scheme::Http), &headers(&lines), &TrustedProxies::default());
            assert!(!client.trusted, "{peer}");
            assert_eq!(client.scheme, Scheme::Http, "{peer}");
            assert_ne!(client.address, "198.51.100.1".parse().ok(), "{peer}");
        }
    }

    #[test]
    fn a_balancer_that_speaks_for_itself_is_not_believed_though_it_is_trusted_about_others() {
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")];
        for own in [Some([10, 0, 0, 1].into()), None] {
            let arrival = Arrival { peer: Peer::Balancer(own), scheme: Scheme::Http };
            let client = Client::of(arrival, &headers(&lines), &trusted());
            assert_eq!((client.address, client.scheme, client.trusted), (own, Scheme::Http, false));
        }
    }

    /// The three lines as they are forwarded.
    fn forwarded(peer: &str, lines: &[(&'static str, &str)]) -> [String; 3] {
        let mut headers = headers(lines);
        let client = Client::of(arrival(peer, Scheme::Http), &headers, &trusted());
        headers.insert(HOST, HeaderValue::from_static("insights.example"));
        client.forward(&mut headers);
        [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST].map(|name| {
            let lines: Vec<_> = headers.get_all(name).map(|line| line.to_str().expect("text")).collect();
            lines.join("|")
        })
    }

    #[test]
    fn what_a_client_claims_is_replaced_and_what_a_trusted_peer_says_is_added_to() {
        let claims = [
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outer.example"),
        ];
        assert_eq!(forwarded("192.0.2.9", &claims), ["192.0.2.9", "http", "insights.example"]);
        assert_eq!(forwarded("::ffff:192.0.2.9", &[]), ["192.0.2.9", "http", "insights.example"]);
        let passed_on = ["203.0.113.7, 198.51.100.1, 10.0.0.1", "https", "outer.example"];
        assert_eq!(forwarded("10.0.0.1", &claims), passed_on);
        assert_eq!(forwarded("10.0.0.1", &[]), ["10.0.0.1", "http", "insights.example"]);
        assert_eq!(forwarded("unix", &claims), ["203.0.113.7, 198.51.100.1", "https", "outer.example"]);
        assert_eq!(forwarded("unix", &[]), ["", "http", "insights.example"]);
        let two = [("x-forwarded-host", "outer.example"), ("x-forwarded-host", "other.example")];
        assert_eq!(forwarded("10.0.0.1", &two), ["10.0.0.1", "http", "insights.example"]);
    }

    #[test]
    fn what_the_dashboard_is_asked_beside_a_forwarded_request_names_no_hop_of_ours() {
        let claims = [("x-forwarded-for", "203.0.113.7, 198.51.100.1"), ("x-forwarded-proto", "https")];
        let mut headers = headers(&claims);
        let client = Client::of(arrival("10.0.0.1", Scheme::Http), &headers, &trusted());
        let asking = client.clone().without_hop();
        assert_eq!(asking, Client { peer: Peer::Unix, ..client });
        asking.forward(&mut headers);
        assert_eq!(headers.get(FORWARDED_FOR).expect("as it was"), "203.0.113.7, 198.51.100.1");
    }

    #[test]
    fn a_request_comes_through_the_login_in_front_of_the_very_site_that_it_is_for() {
        let front = config::OuterLogin { fields: vec![HeaderName::from_static("x-user")], secret: None };
        let identity = config::Identity { source: config::Source::Header(front), ..sample::identity() };
        let with_front = Site { identity, ..sample::site() };
        let headers = headers(&[("x-user", "u7")]);
        let client = Client::of(arrival("unix", Scheme::Http), &headers, &trusted());
        assert!(!client.outer_login);
        let before = client.clone().before(&with_front, &headers);
        assert_eq!(before, Client { outer_login: true, ..client });
        assert_eq!(before.before(&sample::site(), &headers), client, "another site has no such login");
    }

    #[test]
    fn a_peer_names_who_connected_to_it_if_the_last_entry_is_an_address() {
        let rows = [
            ("198.51.100.1", true),
            ("unknown, 198.51.100.1", true),
            ("unknown,[2001:db8::1]:80", true),
            ("198.51.100.1, unknown", false),
            ("198.51.100.1,", false),
            ("", false),
            ("\u{e9}", false),
        ];
        for (line, expected) in rows {
            assert_eq!(
                is_named(headers(&[("x-forwarded-for", line)]).get(FORWARDED_FOR).expect("a line")),
                expected,
                "{line:?}"
            );
        }
    }
}
