//! What a request must be before anything looks at it: one host, one length, a target with one reading.

mod http2;

use std::net::Ipv6Addr;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, StatusCode, Uri, Version, uri};

use crate::http1::framing::{Chunked, Framing};
use crate::message::{FieldValue, Fields, RequestHead, Value};

/// Why a request is not even looked at. Its connection must be closed with the answer (`connection: close`), since what
/// follows on it may not be what the client meant; in HTTP/2 each request stands for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// A method that no gateway may pass on: `CONNECT` (but for a WebSocket in HTTP/2) or `TRACE`.
    #[error("the method is not allowed")]
    Method,
    /// Not exactly one `Host`.
    #[error("there must be exactly one host")]
    HostCount,
    /// A `Host` that is no name or address, with or without a port.
    #[error("the host is malformed")]
    Host,
    /// A target in absolute form that names another host than `Host` does.
    #[error("the target and the host differ")]
    HostMismatch,
    /// A target that does not begin with a slash, or has characters that parties read differently.
    #[error("the target is malformed")]
    Target,
    /// A length that parties could read differently.
    #[error("the message's length is malformed")]
    Length,
    /// In HTTP/2, a field of a connection, or with space around its value.
    #[error("a field is malformed")]
    Field,
    /// In HTTP/2, more fields than a head may have.
    #[error("there are too many fields")]
    TooManyFields,
}

impl BadRequest {
    /// The status it deserves.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HostCount | Self::Host | Self::HostMismatch | Self::Target | Self::Length | Self::Field => {
                StatusCode::BAD_REQUEST
            }
            Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

/// Checks the head of a request, and returns the host it is for. A target in absolute form is rewritten to origin form;
/// one in HTTP/2 also gets its authority as `Host`, one `Cookie` for all, and asks for a WebSocket as HTTP/1.1 does. Nothing
/// else changes.
pub fn check(head: &mut RequestHead) -> Result<Host, BadRequest> {
    if head.version == Version::HTTP_2 {
        http2::settle(head)?;
    }
    check_method(&head.method)?;
    of_body(&head.headers, head.version)?;
    let host = the_host(&head.headers)?;
    settle_target(&mut head.uri, &host)?;
    Ok(host)
}

/// [`check`] for a head whose fields have passed it before, in the same version of HTTP, and named this host; where none of
/// them did, the authority was the same. One that asks for a tunnel does not pass: it would become another head.
pub(crate) fn check_line(head: &mut RequestHead, host: &Host) -> Result<(), BadRequest> {
    check_method(&head.method)?;
    settle_target(&mut head.uri, host)
}

/// Checks the method and the target, in origin form, that were put into a head after it was [checked](check). What says how
/// long it is stays as it was, and one [`Host`] is there still.
pub fn check_again(head: &RequestHead) -> Result<(), BadRequest> {
    check_method(&head.method)?;
    check_target(&head.uri)
}

/// Methods are told apart by case (RFC 9110, section 9.1), but not by every dashboard.
fn check_method(method: &Method) -> Result<(), BadRequest> {
    let is_like = |other: Method| method.as_str().eq_ignore_ascii_case(other.as_str());
    if is_like(Method::CONNECT) || is_like(Method::TRACE) { Err(BadRequest::Method) } else { Ok(()) }
}

fn settle_target(target: &mut Uri, host: &Host) -> Result<(), BadRequest> {
    if target.authority().is_some() || target.scheme().is_some() {
        *target = origin_form(target, host)?;
    }
    check_target(target)
}

fn check_target(origin_form: &Uri) -> Result<(), BadRequest> {
    let target = origin_form.path_and_query().map_or("", uri::PathAndQuery::as_str);
    let legible = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\');
    if target.starts_with('/') && legible { Ok(()) } else { Err(BadRequest::Target) }
}

/// How the end of a request's body is told: in one way, or by none if there is no body.
pub(super) fn of_body(headers: &Fields, version: Version) -> Result<Framing, BadRequest> {
    let coding = headers.only(TRANSFER_ENCODING).map_err(|_| BadRequest::Length)?;
    let length = headers.only(CONTENT_LENGTH).map_err(|_| BadRequest::Length)?;
    match (coding, length) {
        (None, None) => Ok(Framing::Length(0)),
        (Some(coding), None) if version == Version::HTTP_11 && coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked(Chunked::of_request()))
        }
        (None, Some(length)) => number(length).map(Framing::Length).ok_or(BadRequest::Length),
        (Some(_), _) => Err(BadRequest::Length),
    }
}

