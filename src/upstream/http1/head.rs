//! The heads of requests as they are written, and those of answers as they are read (RFC 9112, sections 3 to 5).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, StatusCode};

use crate::http1::MOST_FIELDS;
use crate::http1::fields::{self, NoHead};
use crate::http1::framing::{Chunked, Framing};
use crate::message::{Fields, Request, has_no_body};
use crate::tokens::tokens;
use crate::upstream::{UpstreamError, check_length};

/// What the head of a request takes, unless it is a large one.
const USUAL: usize = 2 * 1024;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: Fields,
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
    fields::write(&mut bytes, request.headers());
    bytes
}

/// Takes the head off an answer, once all of it is there. In the first `known` bytes it was not.
pub(super) fn read(received: &mut Bytes, known: usize) -> Result<Option<Head>, UpstreamError> {
    if !fields::may_be_whole(received, known) {
        return Ok(None);
    }
    let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let whole = parser.parse_response_with_uninit_headers(&mut parsed, received, &mut room);
    let whole = fields::whole(whole, |&length| length, received.len()).map_err(|refused| match refused {
        NoHead::TooLarge => UpstreamError::Malformed("a head that is too large"),
        NoHead::Malformed(error) => UpstreamError::broken(error),
    });
    let Some(length) = whole? else { return Ok(None) };
    let is_current = parsed.version == Some(1);
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(UpstreamError::broken)?;
    let headers = fields::read(received, parsed.headers);
    let closes = tokens(&headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"close"));
    // Not only skipped (`advance`): what is empty would hold on to it.
    drop(received.split_to(length));
    Ok(Some(Head { status, headers, is_current, is_persistent: is_current && !closes }))
}

impl Head {
    /// How the body of this answer to a request of that method ends. One that could be told in two ways is refused.
    pub(super) fn framing(&self, method: &Method) -> Result<Framing, UpstreamError> {
        let is_chunked = check_length(&self.headers)?;
        let length = length(&self.headers)?;
        if is_chunked && !self.is_current {
            return Err(UpstreamError::Malformed("a transfer coding in HTTP/1.0"));
        }
        Ok(match length {
            _ if self.has_no_body(method) => Framing::Length(0),
            Some(length) => Framing::Length(length),
            None if is_chunked => Framing::Chunked(Chunked::of_answer()),
            None => Framing::Closed,
        })
    }

    /// Whether the connection can be used again after this answer to a request of that method. It can't where a dashboard may
    /// send a body all the same that the answer does not have: to `HEAD` some do. That would come a moment after the head, when
    /// somebody else may have asked already, and be read as the answer to them.
    pub(super) fn leaves_the_connection_to_others(&self, method: &Method) -> bool {
        let says_length = || length(&self.headers).is_ok_and(|length| length.unwrap_or_default() > 0);
        let speaks_of_a_body = || says_length() || self.headers.contains_key(TRANSFER_ENCODING);
        self.is_persistent && method != Method::HEAD && !(self.has_no_body(method) && speaks_of_a_body())
    }

    fn has_no_body(&self, method: &Method) -> bool {
        method == Method::HEAD || has_no_body(self.status)
    }
}

/// The length that the fields say, which must all say the same.
fn length(headers: &Fields) -> Result<Option<u64>, UpstreamError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH);
    let Some(first) = lengths.next() else { return Ok(None) };
    let digits = first.to_str().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) if lengths.all(|other| other == first) => Ok(Some(length)),
        _ => Err(UpstreamError::Malformed("a length that is none, or several")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::LARGEST_HEAD;

    fn whole(head: &str) -> Head {
        read(&mut Bytes::copy_from_slice(head.as_bytes()), 0).expect("a head").expect("a whole one")
    }

    #[test]
    fn a_request_is_written_as_it_was_put() {
        let request =
            http::Request::post("/a%2Fb?c=d").header("Host", "a").header("Cookie", "b").header("Cookie", "c").body(());
        let bytes = write(&Request::from(request.expect("a request")));
        assert_eq!(bytes, b"POST /a%2Fb?c=d HTTP/1.1\r\nhost: a\r\ncookie: b\r\ncookie: c\r\n");
        assert!(
            write(&Request::from(http::Request::options("*").body(()).expect("a request")))
                .starts_with(b"OPTIONS * HTTP/1.1\r\n")
        );
    }

    #[test]
    fn a_head_is_taken_off_once_all_of_it_is_there() {
        let (said, body) = (&b"HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a\r\nset-cookie:b \r\n\r\n"[..], b"body");
        for length in 0..said.len() {
            let mut received = Bytes::from_static(&said[..length]);
            assert!(read(&mut received, 0).expect("so far a head").is_none());
            assert!(read(&mut received, length.saturating_sub(1)).expect("so far a head").is_none());
            assert_eq!(received, said[..length], "left as it was");
        }
        let mut received = Bytes::from([said, body].concat());
        let head = read(&mut received, said.len() - 1).expect("a head").expect("a whole one");
        assert_eq!((head.status, head.headers.len(), &received[..]), (StatusCode::OK, 3, &body[..]));
        assert_eq!(head.headers.get_all("set-cookie").collect::<Vec<_>>(), ["a", "b"]);
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
            Bytes::from(format!("{begin}{}\r\n\r\n", "b".repeat(length - begin.len() - 4)))
        };
        assert!(matches!(read(&mut head(LARGEST_HEAD), 0), Ok(Some(_))));
        assert!(read(&mut head(LARGEST_HEAD + 1), 0).is_err());
        assert!(matches!(read(&mut head(LARGEST_HEAD + 1).split_to(LARGEST_HEAD - 1), 0), Ok(None)));
        assert!(read(&mut head(LARGEST_HEAD + 1).split_to(LARGEST_HEAD), 0).is_err());
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MOST_FIELDS + 1));
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
            assert!(read(&mut Bytes::copy_from_slice(head.as_bytes()), 0).is_err(), "{head:?}");
        }
    }

    fn framing(head: &str, method: &Method) -> Result<Framing, UpstreamError> {
        whole(head).framing(method)
    }

    #[test]
    fn the_end_of_a_body_is_told_as_the_rfc_says() {
        let (get, head) = (&Method::GET, &Method::HEAD);
        let chunked = || Some(Framing::Chunked(Chunked::of_answer()));
        let rows = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(5))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(5))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head, Some(Framing::Length(0))),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", get, chunked()),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head, Some(Framing::Length(0))),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(0))),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", get, Some(Framing::Length(0))),
            ("HTTP/1.1 200 OK\r\n\r\n", get, Some(Framing::Closed)),
            ("HTTP/1.0 200 OK\r\n\r\n", get, Some(Framing::Closed)),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", get, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", get, None),
        ];
        for (head, method, expected) in rows {
            assert_eq!(framing(head, method).ok(), expected, "{method} {head:?}");
        }
    }
}
