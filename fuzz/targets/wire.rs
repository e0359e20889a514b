//! What comes over a connection before there is a head to look at.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as HttpBody, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Builder;

use crate::body::Body;
use crate::identity::client::Arrival;
use crate::listener::preface::{Begun, PREFACE};
use crate::listener::{self, Door, framing, proxy_header};
use crate::message;

/// The first byte is the size of the pieces in which the rest arrives.
///
/// The other readings: HTTP/1.1 as strict as RFC 9112 allows, and the HTTP library's server. Whatever is answered as a
/// request is one to both, with the same end; and what comes in pieces is what comes at once.
pub(super) fn requests(bytes: &[u8]) {
    let Some((&size, sent)) = bytes.split_first() else { return };
    let heard = heard(sent, usize::from(size).max(1));
    assert_eq!(heard, self::heard(sent, sent.len().max(1)), "in pieces, and at once");
    let (strict, library) = (strictly_read(sent), read_by_library(sent));
    for (number, heard) in heard.iter().enumerate() {
        assert_eq!(Some(heard), strict.get(number), "request {number}, of which another server reads something else");
        // It gives the last one up if the client's end comes with it.
        let read = library.get(number).unwrap_or(heard);
        assert_eq!(heard, read, "request {number}, of which the library reads something else");
    }
}

/// A request, as it is read by somebody.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    method: String,
    target: String,
    body: Vec<u8>,
}

/// The requests up to the first that is anything but clear.
fn strictly_read(mut sent: &[u8]) -> Vec<Heard> {
    let mut heard = Vec::new();
    while let Some((request, length)) = strictly_read_one(sent) {
        heard.push(request);
        sent = &sent[length..];
    }
    heard
}

fn strictly_read_one(sent: &[u8]) -> Option<(Heard, usize)> {
    let mut room = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Request::new(&mut room);
    let httparse::Status::Complete(length) = head.parse(sent).ok()? else { return None };
    let values = |name: &str| {
        let fields = head.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value).collect::<Vec<_>>()
    };
    let target = head.path?;
    let after = &sent[length..];
    let (body, taken) = match (values("content-length").as_slice(), values("transfer-encoding").as_slice()) {
        ([], []) => (Vec::new(), 0),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length: usize = str::from_utf8(length).ok()?.parse().ok()?;
            (after.get(..length)?.to_vec(), length)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && head.version == Some(1) => {
            let (body, taken, _) = chunks(after)?;
            (body, taken)
        }
        _ => return None,
    };
    let method = head.method?;
    (!target.contains('#')).then_some(())?;
    Some((Heard { method: method.to_owned(), target: origin_form(target), body }, length + taken))
}

/// A body in chunks, how long it is with them and with the fields after them, and how much of that the fields are.
pub(super) fn chunks(sent: &[u8]) -> Option<(Vec<u8>, usize, usize)> {
    let (mut body, mut rest) = (Vec::new(), sent);
    loop {
        let (line, after) = line(rest)?;
        let size = line.split(|&byte| byte == b';').next()?.trim_ascii_end();
        let digits = !size.is_empty() && size.iter().all(u8::is_ascii_hexdigit);
        let size = usize::from_str_radix(str::from_utf8(size).ok().filter(|_| digits)?, 16).ok()?;
        if size == 0 {
            rest = after;
            break;
        }
        body.extend_from_slice(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let fields = rest;
    loop {
        let (line, after) = line(rest)?;
        rest = after;
        if line.is_empty() {
            return Some((body, sent.len() - rest.len(), fields.len() - rest.len() - 2));
        }
    }
}

/// A line and what follows its CRLF.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    (!bytes[..end].contains(&b'\n')).then(|| (&bytes[..end], &bytes[end + 2..]))
}

fn origin_form(target: &str) -> String {
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    match rest.find(['/', '?']) {
        Some(start) if rest[start..].starts_with('/') => rest[start..].to_owned(),
        Some(start) => format!("/{}", &rest[start..]),
        None => "/".to_owned(),
    }
}

/// What the listener answers as a request, as far as its body comes whole.
fn heard(sent: &[u8], size: usize) -> Vec<Heard> {
    let ears = Arc::new(Ears::default());
    let stream = Pieces { sent: sent.to_vec(), at: 0, size };
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(listener::attend_one(Arc::clone(&ears), stream));
    std::mem::take(&mut *ears.0.lock().expect("no panic"))
}

/// Answers every request that passes the check, and remembers it if it came whole.
#[derive(Default)]
struct Ears(Mutex<Vec<Heard>>);

impl Door for Ears {
    type Memory = ();

    async fn answer(
        &self,
        request: Box<message::Request<listener::Incoming>>,
        _arrival: Arrival,
        (): &(),
    ) -> message::Response<Body> {
        hear(*request, Body::empty(), |heard| self.0.lock().expect("no panic").push(heard)).await
    }
}

/// Tells of a request that passes the check, if its body comes whole, and answers it without a body. Others are the last on
/// their connection.
async fn hear<B: HttpBody, N>(
    request: message::Request<B>,
    nothing: N,
    tell: impl FnOnce(Heard),
) -> message::Response<N> {
    let (mut head, body) = request.into_parts();
    let mut response = message::Response::new(nothing);
    if framing::check(&mut head).is_err() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    } else if let Ok(body) = body.collect().await {
        let (method, target) = (head.method.to_string(), head.uri.to_string());
        tell(Heard { method, target, body: body.to_bytes().to_vec() });
    }
    response
}

