//! Cookies: the gateway's own among those of a request, and those of a dashboard that could be taken for it.

use http::HeaderValue;
use http::header::COOKIE;

use crate::identity::client::Scheme;
use crate::message::Fields;
use crate::second_factor::session::{Kind, Presented};
use crate::session_cookie::{LastCookie, pairs, take, would_set_ours};

const NAMES: [&[u8]; 2] = [b"vestibule", b"__Host-vestibule"];

/// The first byte is `s` for TLS; the lines that follow are those of `Cookie`.
///
/// The other reading: segments between semicolons, without spaces and tabs before them. Those that are not ours are all
/// still there, byte for byte and in order; a session is named only by the one pair of the name for the scheme.
pub(super) fn own_cookie(bytes: &[u8]) {
    let Some((&first, lines)) = bytes.split_first() else { return };
    let (scheme, name) = if first == b's' { (Scheme::Https, NAMES[1]) } else { (Scheme::Http, NAMES[0]) };
    let mut headers = Fields::new();
    for line in lines.split(|&byte| byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).take(100) {
        headers.append(COOKIE, line);
    }
    let before = headers.clone();
    let mut last = LastCookie::default();
    let presented = take(&mut headers, scheme, &mut last);
    let again = take(&mut before.clone(), scheme, &mut last);
    assert_eq!(again, presented, "what is remembered says the same");

    let (others, left) = (segments(&before, |segment| !is_ours(segment)), segments(&headers, |_| true));
    let visible = |segments: &[Vec<u8>]| segments.iter().filter(|it| !it.is_empty()).cloned().collect::<Vec<_>>();
    assert_eq!(visible(&others), visible(&left), "what is not ours stays as it was");
    let untouched = before.get_all(COOKIE).filter(|line| !pairs(line.as_bytes()).any(|pair| named_ours(&pair)));
    let mut after = headers.get_all(COOKIE);
    assert!(untouched.filter(|line| !line.as_bytes().is_empty()).all(|line| after.any(|other| other == line)));
    drop(after);
    assert!(headers.get_all(COOKIE).all(|line| !pairs(line.as_bytes()).any(|pair| named_ours(&pair))));

    let lines = before.get_all(COOKIE);
    let named: Vec<&[u8]> =
        lines.flat_map(|line| pairs(line.as_bytes())).filter(|p| p.0 == name).map(|p| p.1).collect();
    let expected = if let [only] = named.as_slice() { Presented::parse(only) } else { None };
    assert_eq!(presented, expected);
    if let (Some(presented), [value]) = (presented, named.as_slice()) {
        let letter = match presented.kind {
            Kind::Pending => b'p',
            Kind::Verified => b'v',
        };
        let base64 = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        assert!(value[0] == letter && value.len() == 44 && base64, "a session has one spelling");
        let mut other = value.to_vec();
        *other.last_mut().expect("44") ^= 1;
        assert_ne!(Presented::parse(&other), Some(presented), "a session has one spelling");
    }
    let once = headers.clone();
    assert_eq!(take(&mut headers, scheme, &mut last), None);
    assert_eq!(headers, once);
}

fn segments(headers: &Fields, stays: fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let lines = headers.get_all(COOKIE);
    let all = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).map(without_padding);
    all.filter(|segment| stays(segment)).map(<[u8]>::to_vec).collect()
}

fn without_padding(mut segment: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = segment.split_first() {
        segment = rest;
    }
    segment
}

fn is_ours(segment: &[u8]) -> bool {
    NAMES.iter().any(|name| segment.strip_prefix(*name).is_some_and(|rest| rest.starts_with(b"=")))
}

fn named_ours((name, _): &(&[u8], &[u8])) -> bool {
    NAMES.contains(name)
}

/// A value of `Set-Cookie`. The other reading: what a browser sends back of it (RFC 6265bis, sections 5.6 and 5.8.3).
pub(super) fn set_cookie(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    assert!(would_set_ours((&value).into()) || !browsers_send_ours(bytes), "{}", bytes.escape_ascii());
}

/// Whether a browser that is given this sends something back in which we, or somebody who reads names in any case, find
/// our own.
pub(super) fn browsers_send_ours(set_cookie: &[u8]) -> bool {
    let trim = |bytes: &[u8]| {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        bytes[start..end].to_vec()
    };
    let cookie = set_cookie.split(|&byte| byte == b';').next().unwrap_or_default();
    let (name, value) = match cookie.iter().position(|&byte| byte == b'=') {
        Some(equals) => (trim(&cookie[..equals]), trim(&cookie[equals + 1..])),
        None => (Vec::new(), trim(cookie)),
    };
    // What has no name is sent as its value alone.
    let sent = if name.is_empty() { value } else { [name, b"=".to_vec(), value].concat() };
    pairs(&sent).any(|(name, _)| NAMES.iter().any(|own| own.eq_ignore_ascii_case(name)))
}
