//! Who asks: the client that a request comes from, and what the dashboard answers of its visitor.

use std::net::{IpAddr, SocketAddr};

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use url::Url;

use super::{fields, first_line, first_line_of_text};
use crate::config::{AnonymousEvidence, Identity, Probe, Source, TrustedProxies, Value as Place};
use crate::identity::answer::{Answer, Asked, Reader, Said, Unusable};
use crate::identity::client::{Arrival, Client, FORWARDED_FOR, FORWARDED_PROTO, Peer, Scheme};
use crate::message::{self, Fields};
use crate::site::sample;

/// The first line is the peer; fields follow.
///
/// The other reading: all lines as one list, from the right, each entry as the standard library reads addresses.
pub(super) fn forwarded(bytes: &[u8]) {
    let (peer, rest) = first_line(bytes);
    let Some(peer) = str::from_utf8(peer).ok().and_then(|peer| peer.parse::<IpAddr>().ok()) else { return };
    let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().expect("a network"));
    let trusted = TrustedProxies { networks: networks.into(), unix: false };
    let (headers, arrival) = (fields(rest), Arrival { peer: Peer::Tcp(peer), scheme: Scheme::Http });
    let client = Client::of(arrival, &headers, &trusted);

    let peer = peer.to_canonical();
    assert_eq!(client.trusted, trusted.contains(peer));
    if !client.trusted {
        assert_eq!(client, Client::of(arrival, &Fields::new(), &trusted), "a stranger's fields mean nothing");
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).map(message::Value::as_bytes).collect();
    let list = lines.join(&b","[..]);
    let mut expected = peer;
    for entry in list.rsplit(|&byte| byte == b',').filter(|_| !lines.is_empty()) {
        let Some(address) = address(entry) else { break };
        expected = address;
        if !trusted.contains(address) {
            break;
        }
    }
    assert!(client.address == Some(expected) || is_stricter(&client, &list, &trusted), "{client:?}, {expected}");
    let proto = headers.get_all(FORWARDED_PROTO).next_back().and_then(message::Value::to_str);
    let word = proto.and_then(|line| line.rsplit(',').next()).map(|word| word.trim().to_ascii_lowercase());
    assert_eq!(client.scheme == Scheme::Https, matches!(word.as_deref(), Some("https" | "wss")));
}

fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|it| it.contains(':'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip())).map(|address| address.to_canonical())
}

/// The standard library takes scopes in addresses with a port, and lines that are no text hide none of their entries
/// from it: there, fewer hops are believed.
fn is_stricter(client: &Client, list: &[u8], trusted: &TrustedProxies) -> bool {
    let odd = list.contains(&b'%') || !list.is_ascii();
    odd && client.address.is_some_and(|address| trusted.contains(address))
}

const ASKED: Asked<'_> = Asked { path: "/api/me", hosts: ["insights.acme.example:8443", "insights.acme.example"] };

fn read(reader: &Reader, status: StatusCode, body: &[u8]) -> Result<Said, Unusable> {
    reader.read(ASKED, Answer { status, headers: &Fields::new(), body })
}

/// A text that names somebody can be shown, logged and compared.
pub(super) fn is_a_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 256 && !text.contains(char::is_control)
}

