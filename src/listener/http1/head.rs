//! The head of a request as it is read (RFC 9112, sections 2 to 6), once.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, TE, UPGRADE};
use http::{HeaderName, Method, StatusCode, Uri, Version};
use memchr::memchr;
use tokio::sync::oneshot;

use crate::http1::fields::{self, NoHead};
use crate::http1::framing::Framing;
use crate::http1::{LARGEST_HEAD, MOST_FIELDS, Stream};
use crate::listener::framing;
use crate::listener::incoming::Incoming;
use crate::listener::switch::Switch;
use crate::message::{Fields, Request, RequestHead};
use crate::tokens::has_token;

/// A request of which the head is there.
pub(super) struct Head {
    /// Without what comes of its body.
    pub(super) request: Box<Request<Incoming>>,
    /// Where another protocol goes on that the client asks to switch to (RFC 9110, section 7.8).
    pub(super) offer: Option<oneshot::Sender<Box<dyn Stream>>>,
    /// What its fields say.
    pub(super) said: Said,
}

/// What the fields of a head say to whoever holds the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// How the end of the body is told.
    pub(super) framing: Framing,
    /// Whether the client has its body wait until it is told to go on (RFC 9110, section 10.1.1).
    pub(super) waits_to_go_on: bool,
    /// Whether it takes fields after the answer's body (RFC 9110, section 6.5.1).
    pub(super) takes_trailers: bool,
    /// Whether it wants to use the connection for more (section 9.3).
    pub(super) is_persistent: bool,
}

/// Reads the heads of a connection.
///
/// Whoever asks for one thing again and again says another target at most, and so fields that came twice are not read a third
/// time.
#[derive(Default)]
pub(super) struct Heads {
    last: Option<Box<Last>>,
}

/// The fields of the last head.
struct Last {
    /// As they came, with the empty line.
    bytes: Vec<u8>,
    /// What was read in them when they came the second time.
    read: Option<(Version, Fields, Said)>,
}

/// Up to which length the fields of a head are remembered, in bytes.
const REMEMBERED: usize = 4096;

impl Heads {
    /// Takes a head off what was received, once all of it is there. In the first `known` bytes it was not. Fails with the
    /// status that the client is told; nothing that follows can be read then. `remembers` says whether this head may have
    /// to do with the last one, and with the next.
    ///
    /// Bare line feeds end lines as well (section 2.2): what is forwarded is written anew. Where the end of the body can be
    /// told in several ways, or in none, it ends with the connection, and so never: it is up to
    /// [`check`](framing::check) to refuse the request.
    pub(super) fn read(
        &mut self,
        received: &mut Bytes,
        known: usize,
        remembers: bool,
    ) -> Result<Option<Head>, StatusCode> {
        if !remembers {
            self.last = None;
        }
        let (head, length) = match self.last.as_mut().and_then(|last| last.read_again(received)) {
            Some(read) => read,
            None if fields::may_be_whole(received, known) => {
                let Some((head, fields)) = read(received)? else { return Ok(None) };
                let length = fields.end;
                if remembers {
                    self.remember(&received[fields]);
                }
                (head, length)
            }
            None => return Ok(None),
        };
        // Not only skipped (`advance`): what is empty would hold on to it.
        drop(received.split_to(length));
        Ok(Some(head))
    }

    fn remember(&mut self, fields: &[u8]) {
        if fields.len() > REMEMBERED {
            self.last = None;
            return;
        }
        let last = self.last.get_or_insert_with(|| Box::new(Last { bytes: Vec::new(), read: None }));
        last.bytes.clear();
        last.bytes.extend_from_slice(fields);
        last.read = None;
    }
}

impl Last {
    /// A head with the same fields and its length, if that is what was received.
    fn read_again(&mut self, received: &Bytes) -> Option<(Head, usize)> {
        let line = &received[..=memchr(b'\n', received)?];
        let length = line.len() + self.bytes.len();
        if length > LARGEST_HEAD || !received[line.len()..].starts_with(&self.bytes) {
            return None;
        }
        let Some((version, fields, said)) = &self.read else {
            // A copy, so that nothing is held on to that came with it.
            let (mut head, _) = read(&Bytes::copy_from_slice(&received[..length])).ok()??;
            let (request, said) = (&mut head.request, head.said.clone());
            request.headers_mut().share();
            self.read = Some((request.version(), request.headers().clone(), said));
            return Some((head, length));
        };
        let mut parsed = httparse::Request::new(&mut []);
        // Says that fields are missing, once it has read the line.
        parsed.parse(line).ok()?;
        let line = Line::of(&parsed).filter(|line| line.version == *version)?;
        Some((line.with(received, fields.clone(), said.clone())?, length))
    }
}

