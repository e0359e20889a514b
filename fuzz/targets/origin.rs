//! Forms, and whether a page of this very origin sent a request.

use http::HeaderValue;
use http::header::{HOST, ORIGIN};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{fields, first_line};
use crate::identity::client::{Client, FORWARDED_HOST, Peer, Scheme};
use crate::listener::framing::Host;
use crate::message::{Fields, Value};
use crate::pages::form::{Form, prove_same_origin, query_one};
use crate::proxy::websocket::from_own_origin;

/// The body of a form. The other reading: pairs between `&`, cut at the first `=` and decoded. A field has a value only
/// if it is there once.
pub(super) fn form(bytes: &[u8]) {
    let form = Form::parse(bytes);
    let text = String::from_utf8_lossy(bytes);
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs: Vec<(String, String)> = if str::from_utf8(bytes).is_ok() {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decoded(n), decoded(v))).collect()
    } else {
        return;
    };
    for name in ["code", "next", "session", "requirement", "account"] {
        let values: Vec<&str> = pairs.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.as_str()).collect();
        let expected = if let [only] = values.as_slice() { Some(*only) } else { None };
        assert_eq!(form.one(name), expected, "{name}");
        assert_eq!(form.typed(name), expected.unwrap_or_default());
        assert_eq!(form.has(name), values.iter().any(|value| !value.is_empty()));
        assert_eq!(query_one(&text, name).as_deref(), expected);
    }
}

/// The first line is the host that is asked; fields follow. The other reading: origins as browsers compare them.
pub(super) fn same_origin(bytes: &[u8]) {
    let (authority, rest) = first_line(bytes);
    let Some(own) = origin_of(authority) else { return };
    let headers = fields(rest);
    if prove_same_origin(&headers, Scheme::Https, authority).is_err() {
        return;
    }
    let site = headers.get("sec-fetch-site").map(Value::as_bytes);
    assert!(matches!(site, None | Some(b"same-origin")));
    match headers.get(ORIGIN).map(Value::as_bytes) {
        None | Some(b"null") => assert!(site.is_some(), "nothing says where from"),
        Some(origin) => assert_eq!(origin_in(origin), Some(own)),
    }
}

/// The first line is the host that is asked; fields follow. The other reading: origins as browsers compare them.
pub(super) fn websocket_origin(bytes: &[u8]) {
    let (authority, rest) = first_line(bytes);
    let Some(own) = origin_of(authority) else { return };
    let mut headers = fields(rest);
    headers.insert(HOST, HeaderValue::from_bytes(authority).expect("a host"));
    for trusted in [false, true] {
        let client = Client { address: None, scheme: Scheme::Https, peer: Peer::Unix, trusted, outer_login: false };
        if from_own_origin(&headers, &client) {
            is_own_origin(&headers, &own, trusted);
        }
    }
}

fn is_own_origin(headers: &Fields, own: &url::Origin, trusted: bool) {
    assert!(headers.get_all(ORIGIN).count() <= 1);
    let Some(origin) = headers.get(ORIGIN) else { return };
    let outer = headers.get(FORWARDED_HOST).filter(|_| trusted);
    // What a trusted proxy says need not be a host at all: then nobody comes from there.
    let outer = outer.map(Value::as_bytes);
    let from = origin_in(origin.as_bytes());
    let named = |outer: &[u8]| origin_of(outer).is_none_or(|outer| from.as_ref() == Some(&outer));
    assert!(from.as_ref() == Some(own) || outer.is_some_and(named), "{origin:?} at {own:?}");
}

/// That of a host with TLS, if browsers know it.
fn origin_of(authority: &[u8]) -> Option<url::Origin> {
    Host::parse((&HeaderValue::from_bytes(authority).ok()?).into())?;
    origin_in(&[b"https://", authority].concat())
}

fn origin_in(text: &[u8]) -> Option<url::Origin> {
    Some(Url::parse(str::from_utf8(text).ok()?).ok()?.origin())
}