/// The first line is the status; the body follows.
///
/// The other reading: JSON as everybody reads it. Whoever is named is named there, in the one object that counts: with
/// a second `id` before or after it, the answer names nobody.
pub(super) fn json_answer(bytes: &[u8]) {
    let (status, body) = first_line(bytes);
    let Ok(status) = StatusCode::from_bytes(status) else { return };
    let reader = Reader::new(&sample::identity());
    let said = read(&reader, status, body);
    if said == Ok(Said::Anonymous) {
        let nobody = serde_json::from_slice::<Value>(body).is_ok_and(|answer| {
            answer.pointer("/id").is_none_or(|id| id.is_null() || id.as_str().is_some_and(str::is_empty))
        });
        assert!(matches!(status.as_u16(), 401 | 403) || (status.is_success() && nobody));
    }
    let Ok(Said::Identified(identity)) = said else { return };
    assert!(status.is_success());
    let answer: Value = serde_json::from_slice(body).expect("JSON");
    let at = |pointer: &str| match answer.pointer(pointer) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) | None => None,
    };
    assert_eq!(
        (Some(&identity.user), Some(&identity.organization)),
        (at("/id").as_ref(), at("/company/slug").as_ref())
    );
    assert!(is_a_name(&identity.user) && is_a_name(&identity.organization));
    for (optional, pointer) in [(&identity.email, "/email"), (&identity.name, "/name")] {
        assert!(optional.is_none() || (*optional == at(pointer) && optional.as_deref().is_some_and(is_a_name)));
    }
    assert!(!identity.admin);
    let text = str::from_utf8(body).expect("text").trim();
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).expect("an object with an id");
    for doubled in [format!("{{\"id\":0,{inside}}}"), format!("{{{inside},\"\\u0069d\":0}}")] {
        assert_eq!(read(&reader, status, doubled.as_bytes()), Err(Unusable::NoJson), "{doubled}");
    }
}

/// A page. The other reading: where it also shows what only visitors see who have not logged in, it names nobody.
pub(super) fn html_answer(bytes: &[u8]) {
    let css = |selector: &str| Place::Css { selector: selector.into(), attribute: None };
    let evidence = AnonymousEvidence {
        statuses: vec![401],
        redirects: Vec::new(),
        without_user: false,
        css: Some(".guest".into()),
    };
    let identity = Identity {
        user: css(".user"),
        email: None,
        name: None,
        organization: Place::Css { selector: "#organization".into(), attribute: Some("data-slug".into()) },
        ..identity_by(evidence)
    };
    let reader = Reader::new(&identity);
    let Ok(Said::Identified(identity)) = read(&reader, StatusCode::OK, bytes) else { return };
    assert!(is_a_name(&identity.user) && is_a_name(&identity.organization));
    assert!(bytes.windows(4).any(|four| four.eq_ignore_ascii_case(b"user")) || bytes.contains(&b'&'));
    let doubtful = [&b"x<p class=guest></p>"[..], bytes].concat();
    assert_eq!(read(&reader, StatusCode::OK, &doubtful), Err(Unusable::Contradiction));
}

fn identity_by(anonymous: AnonymousEvidence) -> Identity {
    Identity { source: Source::Probe(Probe { anonymous, ..sample::probe() }), ..sample::identity() }
}

/// A `Location`. The other reading: where a browser goes (the `url` crate).
pub(super) fn redirect_answer(bytes: &[u8]) {
    let Some((location, _)) = first_line_of_text(bytes) else { return };
    let Ok(value) = HeaderValue::from_str(location) else { return };
    // The crate leaves `c|` where it is for a drive, which browsers do for `file:` alone.
    let is_drive = |segment: &str| matches!(segment.as_bytes(), [_, b'|' | b':']);
    if location.split(['/', '?', '#']).any(is_drive) {
        return;
    }
    let evidence = AnonymousEvidence {
        statuses: Vec::new(),
        redirects: vec!["/login".into(), "/".into()],
        without_user: false,
        css: None,
    };
    let reader = Reader::new(&identity_by(evidence));
    let headers = Fields::from_iter([(LOCATION, value)]);
    let said = reader.read(ASKED, Answer { status: StatusCode::FOUND, headers: &headers, body: b"" });
    if said.is_ok() {
        let here = Url::parse("https://insights.acme.example:8443/api/me").expect("an address");
        let there = here.join(location).expect("an address");
        assert_eq!(there.host_str(), Some("insights.acme.example"), "{there}");
        assert!(["/login", "/"].contains(&there.path()), "{there}");
    }
}