/// What the HTTP library's server reads, and [`framing::check`] lets through, as far as bodies come whole.
fn read_by_library(sent: &[u8]) -> Vec<Heard> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let heard = Rc::clone(&heard);
        async move {
            let tell = |request| heard.borrow_mut().push(request);
            Ok::<_, Infallible>(Response::from(hear(request.into(), Empty::<Bytes>::new(), tell).await))
        }
    });
    let stream = Pieces { sent: sent.to_vec(), at: 0, size: sent.len().max(1) };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(64 * 1024).max_header_size(64 * 1024);
    // How it ends is nobody's concern: what was heard is.
    let _ = to_its_end(builder.serve_connection(TokioIo::new(stream), service));
    heard.take()
}

/// A client that says this piece by piece, then nothing more, and takes whatever it is told.
struct Pieces {
    sent: Vec<u8>,
    at: usize,
    size: usize,
}

impl listener::Accepted for Pieces {}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let end = this.sent.len().min(this.at + this.size.min(buf.remaining()));
        buf.put_slice(&this.sent[this.at..end]);
        this.at = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs what never waits for anything but itself.
pub(super) fn to_its_end<T>(work: impl Future<Output = T>) -> T {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut work = pin!(work);
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
    }
    panic!("it waits for something that never comes");
}

/// The first byte is the size of the pieces. The other reading: the 24 bytes are there, or not; and none is lost.
pub(super) fn preface(bytes: &[u8]) {
    let Some((&size, sent)) = bytes.split_first() else { return };
    let mut stream = Pieces { sent: sent.to_vec(), at: 0, size: usize::from(size).max(1) };
    let begun = to_its_end(Begun::read(&mut stream)).expect("read");
    assert_eq!(begun.is_http2(), sent.starts_with(PREFACE));
    assert_eq!(begun.bytes(), &sent[..stream.at], "what was read is remembered");
}

/// The other reading: the words of version 1 and the octets of version 2, taken from the bytes by their places.
pub(super) fn proxy_header(bytes: &[u8]) {
    let mut rest = bytes;
    let Ok(named) = to_its_end(proxy_header::read(&mut rest)) else { return };
    let header = &bytes[..bytes.len() - rest.len()];
    if header.starts_with(b"PROXY") {
        let text = str::from_utf8(header).expect("text").strip_suffix("\r\n").expect("a whole line");
        assert!(header.len() <= 107 && !text.contains(['\r', '\n']));
        let words: Vec<&str> = text.split(' ').collect();
        match named {
            Some(client) => {
                let [_, _, source, destination, from, to] = words.as_slice() else { panic!("{words:?}") };
                let addresses = [source, destination].map(|word| word.parse::<IpAddr>().expect("an address"));
                assert_eq!(addresses[0].to_canonical(), client);
                assert_eq!(addresses[0].is_ipv4(), addresses[1].is_ipv4());
                assert_eq!(addresses[0].is_ipv4(), words[1] == "TCP4");
                assert!([from, to].iter().all(|port| port.parse::<u16>().is_ok()));
            }
            None => assert_eq!(words[1], "UNKNOWN"),
        }
    } else {
        assert_eq!(&header[..12], b"\r\n\r\n\0\r\nQUIT\n");
        assert_eq!(header.len(), 16 + usize::from(header[14]) * 256 + usize::from(header[15]));
        let octets: Option<IpAddr> = match &header[12..14] {
            [0x21, 0x11] => header.get(16..20).map(|octets| <[u8; 4]>::try_from(octets).expect("four").into()),
            [0x21, 0x21] => header.get(16..32).map(|octets| <[u8; 16]>::try_from(octets).expect("16").into()),
            [0x20, _] | [0x21, 0] => None,
            other => panic!("{other:?} says nothing of a client"),
        };
        assert_eq!(named, octets.map(|address| address.to_canonical()));
    }
    for end in 0..header.len() {
        assert!(to_its_end(proxy_header::read(&mut &header[..end])).is_err(), "cut off after {end}");
    }
}
