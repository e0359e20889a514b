//! Requests in HTTP/2 that no client library would send, as frames.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::http2::arrived;
use super::support::{World, soon};
use super::tls::NAME;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `PROTOCOL_ERROR` (RFC 9113, section 7).
const PROTOCOL_ERROR: u32 = 1;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head in which every field is written out (RFC 7541, section 6.2.2).
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

pub(crate) fn request(path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", NAME), (":path", path)];
    head(&[&pseudo, fields].concat())
}

/// What the gateway says to a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// An answer with this status; of those that are written in one byte.
    Answer(u16),
    Reset(u32),
    /// And to all streams of the connection.
    GoAway(u32),
}

pub(crate) struct Client {
    pub(crate) world: World,
    pub(crate) stream: TlsStream<TcpStream>,
}

impl Client {
    pub(crate) async fn new() -> Self {
        let (world, mut stream) = arrived(&["h2"]).await;
        let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(SETTINGS, 0, 0, &[]).as_slice()].concat();
        soon(stream.write_all(&hello)).await.expect("the gateway listens");
        Self { world, stream }
    }

    pub(crate) async fn say(&mut self, frames: &[Vec<u8>]) {
        soon(self.stream.write_all(&frames.concat())).await.expect("the gateway listens");
    }

    /// What is said to that stream.
    pub(crate) async fn said(&mut self, stream: u32) -> Said {
        loop {
            let mut start = [0; 9];
            soon(self.stream.read_exact(&mut start)).await.expect("a frame");
            let mut payload = vec![0; usize::from(start[1]) << 8 | usize::from(start[2])];
            soon(self.stream.read_exact(&mut payload)).await.expect("a frame");
            let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
            match start[3] {
                GOAWAY => return Said::GoAway(number(&payload[4..8])),
                HEADERS if number(&start[5..]) == stream => return Said::Answer(status(&payload)),
                RST_STREAM if number(&start[5..]) == stream => return Said::Reset(number(&payload)),
                _ => {}
            }
        }
    }
}

/// Those that have a number of their own (RFC 7541, appendix A), and what is written out plainly.
fn status(block: &[u8]) -> u16 {
    match block[0] & 0x7f {
        8 => 200,
        9 => 204,
        12 => 400,
        13 => 404,
        14 => 500,
        other => panic!("a status that is not written in one byte: {other}"),
    }
}

/// What is said to a request with a body; and that nothing of it reached the dashboard.
async fn refused(block: &[u8], body: &str) -> Said {
    let mut client = Client::new().await;
    client.say(&[frame(HEADERS, END_HEADERS, 1, block), frame(DATA, END_STREAM, 1, body.as_bytes())]).await;
    let said = client.said(1).await;
    if !matches!(said, Said::GoAway(_)) {
        let next = head(&[(":method", "GET"), (":scheme", "https"), (":authority", NAME), (":path", "/next")]);
        client.say(&[frame(HEADERS, END_HEADERS | END_STREAM, 3, &next)]).await;
        assert!(client.world.origin.accept().await.head().await.starts_with("GET /next "), "nothing arrived before");
    }
    said
}

