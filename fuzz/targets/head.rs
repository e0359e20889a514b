//! Heads: of requests as they come and as they go on, of answers, and what follows bodies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use h2::ext::Protocol;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use memchr::memmem;

use super::{cookie, fields, first_line, folded, site};
use crate::audience::Audience;
use crate::body::{Body, keep_trailers};
use crate::identity::client::{Client, Peer, Scheme};
use crate::listener::framing;
use crate::message::{Fields, RequestHead, Value};
use crate::proxy::ProxyError;
use crate::proxy::headers::{self, LastOutgoing};
use crate::proxy::introduction::Introduction;
use crate::second_factor::account::{Account, AccountId, AccountKey, Factor, OrganizationId, Requirement};
use crate::second_factor::policy::{Decision, Passage, Standing, decide};

/// The first line is the version (`0`, `1`, `2`), the method, the target and what an extended `CONNECT` names; fields
/// follow.
///
/// The other reading: what a request that is taken looks like in HTTP/1.1 to somebody who reads it from the wire again.
pub(super) fn request_head(bytes: &[u8]) {
    let Some(mut head) = head(bytes) else { return };
    let sent = head.clone();
    let Ok(host) = framing::check(&mut head) else { return };

    let target = head.uri.to_string();
    assert!(head.uri.authority().is_none() && head.uri.scheme().is_none() && target.starts_with('/'), "{target}");
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\\".contains(&byte)), "{target}");
    assert!(![Method::CONNECT, Method::TRACE].contains(&head.method));
    let count = |name| head.headers.get_all(name).count();
    assert_eq!(count(HOST), 1);
    assert!(count(CONTENT_LENGTH) + count(TRANSFER_ENCODING) <= 1);
    assert!(head.version != Version::HTTP_10 || count(TRANSFER_ENCODING) == 0);

    let authority: Authority = host.authority().parse().expect("an authority");
    let name = authority.host().to_ascii_lowercase();
    let name = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().expect("an address")),
        None => name.strip_suffix('.').unwrap_or(&name).to_owned(),
    };
    assert_eq!(host.name(), name);
    if let Some(named) = sent.uri.authority() {
        assert!(named.as_str().eq_ignore_ascii_case(authority.as_str()), "{named} and {authority}");
    }
    if head.version == Version::HTTP_2 {
        settled(&sent, &head);
    }
    let again = read_back(&head.method, &target, &head.headers);
    assert_eq!(again.headers, head.headers, "as it is written");
    let mut again = again;
    assert_eq!(framing::check(&mut again).expect("good as HTTP/1.1 as well").name(), name);
}

/// What a request in HTTP/2 has become.
fn settled(sent: &RequestHead, head: &RequestHead) {
    let mut crumbs: Vec<_> = sent.headers.get_all(COOKIE).map(Value::as_bytes).collect();
    let several = crumbs.len() > 1;
    crumbs.retain(|crumb| !several || !crumb.is_empty());
    let joined = head.headers.get_all(COOKIE).map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>();
    let expected = if sent.headers.contains_key(COOKIE) { vec![crumbs.join(&b"; "[..])] } else { Vec::new() };
    assert_eq!(joined, expected, "the pieces of cookies");
    let switches = [CONNECTION, UPGRADE].map(|name| head.headers.get(name).map(|value| value.as_bytes().to_vec()));
    if sent.method == Method::CONNECT {
        assert_eq!(head.method, Method::GET);
        assert_eq!(switches, [Some(b"upgrade".to_vec()), Some(b"websocket".to_vec())]);
    } else {
        assert_eq!(switches, [None, None]);
    }
    assert!(!head.headers.contains_key(TRANSFER_ENCODING) && !head.headers.contains_key("keep-alive"));
}

pub(super) fn head(bytes: &[u8]) -> Option<RequestHead> {
    let (line, rest) = first_line(bytes);
    let mut words = line.split(|&byte| byte == b' ');
    let version = match words.next()? {
        b"0" => Version::HTTP_10,
        b"1" => Version::HTTP_11,
        b"2" => Version::HTTP_2,
        _ => return None,
    };
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = Uri::try_from(words.next()?).ok()?;
    let mut request = Request::builder().version(version).method(method).uri(uri);
    if words.next() == Some(b"websocket") {
        request = request.extension(Protocol::from_static("websocket"));
    }
    let head = request.body(()).ok()?.into_parts().0;
    Some(RequestHead { headers: fields(rest), ..head.into() })
}