/// The head that was received, and where its fields are, once all of it is there.
fn read(received: &Bytes) -> Result<Option<(Head, Range<usize>)>, StatusCode> {
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
    let line = Line::of(&parsed).ok_or(StatusCode::BAD_REQUEST)?;
    let fields = fields::read(received, parsed.headers);
    let said = Said::by(&fields, line.version);
    let head = line.with(received, fields, said).ok_or(StatusCode::BAD_REQUEST)?;
    Ok(Some((head, line.end(received)..length)))
}

/// The first line of a head.
struct Line<'a> {
    method: &'a str,
    target: &'a str,
    version: Version,
}

impl<'a> Line<'a> {
    fn of(parsed: &httparse::Request<'_, 'a>) -> Option<Self> {
        let version = if parsed.version? == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
        // The library takes a fragment off, which no client may send (section 3.2).
        let target = parsed.path.filter(|target| !target.contains('#'))?;
        Some(Self { method: parsed.method?, target, version })
    }

    /// Where the fields begin in these bytes, which it is in.
    fn end(&self, received: &[u8]) -> usize {
        let target = self.target.as_ptr().addr() - received.as_ptr().addr();
        target + memchr(b'\n', &received[target..]).map_or(0, |end| end + 1)
    }

    /// The head that begins with it in these bytes. `None` if a part of it is none.
    fn with(&self, received: &Bytes, headers: Fields, said: Said) -> Option<Head> {
        let method = Method::from_bytes(self.method.as_bytes()).ok()?;
        let uri = Uri::from_maybe_shared(received.slice_ref(self.target.as_bytes())).ok()?;
        let switches = self.version == Version::HTTP_11 && headers.contains_key(UPGRADE);
        let head = RequestHead { method, uri, version: self.version, headers, ..RequestHead::default() };
        let mut request = Box::new(Request::from_parts(head, Incoming::empty()));
        let offer = switches.then(|| Switch::offer(&mut request));
        Some(Head { request, offer, said })
    }
}