#[tokio::test]
async fn fields_that_http_2_does_not_have_end_their_request_and_no_other() {
    let rows = [
        ("connection", "close"),
        ("connection", "x-vestibule-user"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        (":path", "/again"),
        (":status", "200"),
        (":protocol", "websocket"),
    ];
    for field in rows {
        assert_eq!(refused(&request("/", &[field]), "").await, Said::Reset(PROTOCOL_ERROR), "{field:?}");
    }
}

/// The library stops reading a head where something is no field at all. What the rest of it would have added to the table
/// that all heads of the connection refer to (RFC 7541, section 2.3.2) is not known then, and so no head after it.
#[tokio::test]
async fn what_is_no_field_at_all_ends_the_connection() {
    let rows = [("X-Upper", "x"), ("x y", "x"), ("x:", "x"), ("", "x"), ("x\r\ny", "x"), (":unknown", "x")];
    let values = [("x", "a\r\nb: c"), ("x", "a\nb"), ("x", "a\0b")];
    for field in rows.into_iter().chain(values) {
        let said = refused(&request("/", &[field]), "").await;
        assert!(matches!(said, Said::GoAway(_)), "{field:?}: {said:?}");
    }
}

#[tokio::test]
async fn what_the_library_lets_through_is_answered_with_400() {
    let other = "other.example";
    let rows: &[&[(&str, &str)]] = &[
        &[("host", other)],
        &[("host", NAME), ("host", NAME)],
        &[("x", " padded")],
        &[("x", "padded\t")],
        &[("content-length", "0"), ("content-length", "0")],
    ];
    for fields in rows {
        assert_eq!(refused(&request("/", fields), "").await, Said::Answer(400), "{fields:?}");
    }
    for path in ["*", "/a\\b", "/ä"] {
        let said = refused(&request(path, &[]), "").await;
        assert!(matches!(said, Said::Answer(400) | Said::Reset(PROTOCOL_ERROR)), "{path}: {said:?}");
    }
}

#[tokio::test]
async fn a_head_without_what_every_request_has_is_refused() {
    let (method, scheme, authority, path) =
        ((":method", "GET"), (":scheme", "https"), (":authority", NAME), (":path", "/"));
    let rows: &[&[(&str, &str)]] = &[
        &[scheme, authority, path],
        &[method, authority, path],
        &[method, scheme, authority],
        &[method, scheme, path],
        &[method, scheme, authority, (":path", "")],
        &[method, scheme, (":authority", ""), path],
        &[method, scheme, (":authority", "user@insights.acme.example"), path],
        &[method, scheme, (":authority", "a b"), path],
        &[method, (":scheme", "ftp"), authority, path],
        &[method, scheme, authority, ("x", "y"), path],
    ];
    for fields in rows {
        let said = refused(&head(fields), "").await;
        assert!(matches!(said, Said::Answer(400) | Said::Reset(PROTOCOL_ERROR)), "{fields:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_length_that_is_not_that_of_the_body_is_refused() {
    for length in ["", "-1", "+2", "x", "2, 2", "99999999999999999999"] {
        let said = refused(&request("/", &[("content-length", length)]), "hi").await;
        assert!(matches!(said, Said::Answer(400) | Said::Reset(PROTOCOL_ERROR)), "{length:?}: {said:?}");
    }
    let mut client = Client::new().await;
    let block = request("/", &[("content-length", "5")]);
    client.say(&[frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)]).await;
    assert_eq!(client.said(1).await, Said::Reset(PROTOCOL_ERROR), "none at all");
    for (body, arrives) in [("four", "four"), ("six!!!", "")] {
        let mut client = Client::new().await;
        client.say(&[frame(HEADERS, END_HEADERS, 1, &block)]).await;
        let mut origin = client.world.origin.accept().await;
        origin.head().await;
        client.say(&[frame(DATA, END_STREAM, 1, body.as_bytes())]).await;
        assert_eq!(client.said(1).await, Said::Reset(PROTOCOL_ERROR), "{body}");
        assert!(arrives.starts_with(&origin.rest().await), "never as many as the length says");
    }
}

#[tokio::test]
async fn what_follows_a_number_sign_is_in_nobodys_target() {
    for (sent, target) in [("/a#/../b", "/a"), ("#/../b", "/")] {
        let mut client = Client::new().await;
        client.say(&[frame(HEADERS, END_HEADERS | END_STREAM, 1, &request(sent, &[]))]).await;
        let head = client.world.origin.accept().await.head().await;
        assert!(head.starts_with(&format!("POST {target} HTTP/1.1\r\n")), "{sent}: {head}");
    }
}

#[tokio::test]
async fn http_1_on_a_connection_for_http_2_ends_it() {
    let (_world, mut stream) = arrived(&["h2"]).await;
    soon(stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await.expect("the gateway listens");
    let mut said = Vec::new();
    drop(soon(stream.read_to_end(&mut said)).await);
    assert!(!said.starts_with(b"HTTP/1.1"), "{said:?}");
}