/// A head as somebody reads it to whom it was written in HTTP/1.1.
fn read_back(method: &Method, target: &str, headers: &Fields) -> RequestHead {
    let mut written = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers.iter() {
        written.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    written.extend(b"\r\n");
    let mut room = vec![httparse::EMPTY_HEADER; headers.len() + 1];
    let mut request = httparse::Request::new(&mut room);
    let read = request.parse(&written).unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    assert_eq!(read, httparse::Status::Complete(written.len()), "{}", written.escape_ascii());
    assert_eq!((request.method, request.path), (Some(method.as_str()), Some(target)));
    let again = Request::builder().method(method).uri(target).body(()).expect("a request").into_parts().0;
    let mut again = RequestHead::from(again);
    for field in request.headers.iter() {
        let name: HeaderName = field.name.parse().expect("a name");
        again.headers.append(name, HeaderValue::from_bytes(field.value).expect("a value"));
    }
    again
}

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const OURS: [&str; 4] =
    ["x-vestibule-user", "x-vestibule-organization", "x-vestibule-factor", "x-vestibule-verified-at"];
const FORWARDED: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
const OF_ONE_HOP: [&str; 7] =
    ["keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "expect", "http2-settings"];

/// The first line is a user id, with a `+` before it where the peer is trusted; fields follow.
///
/// The other reading: a dashboard that sees no difference between marks and cases in names.
pub(super) fn outgoing_head(bytes: &[u8]) {
    let (line, rest) = first_line(bytes);
    let Ok(line) = str::from_utf8(line) else { return };
    let (trusted, user) = line.strip_prefix('+').map_or((false, line), |user| (true, user));
    let sent = fields(rest);
    let site = site();
    let peer = Peer::Tcp(PEER);
    let client = Client { address: Some(PEER), scheme: Scheme::Https, peer, trusted, outer_login: false };

    let mut head = RequestHead { headers: sent.clone(), ..RequestHead::default() };
    let once = headers::strip(&mut head, &site, &client).headers.clone();
    let mut stripped = headers::strip(&mut head, &site, &client);
    assert_eq!(stripped.headers, once, "there was nothing left to strip");
    for name in once.keys() {
        assert!(!folded(name.as_str()).starts_with("x-vestibule"), "{name}");
    }

    let passage = passage(user);
    let introduction = Introduction { traveler: passage.traveler(), client: &client };
    let request = stripped.take_request(Body::empty());
    let request = match headers::make_outgoing(request, &site, &introduction, &mut LastOutgoing::default()) {
        Ok(request) => request,
        Err(ProxyError::Loop(_)) => {
            let rounds = sent.get_all(VIA).map(|via| memmem::find_iter(via.as_bytes(), b"vestibule").count());
            return assert!(rounds.sum::<usize>() >= 5, "{sent:?}");
        }
        Err(_) => {
            let is_odd = |c: char| c.is_ascii_control() && c != '\t';
            return assert!(user.trim_ascii() != user || user.contains(is_odd), "{user:?}");
        }
    };
    let head = request.headers();
    for name in head.keys() {
        let folded = folded(name.as_str());
        assert!(!folded.starts_with("x-vestibule") || OURS.contains(&name.as_str()), "{name}");
        assert!(!folded.starts_with("x-forwarded-") || FORWARDED.contains(&name.as_str()), "{name}");
        let known = ["remote-user", "forwarded", "x-real-ip", "x-original-uri", "x-original-url", "x-rewrite-url"];
        assert!(!known.contains(&folded.as_str()) && !OF_ONE_HOP.contains(&name.as_str()), "{name}");
    }
    let said = |name: &str| head.get_all(name).map(Value::as_bytes).collect::<Vec<_>>();
    assert_eq!(said("x-vestibule-user"), [user.as_bytes()]);
    assert_eq!([said("x-vestibule-factor"), said("x-vestibule-verified-at")], [[&b"none"[..]], [&b""[..]]]);
    let hops = said("x-forwarded-for");
    assert!(hops.len() == 1 && hops[0].ends_with(b"192.0.2.7") && (trusted || hops[0].len() == 9));
    for name in [HOST, COOKIE, AUTHORIZATION, CONTENT_TYPE, CONTENT_LENGTH] {
        assert!(head.get_all(&name).eq(sent.get_all(&name)), "{name} is of the request itself");
    }
    assert_eq!(read_back(&Method::GET, "/", head).headers, *head);
}

fn passage(user: &str) -> Passage {
    let account = Account {
        id: AccountId(1),
        organization: OrganizationId(1),
        key: Arc::new(AccountKey { realm: "insights".into(), organization: "acme".into(), user: user.into() }),
        email: None,
        name: None,
        factor: Factor::NotEnrolled,
    };
    match decide(&Standing::Known { requirement: Requirement::Optional, account: &account, proof: None }) {
        Decision::Pass(passage) => passage,
        other => panic!("{other:?}"),
    }
}

/// Fields of an answer. The other reading: a browser, as far as cookies go, and whoever reads the head from the wire.
pub(super) fn incoming_head(bytes: &[u8]) {
    let sent = fields(bytes);
    let mut head = sent.clone();
    let withheld = headers::make_incoming(&mut head);
    for name in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
        assert!(!head.contains_key(&name), "{name}");
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authenticate", "te"] {
        assert!(!head.contains_key(name), "{name}");
    }
    let cookies = |head: &Fields| head.get_all(SET_COOKIE).map(Value::to_owned).collect::<Vec<_>>();
    let (before, after) = (cookies(&sent), cookies(&head));
    assert_eq!(withheld, after.len() < before.len());
    assert!(after.iter().all(|cookie| !cookie::browsers_send_ours(cookie.as_bytes())), "{after:?}");
    for name in [CONTENT_TYPE, CONTENT_LENGTH] {
        assert!(head.get_all(&name).eq(sent.get_all(&name)), "{name} is of the answer itself");
    }
    assert_eq!(read_back(&Method::GET, "/", &head).headers, head);
}

/// Fields after a body. The other reading: of what RFC 9110, section 6.5.1 forbids there, nothing is left; the rest is.
pub(super) fn trailers(bytes: &[u8]) {
    let sent = fields(bytes).to_map();
    let mut kept = sent.clone();
    keep_trailers(&mut kept);
    for name in sent.keys() {
        let forbidden = [
            "transfer-encoding",
            "content-length",
            "content-encoding",
            "content-type",
            "content-range",
            "set-cookie",
            "cache-control",
            "vary",
            "www-authenticate",
            "authorization",
            "connection",
            "keep-alive",
            "location",
            "proxy-connection",
            "te",
            "trailer",
            "upgrade",
        ];
        if forbidden.contains(&name.as_str()) {
            assert!(!kept.contains_key(name), "{name}");
        } else if !name.as_str().starts_with("content-") && name != "age" {
            assert!(kept.get_all(name).iter().eq(sent.get_all(name)), "{name}");
        }
    }
}

/// The first line is the method; fields follow. The other reading: both fields as text, in lower case, all lines of `Accept`
/// as one and the first of `Sec-Fetch-Mode`.
pub(super) fn audience(bytes: &[u8]) {
    let (method, rest) = first_line(bytes);
    let (Ok(method), headers) = (Method::from_bytes(method), fields(rest)) else { return };
    let text = |value: Value<'_>| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let accepted = headers.get_all(ACCEPT).map(text).collect::<Vec<_>>().join("\n").to_ascii_lowercase();
    let (html, json) = (accepted.contains("text/html"), accepted.contains("json"));
    let is_navigation = match headers.get_all("sec-fetch-mode").next().map(text) {
        Some(mode) => mode == "navigate",
        None => html && matches!(method.as_str(), "GET" | "HEAD"),
    };
    assert_eq!(Audience::of(&method, &headers) == Audience::Person, is_navigation);
    assert_eq!(Audience::of_own_page(&headers) == Audience::Program, json && !html);
}