impl Said {
    fn by(fields: &Fields, version: Version) -> Self {
        let is_current = version == Version::HTTP_11;
        let framing = framing::of_body(fields, version).unwrap_or(Framing::Closed);
        let has = |name: HeaderName, token: &[u8]| fields.get_all(name).any(|line| has_token(line, token));
        Self {
            waits_to_go_on: is_current && has(EXPECT, b"100-continue") && framing.left() != Some(0),
            framing,
            takes_trailers: has(TE, b"trailers"),
            is_persistent: !has(CONNECTION, b"close") && (is_current || has(CONNECTION, b"keep-alive")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(received: &mut Bytes, known: usize) -> Result<Option<Head>, StatusCode> {
        Heads::default().read(received, known, false)
    }

    fn whole(head: &str) -> Head {
        let mut received = Bytes::copy_from_slice(head.as_bytes());
        let head = read_one(&mut received, 0).expect("a head").expect("a whole one");
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
                assert!(read_one(&mut received, 0).expect("so far a head").is_none());
                assert!(read_one(&mut received, length.saturating_sub(1)).expect("so far a head").is_none());
                assert_eq!(received, said[..length], "left as it was");
            }
            let mut received = Bytes::from([said, body].concat());
            let head = read_one(&mut received, said.len() - 1).expect("a head").expect("a whole one");
            let request = head.request;
            assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "/a%2Fb?c".to_owned()));
            assert_eq!(request.headers().get_all("cookie").collect::<Vec<_>>(), ["b", "c"]);
            assert_eq!((request.headers().len(), &received[..]), (3, body.as_bytes()));
        }
    }

    #[test]
    fn whatever_the_last_head_was_this_one_is_read_as_it_is() {
        let fields = "Host: a\r\nCookie: b=1\r\nContent-Length: 2\r\n\r\n";
        let long = "x".repeat(LARGEST_HEAD - fields.len());
        let lines = [
            "GET /",
            "GET /other",
            "POST /?a",
            "GET http://b/",
            "BREW /",
            "CONNECT a:1",
            "GET  /",
            "GET /#",
            "GET /\0",
            "GET",
            "G@T /",
            "\r\nGET /",
            "\nGET /",
        ];
        let ends = ["1.0\r\n", "1.1\r\n", "1.1\n", "1.1\r\r\n", "2.0\r\n"];
        let with_ends = |line| ends.map(|end| format!("{line} HTTP/{end}{fields}hi"));
        let mut heads: Vec<String> = lines.into_iter().flat_map(with_ends).collect();
        let changed = ["b=2", "b=1; c", "b=1 ", "b=\0"].map(|cookie| fields.replace("b=1", cookie));
        let cut = ["", "Host: a\r\n\r\n", &fields[..fields.len() - 2], "Host: a\n\n", "Connection: close\r\n\r\n"]
            .map(str::to_owned);
        heads.extend(changed.into_iter().chain(cut).map(|fields| format!("GET / HTTP/1.1\r\n{fields}")));
        heads.extend([
            format!("GET /{} HTTP/1.1\r\n{fields}", &long[..long.len() - 15]),
            format!("GET /{long} HTTP/1.1\r\n{fields}"),
        ]);
        let read = |heads: &mut Heads, head: &str| {
            let mut received = Bytes::copy_from_slice(head.as_bytes());
            let read = heads.read(&mut received, 0, true).map(|head| {
                head.map(|Head { request, offer, said }| {
                    let (head, _) = request.into_parts();
                    ((head.method, head.uri, head.version, head.headers), offer.is_some(), said)
                })
            });
            (read, received)
        };
        for last in &heads {
            for head in &heads {
                let mut memory = Heads::default();
                for head in [last, last, last, head, head, head, last] {
                    assert_eq!(read(&mut memory, head), read(&mut Heads::default(), head), "{head:?} after {last:?}");
                }
            }
        }
    }

    #[test]
    fn fields_that_come_a_third_time_are_not_read_again_if_they_are_few() {
        let long = "x".repeat(REMEMBERED);
        let read = |heads: &mut Heads, cookie: &str, remembers| {
            let mut received = Bytes::from(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
            heads.read(&mut received, 0, remembers).expect("a head").expect("a whole one").request.headers().clone()
        };
        let mut heads = Heads::default();
        assert!(read(&mut heads, "1", true).clone_if_shared().is_none());
        let second = read(&mut heads, "1", true);
        assert!(read(&mut heads, "1", true).is_copy_of(&second) && read(&mut heads, "1", true).is_copy_of(&second));
        assert!(read(&mut heads, "1", false).clone_if_shared().is_none() && heads.last.is_none());
        for cookie in ["1", "2", "1", &long, &long, &long] {
            assert!(read(&mut heads, cookie, true).clone_if_shared().is_none(), "{cookie}");
        }
        assert!(heads.last.is_none());
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
            assert_eq!(whole(&format!("GET / {head}\r\n")).said.is_persistent, expected, "{head:?}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_told_in_one_way_or_never_comes() {
        let rows = [
            ("HTTP/1.1\r\n", Framing::Length(0)),
            ("HTTP/1.1\r\nContent-Length: 5\r\n", Framing::Length(5)),
            (
                "HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
                Framing::Chunked(crate::http1::framing::Chunked::of_request()),
            ),
            ("HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", Framing::Closed),
            ("HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", Framing::Closed),
            ("HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n", Framing::Closed),
            ("HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n", Framing::Closed),
        ];
        for (head, expected) in rows {
            assert_eq!(whole(&format!("POST / {head}\r\n")).said.framing, expected, "{head:?}");
        }
    }

    #[test]
    fn only_a_client_in_http_1_1_with_a_body_waits_to_go_on() {
        let waits = |version, fields| whole(&format!("POST / {version}\r\n{fields}\r\n")).said.waits_to_go_on;
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
        assert!(whole(&fields(MOST_FIELDS)).said.is_persistent && whole(&long(LARGEST_HEAD)).said.is_persistent);
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
            let refused = read_one(&mut Bytes::copy_from_slice(head.as_bytes()), 0).map(|head| head.is_some());
            assert_eq!(refused.map_err(|status| status.as_u16()), Err(expected), "{:?}", &head[..head.len().min(50)]);
        }
    }
}