fn number(digits: Value<'_>) -> Option<u64> {
    let digits = digits.to_str().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

fn the_host(headers: &Fields) -> Result<Host, BadRequest> {
    let value = headers.only(HOST).ok().flatten().ok_or(BadRequest::HostCount)?;
    Host::parse(value).ok_or(BadRequest::Host)
}

fn origin_form(target: &Uri, host: &Host) -> Result<Uri, BadRequest> {
    if !matches!(target.scheme_str(), Some("http" | "https")) {
        return Err(BadRequest::Target);
    }
    let named = target.authority().map_or("", uri::Authority::as_str);
    if !named.as_bytes().eq_ignore_ascii_case(host.authority.as_bytes()) {
        return Err(BadRequest::HostMismatch);
    }
    let mut parts = uri::Parts::default();
    parts.path_and_query = target.path_and_query().map(|path| match path.as_str() {
        // Written out: where none was sent, it would be left out of the origin form as well.
        "/" => uri::PathAndQuery::from_static("/"),
        _ => path.clone(),
    });
    Uri::from_parts(parts).map_err(|_| BadRequest::Target)
}

/// The host that a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    authority: Box<str>,
    name: Name,
}

/// Most clients send the name as it is compared, so that it needs no copy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    AsSent { length: usize },
    Folded(Box<str>),
}

impl Host {
    /// Reads the value of a `Host` field: a name, an IPv4 address or an IPv6 address in brackets, with or without a port.
    pub fn parse(value: Value<'_>) -> Option<Self> {
        let authority = value.to_str()?;
        let name_ends = if authority.starts_with('[') {
            authority.find(']')? + 1
        } else {
            authority.bytes().position(|byte| byte == b':').unwrap_or(authority.len())
        };
        let (name, port) = authority.split_at(name_ends);
        if !port.is_empty() {
            let digits = port.strip_prefix(':')?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            digits.parse::<u16>().ok()?;
        }
        let name = if name.starts_with('[') { Name::of_ipv6(name)? } else { Name::of_host(name)? };
        Some(Self { authority: authority.into(), name })
    }

    /// The name to compare with: lower case, without port or trailing dot; IPv6 addresses in brackets and in their
    /// shortest form.
    pub fn name(&self) -> &str {
        match &self.name {
            Name::Folded(name) => name,
            Name::AsSent { length } => &self.authority[..*length],
        }
    }

    /// What the client sent, port and all.
    pub const fn authority(&self) -> &str {
        &self.authority
    }
}

/// It was the value of a field.
impl FieldValue for &Host {
    fn bytes(&self) -> &[u8] {
        self.authority.as_bytes()
    }
}

impl Name {
    fn of_ipv6(bracketed: &str) -> Option<Self> {
        let address: Ipv6Addr = bracketed.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
        let folded = format!("[{address}]");
        if folded == bracketed {
            Some(Self::AsSent { length: bracketed.len() })
        } else {
            Some(Self::Folded(folded.into_boxed_str()))
        }
    }

