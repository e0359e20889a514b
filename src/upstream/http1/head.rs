//! The heads of requests as they are written, and those of answers as they are read (RFC 9112, sections 3 to 5).

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

use crate::tokens::tokens;
use crate::upstream::UpstreamError;

/// The largest head of an answer, in bytes.
pub(super) const MOST: usize = 64 * 1024;

/// The most fields of one.
const FIELDS: usize = 100;

/// What the head of a request takes, unless it is a large one.
const USUAL: usize = 2 * 1024;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Whether it is in HTTP/1.1, and not in HTTP/1.0.
    pub(super) is_current: bool,
    /// Whether the connection stays open after the answer (section 9.3).
    pub(super) is_persistent: bool,
}

/// Writes the head of a request in origin form, but for the empty line at its end.
pub(super) fn write<B>(request: &Request<B>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    for part in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    for (name, value) in request.headers() {
        write_field(&mut bytes, name, value.as_bytes());
    }
    bytes
}

/// Writes one more field of a head.
pub(super) fn write_field(bytes: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    // One by one: what is of a constant length is written as a number.
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

/// Takes the head off an answer, once all of it is there. One that is larger than [`MOST`] is refused, in whatever pieces it
/// comes.
pub(super) fn read(received: &mut BytesMut) -> Result<Option<Head>, UpstreamError> {
    if received.is_empty() {
        return Ok(None);
    }
    let mut room = [const { MaybeUninit::uninit() }; FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(&mut parsed, received, &mut room) {
        Ok(httparse::Status::Complete(length)) if length <= MOST => length,
        Ok(httparse::Status::Partial) if received.len() < MOST => return Ok(None),
        Ok(_) => return Err(UpstreamError::Malformed("a head that is too large")),
        Err(error) => return Err(UpstreamError::broken(error)),
    };
    let start = received.as_ptr().addr();
    let place = |part: &[u8]| part.as_ptr().addr() - start..part.as_ptr().addr() - start + part.len();
    let places: Vec<_> = parsed.headers.iter().map(|f| (place(f.name.as_bytes()), place(f.value))).collect();
    let is_current = parsed.version == Some(1);
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(UpstreamError::broken)?;
    let bytes = received.split_to(length).freeze();
    let headers = headers(&bytes, &places)?;
    let closes = tokens(&headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"close"));
    Ok(Some(Head { status, headers, is_current, is_persistent: is_current && !closes }))
}

fn headers(bytes: &Bytes, places: &[(Range<usize>, Range<usize>)]) -> Result<HeaderMap, UpstreamError> {
    let mut headers = HeaderMap::with_capacity(places.len());
    for (name, value) in places {
        let name = HeaderName::from_bytes(&bytes[name.clone()]).map_err(UpstreamError::broken)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value.clone())).map_err(UpstreamError::broken)?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(head: &str) -> Head {
        read(&mut BytesMut::from(head)).expect("a head").expect("a whole one")
    }

    #[test]
    fn a_request_is_written_as_it_was_put() {
        let request =
            Request::post("/a%2Fb?c=d").header("Host", "a").header("Cookie", "b").header("Cookie", "c").body(());
        let bytes = write(&request.expect("a request"));
        assert_eq!(bytes, b"POST /a%2Fb?c=d HTTP/1.1\r\nhost: a\r\ncookie: b\r\ncookie: c\r\n");
        assert!(write(&Request::options("*").body(()).expect("a request")).starts_with(b"OPTIONS * HTTP/1.1\r\n"));
    }

    #[test]
    fn a_head_is_taken_off_once_all_of_it_is_there() {
        let (said, body) = (&b"HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a\r\nset-cookie:b \r\n\r\n"[..], b"body");
        let mut received = BytesMut::new();
        for byte in &said[..said.len() - 1] {
            received.extend_from_slice(&[*byte]);
            assert!(read(&mut received).expect("so far a head").is_none());
        }
        received.extend_from_slice(&[&said[said.len() - 1..], body].concat());
        let head = read(&mut received).expect("a head").expect("a whole one");
        assert_eq!((head.status, head.headers.len(), &received[..]), (StatusCode::OK, 3, &body[..]));
        assert_eq!(head.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_connection_stays_open_unless_something_is_against_it() {
        let rows = [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: x , close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: enclosed\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", false),
        ];
        for (head, expected) in rows {
            assert_eq!(whole(head).is_persistent, expected, "{head:?}");
        }
    }

    #[test]
    fn a_head_that_is_too_large_is_refused_in_whatever_pieces_it_comes() {
        let head = |length: usize| {
            let begin = "HTTP/1.1 200 OK\r\na: ";
            BytesMut::from(format!("{begin}{}\r\n\r\n", "b".repeat(length - begin.len() - 4)).as_str())
        };
        assert!(matches!(read(&mut head(MOST)), Ok(Some(_))));
        assert!(read(&mut head(MOST + 1)).is_err());
        assert!(matches!(read(&mut head(MOST + 1).split_to(MOST - 1)), Ok(None)));
        assert!(read(&mut head(MOST + 1).split_to(MOST)).is_err());
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(FIELDS + 1));
        let rows = [
            "nonsense\r\n",
            "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 099 x\r\n\r\n",
            "HTTP/2.0 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded: line\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
            &many,
        ];
        for head in rows {
            assert!(read(&mut BytesMut::from(head)).is_err(), "{head:?}");
        }
    }
}
