//! The head of a request as it is read (RFC 9112, sections 2 to 6), once.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, TE, UPGRADE};
use http::{HeaderName, Method, StatusCode, Uri, Version};
use tokio::sync::oneshot;

use crate::http1::fields::{self, NoHead};
use crate::http1::framing::Framing;
use crate::http1::{MOST_FIELDS, Stream};
use crate::listener::framing;
use crate::listener::incoming::Incoming;
use crate::listener::switch::Switch;
use crate::message::{Request, RequestHead};
use crate::tokens::has_token;

/// A request of which the head is there.
pub(super) struct Head {
    /// Without what comes of its body.
    pub(super) request: Box<Request<Incoming>>,
    /// How the end of its body is told.
    pub(super) framing: Framing,
    /// Where another protocol goes on that the client asks to switch to (RFC 9110, section 7.8).
    pub(super) offer: Option<oneshot::Sender<Box<dyn Stream>>>,
    /// Whether the client has its body wait until it is told to go on (RFC 9110, section 10.1.1).
    pub(super) waits_to_go_on: bool,
    /// Whether it takes fields after the answer's body (RFC 9110, section 6.5.1).
    pub(super) takes_trailers: bool,
    /// Whether it wants to use the connection for more (section 9.3).
    pub(super) is_persistent: bool,
}

/// Takes a head off what was received, once all of it is there. In the first `known` bytes it was not. Fails with the
/// status that the client is told; nothing that follows can be read then.
///
/// Bare line feeds end lines as well (section 2.2): what is forwarded is written anew. Where the end of the body can be told
/// in several ways, or in none, it ends with the connection, and so never: it is up to
/// [`check`](framing::check) to refuse the request.
pub(super) fn read(received: &mut Bytes, known: usize) -> Result<Option<Head>, StatusCode> {
    if !fields::may_be_whole(received, known) {
        return Ok(None);
    }
    let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let whole = parser.parse_request_with_uninit_headers(&mut parsed, received, &mut room);
    let whole = fields::whole(whole, |&length| length, received.len()).map_err(|refused| match refused {
        NoHead::TooLarge | NoHead::Malformed(httparse::Error::TooManyHeaders) => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        NoHead::Malformed(_) => StatusCode::BAD_REQUEST,
    });
    let Some(length) = whole? else { return Ok(None) };
    let head = head(received, &parsed).ok_or(StatusCode::BAD_REQUEST)?;
    // Not only skipped (`advance`): what is empty would hold on to it.
    drop(received.split_to(length));
    Ok(Some(head))
}