    fn of_host(sent: &str) -> Option<Self> {
        let name = sent.strip_suffix('.').unwrap_or(sent);
        let (mut is_label, mut has_capitals) = (false, false);
        for byte in name.bytes() {
            match byte {
                b'.' if is_label => is_label = false,
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => is_label = true,
                b'A'..=b'Z' => (is_label, has_capitals) = (true, true),
                _ => return None,
            }
        }
        match (is_label && name.len() <= 253, has_capitals) {
            (false, _) => None,
            (true, true) => Some(Self::Folded(name.to_ascii_lowercase().into_boxed_str())),
            (true, false) => Some(Self::AsSent { length: name.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0.into()
    }

    fn checked(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<(String, String), BadRequest> {
        let mut head = head(method, target, fields);
        check(&mut head).map(|host| (host.name().to_owned(), head.uri.to_string()))
    }

    #[test]
    fn hosts_that_are_the_same_compare_equal() {
        let rows = [
            ("insights.acme.example", "insights.acme.example"),
            ("insights.acme.example:8443", "insights.acme.example"),
            ("Insights.ACME.example", "insights.acme.example"),
            ("insights.acme.example.", "insights.acme.example"),
            ("INSIGHTS.acme.example.:443", "insights.acme.example"),
            ("127.0.0.1:8443", "127.0.0.1"),
            ("my_host", "my_host"),
            ("[::1]", "[::1]"),
            ("[0:0::0001]:80", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ];
        for (sent, name) in rows {
            let host =
                Host::parse((&HeaderValue::from_static(sent)).into()).unwrap_or_else(|| panic!("{sent} is a host"));
            assert_eq!(host.name(), name, "{sent}");
            assert_eq!(host.authority(), sent);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(254);
        let rows = [
            "",
            ".",
            ":80",
            "a..b",
            ".a",
            "a..",
            "a:b",
            "a:",
            "a:80:80",
            "a:65536",
            "a:+80",
            "user@a",
            "a/b",
            "a b",
            "a,b",
            "%61",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[]",
            "a?b",
            "a#b",
            "a\\b",
            &long,
        ];
        for sent in rows {
            let value = HeaderValue::from_str(sent).expect("a field value");
            assert!(Host::parse((&value).into()).is_none(), "{sent:?} is no host");
        }
        let value = HeaderValue::from_bytes("ä.example".as_bytes()).expect("a field value");
        assert!(Host::parse((&value).into()).is_none());
    }

    #[test]
    fn a_request_has_one_host() {
        assert_eq!(checked("GET", "/", &[]), Err(BadRequest::HostCount));
        assert_eq!(checked("GET", "/", &[("host", "a"), ("host", "a")]), Err(BadRequest::HostCount));
        assert_eq!(checked("GET", "/", &[("host", "a, b")]), Err(BadRequest::Host));
        assert_eq!(checked("GET", "/", &[("host", "")]), Err(BadRequest::Host));
    }

    #[test]
    fn an_absolute_target_says_what_the_host_says() {
        let host = [("host", "A.example:80")];
        assert_eq!(checked("GET", "http://a.example:80/x?y=1", &host), Ok(("a.example".into(), "/x?y=1".into())));
        assert_eq!(checked("GET", "https://a.example:80", &host), Ok(("a.example".into(), "/".into())));
        assert_eq!(checked("GET", "http://b.example/x", &host), Err(BadRequest::HostMismatch));
        assert_eq!(checked("GET", "http://a.example/x", &host), Err(BadRequest::HostMismatch), "another port");
        assert_eq!(checked("GET", "http://u@a.example:80/x", &host), Err(BadRequest::HostMismatch));
        assert_eq!(checked("GET", "ftp://a.example:80/x", &host), Err(BadRequest::Target));
        assert_eq!(checked("GET", "a.example:80", &host), Err(BadRequest::Target), "authority form");
    }

    #[test]
    fn targets_are_kept_byte_for_byte_or_refused() {
        let host = [("host", "a")];
        for target in ["/", "/a/../b//c%2e%2e/%2F;x=1?q=/../&r={}", "//a", "/a?b?c"] {
            assert_eq!(checked("GET", target, &host), Ok(("a".into(), target.into())));
        }
        assert_eq!(checked("OPTIONS", "*", &host), Err(BadRequest::Target));
        assert_eq!(checked("GET", "/a\\b", &host), Err(BadRequest::Target));
        assert_eq!(checked("GET", "/ä", &host), Err(BadRequest::Target));
        assert_eq!(checked("GET", "/?ä", &host), Err(BadRequest::Target));
    }

    #[test]
    fn a_length_has_one_reading() {
        let with = |fields: &[(&str, &str)]| {
            let mut all = vec![("host", "a")];
            all.extend_from_slice(fields);
            checked("POST", "/", &all).err()
        };
        assert_eq!(with(&[("content-length", "5")]), None);
        assert_eq!(with(&[("transfer-encoding", "chunked")]), None);
        assert_eq!(with(&[("transfer-encoding", "Chunked")]), None);
        let refused = [
            &[("content-length", "+5")][..],
            &[("content-length", "5, 5")],
            &[("content-length", "")],
            &[("content-length", "0x5")],
            &[("content-length", "18446744073709551616")],
            &[("content-length", "5"), ("content-length", "5")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked, chunked")],
            &[("transfer-encoding", "identity")],
            &[("transfer-encoding", "xchunked")],
            &[("transfer-encoding", "")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "chunked"), ("content-length", "5")],
        ];
        for fields in refused {
            assert_eq!(with(fields), Some(BadRequest::Length), "{fields:?}");
        }
        let mut old = head("POST", "/", &[("host", "a"), ("transfer-encoding", "chunked")]);
        old.version = Version::HTTP_10;
        assert_eq!(check(&mut old), Err(BadRequest::Length));
    }

    #[test]
    fn connect_and_trace_are_refused_as_methods() {
        for method in ["CONNECT", "TRACE", "connect", "Trace"] {
            let refusal = checked(method, "/", &[("host", "a")]).expect_err("refused");
            assert_eq!((refusal, refusal.status().as_u16()), (BadRequest::Method, 405));
        }
        assert_eq!(checked("PROPFIND", "/", &[("host", "a")]), Ok(("a".into(), "/".into())));
    }
}