/// `None` if a part of it is none.
fn head(bytes: &Bytes, parsed: &httparse::Request<'_, '_>) -> Option<Head> {
    let target = parsed.path?;
    // The library takes a fragment off, which no client may send (section 3.2).
    if target.contains('#') {
        return None;
    }
    let is_current = parsed.version? == 1;
    let version = if is_current { Version::HTTP_11 } else { Version::HTTP_10 };
    let headers = fields::read(bytes, parsed.headers);
    let framing = framing::of_body(&headers, version).unwrap_or(Framing::Closed);
    let has = |name: HeaderName, token: &[u8]| headers.get_all(name).any(|line| has_token(line, token));
    let is_persistent = !has(CONNECTION, b"close") && (is_current || has(CONNECTION, b"keep-alive"));
    let waits_to_go_on = is_current && has(EXPECT, b"100-continue") && framing.left() != Some(0);
    let takes_trailers = has(TE, b"trailers");
    let switches = is_current && headers.contains_key(UPGRADE);

    let method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    let uri = Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes())).ok()?;
    let head = RequestHead { method, uri, version, headers, ..RequestHead::default() };
    let mut request = Box::new(Request::from_parts(head, Incoming::empty()));
    let offer = switches.then(|| Switch::offer(&mut request));
    Some(Head { request, framing, offer, waits_to_go_on, takes_trailers, is_persistent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::LARGEST_HEAD;

    fn whole(head: &str) -> Head {
        let mut received = Bytes::copy_from_slice(head.as_bytes());
        let head = read(&mut received, 0).expect("a head").expect("a whole one");
        assert!(received.is_empty());
        head
    }

    #[test]
    fn a_head_is_taken_off_once_all_of_it_is_there() {
        for (said, body) in [
            ("POST /a%2Fb?c HTTP/1.1\r\nHost: a\r\nCookie: b\r\ncookie:c \r\n\r\n", "body"),
            ("\r\n\nPOST /a%2Fb?c HTTP/1.1\nHost: a\nCookie: b\ncookie: c\n\n", ""),
        ] {
            for length in 0..said.len() {
                let mut received = Bytes::from_static(&said.as_bytes()[..length]);
                assert!(read(&mut received, 0).expect("so far a head").is_none());
                assert!(read(&mut received, length.saturating_sub(1)).expect("so far a head").is_none());
                assert_eq!(received, said[..length], "left as it was");
            }
            let mut received = Bytes::from([said, body].concat());
            let head = read(&mut received, said.len() - 1).expect("a head").expect("a whole one");
            let request = head.request;
            assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "/a%2Fb?c".to_owned()));
            assert_eq!(request.headers().get_all("cookie").collect::<Vec<_>>(), ["b", "c"]);
            assert_eq!((request.headers().len(), &received[..]), (3, body.as_bytes()));
        }
    }

    #[test]
    fn a_connection_stays_open_if_both_versions_say_so() {
        let rows = [
            ("HTTP/1.1\r\n", true),
            ("HTTP/1.1\r\nConnection: x, Close\r\n", false),
            ("HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n", false),
            ("HTTP/1.1\r\nConnection: enclosed\r\n", true),
            ("HTTP/1.0\r\n", false),
            ("HTTP/1.0\r\nConnection: Keep-Alive\r\n", true),
            ("HTTP/1.0\r\nConnection: keep-alive, close\r\n", false),
        ];
        for (head, expected) in rows {
            assert_eq!(whole(&format!("GET / {head}\r\n")).is_persistent, expected, "{head:?}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_told_in_one_way_or_never_comes() {
        let rows = [
            ("HTTP/1.1\r\n", Framing::Length(0)),
            ("HTTP/1.1\r\nContent-Length: 5\r\n", Framing::Length(5)),
            ("HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", Framing::Chunked(crate::http1::framing::Chunked::new())),
            ("HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", Framing::Closed),
            ("HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", Framing::Closed),
            ("HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n", Framing::Closed),
            ("HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n", Framing::Closed),
        ];
        for (head, expected) in rows {
            assert_eq!(whole(&format!("POST / {head}\r\n")).framing, expected, "{head:?}");
        }
    }

    #[test]
    fn only_a_client_in_http_1_1_with_a_body_waits_to_go_on() {
        let waits = |version, fields| whole(&format!("POST / {version}\r\n{fields}\r\n")).waits_to_go_on;
        assert!(waits("HTTP/1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n"));
        assert!(!waits("HTTP/1.1", "Expect: 100-continue\r\n"));
        assert!(!waits("HTTP/1.1", "Expect: miracles\r\nContent-Length: 1\r\n"));
        assert!(!waits("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n"));
    }

    #[test]
    fn what_is_no_head_is_refused_and_so_is_too_much_of_one() {
        let fields = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        let long = |length: usize| {
            let begin = "GET / HTTP/1.1\r\na: ";
            format!("{begin}{}\r\n\r\n", "b".repeat(length - begin.len() - 4))
        };
        assert!(whole(&fields(MOST_FIELDS)).is_persistent && whole(&long(LARGEST_HEAD)).is_persistent);
        let rows = [
            ("GET /a#b HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.2\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\na : b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\na: b\0\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\na: b\rc\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n: b\r\n\r\n", 400),
            ("PRI * HTTP/2.0\r\n\r\n", 400),
            (&fields(MOST_FIELDS + 1), 431),
            (&long(LARGEST_HEAD + 1), 431),
            (&long(LARGEST_HEAD + 1)[..LARGEST_HEAD], 431),
        ];
        for (head, expected) in rows {
            let refused = read(&mut Bytes::copy_from_slice(head.as_bytes()), 0).map(|head| head.is_some());
            assert_eq!(refused.map_err(|status| status.as_u16()), Err(expected), "{:?}", &head[..head.len().min(50)]);
        }
    }
}
