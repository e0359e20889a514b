//! What dashboards say in HTTP/1.1, and what is said to them.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as HttpBody, Bytes};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use super::{head, wire};
use crate::body::Body;
use crate::listener::framing;
use crate::message::{self, Fields};
use crate::upstream::{Pool, UpstreamError};

/// An answer that came as a whole, as it is read by somebody.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    status: u16,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

/// How the strict reading reads one.
struct Strict {
    heard: Heard,
    /// What becomes of the connection if nothing follows.
    after: After,
    /// Where it ends.
    end: usize,
    /// Whether that is told by the answer, and not by the end of the connection.
    has_end: bool,
    /// Whether there are fields after the body.
    has_trailers: bool,
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The next request may go over it.
    Reused,
    Closed,
}

/// How long the dashboard stays on the connection after everything was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dashboard {
    Stays,
    Leaves,
}

/// The first byte is the size of the pieces in which the rest arrives, after a request with `HEAD` if the second is odd,
/// and with `GET` if it is even.
///
/// The other readings: ours of all bytes at once; HTTP/1.1 as strict as RFC 9112 allows, which takes every answer that
/// ours takes, with the same end, so that what follows is nobody's answer, and no connection is used again on which
/// anything does; and the HTTP library's client.
pub(super) fn answer(bytes: &[u8]) {
    let [size, method, said @ ..] = bytes else { return };
    let size = usize::from(*size).max(1);
    let method = if method & 1 == 1 { Method::HEAD } else { Method::GET };
    let strict = strictly_read(said, &method);
    let dashboard = match &strict {
        Some(Strict { has_end: true, .. }) => Dashboard::Stays,
        Some(Strict { has_end: false, .. }) | None => Dashboard::Leaves,
    };
    let ours = read_by_us(said, size, &method, dashboard);
    assert_eq!(ours, read_by_us(said, said.len().max(1), &method, dashboard), "in pieces, and at once");

    match (ours, strict) {
        ((None, after), strict) => {
            assert_eq!(after, After::Closed, "after an answer that is none");
            let is_taken = strict.is_some_and(|strict| is_plain(&said[..strict.end]) && !strict.has_trailers);
            assert!(!is_taken, "was refused");
        }
        ((Some(_), _), None) => panic!("another server would refuse it"),
        ((Some(heard), after), Some(strict)) => {
            assert_eq!(heard, strict.heard, "another server reads something else");
            let expected = if strict.end == said.len() { strict.after } else { After::Closed };
            assert_eq!(after, expected, "after the answer");
            assert_eq!(Some(heard), read_by_library(said, &method, dashboard), "the library reads something else");
        }
    }
}

/// Whether ours has to take it: there is nothing in it that some take for the end of a line, or for a space, and others
/// don't, and no size of more digits than any has.
fn is_plain(answer: &[u8]) -> bool {
    let is_printed = answer.iter().enumerate().all(|(at, byte)| match byte {
        b'\r' => answer.get(at + 1) == Some(&b'\n'),
        b'\n' => at > 0 && answer[at - 1] == b'\r',
        byte => (b' '..=b'~').contains(byte),
    });
    is_printed && !answer.windows(17).any(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn strictly_read(mut said: &[u8], method: &Method) -> Option<Strict> {
    let all = said.len();
    loop {
        let mut room = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Response::new(&mut room);
        let httparse::Status::Complete(length) = head.parse(said).ok()? else { return None };
        said = &said[length..];
        let status = head.code.filter(|status| *status >= 100 && *status != 101)?;
        if status < 200 {
            continue;
        }
        let is_current = head.version == Some(1);
        let values = |name: HeaderName| {
            let fields = head.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name.as_str()));
            fields.map(|field| field.value).collect::<Vec<_>>()
        };
        let length = match values(CONTENT_LENGTH).as_slice() {
            [] => None,
            [length, others @ ..] if length.iter().all(u8::is_ascii_digit) && others.iter().all(|o| o == length) => {
                Some(str::from_utf8(length).ok()?.parse::<u64>().ok()?)
            }
            _ => return None,
        };
        let is_chunked = match values(TRANSFER_ENCODING).as_slice() {
            [] => false,
            [coding] if coding.eq_ignore_ascii_case(b"chunked") && is_current && length.is_none() => true,
            _ => return None,
        };
        let is_bodiless = method == Method::HEAD || [204, 304].contains(&status);
        let (body, taken, trailers) = match length.map(usize::try_from) {
            _ if is_bodiless => (Vec::new(), 0, 0),
            Some(length) => (said.get(..length.ok()?)?.to_vec(), length.ok()?, 0),
            None if is_chunked => wire::chunks(said)?,
            None => (said.to_vec(), said.len(), 0),
        };
        let closes = |value: &[u8]| value.split(|b| *b == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(b"close"));
        let has_end = is_bodiless || is_chunked || length.is_some();
        // A body that must not follow, and may: to `HEAD`, or where the head speaks of one.
        let is_over = !is_bodiless || method != Method::HEAD && length.unwrap_or_default() == 0 && !is_chunked;
        let goes_on = is_current && has_end && is_over && !values(CONNECTION).into_iter().any(closes);
        let after = if goes_on { After::Reused } else { After::Closed };
        let fields = head.headers.iter().map(|field| {
            let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(field.value).ok()?))
        });
        let fields = in_order(fields.collect::<Option<_>>()?);
        let end = all - said.len() + taken;
        return Some(Strict { heard: Heard { status, fields, body }, after, end, has_end, has_trailers: trailers > 0 });
    }
}

/// Those of the same name in the order in which they came.
fn in_order(mut fields: Vec<(HeaderName, HeaderValue)>) -> Vec<(HeaderName, HeaderValue)> {
    fields.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    fields
}

fn read_by_us(said: &[u8], size: usize, method: &Method, dashboard: Dashboard) -> (Option<Heard>, After) {
    runtime().block_on(async {
        let (near, far) = duplex(size);
        let pool = Pool::of_one(near);
        tokio::spawn(say(far, said.to_vec(), dashboard));
        let request = Request::builder().method(method).uri("/").header(HOST, "a").body(Body::empty());
        let heard = match pool.ask(request.expect("a request").into()).await {
            Ok(answer) => heard(answer.into()).await,
            Err(_) => None,
        };
        // What is still to be said is said.
        for _ in 0..4 {
            yield_now().await;
        }
        (heard, if pool.would_reuse() { After::Reused } else { After::Closed })
    })
}

fn read_by_library(said: &[u8], method: &Method, dashboard: Dashboard) -> Option<Heard> {
    runtime().block_on(async {
        let (near, far) = duplex(said.len().max(1));
        tokio::spawn(say(far, said.to_vec(), dashboard));
        let (mut client, connection) = http1::handshake(TokioIo::new(near)).await.ok()?;
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri("/").header(HOST, "a").body(Empty::<Bytes>::new());
        heard(client.send_request(request.expect("a request")).await.ok()?).await
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// A dashboard that reads a request, and says this.
async fn say(mut stream: DuplexStream, said: Vec<u8>, dashboard: Dashboard) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        stream.read_buf(&mut asked).await.expect("a request");
    }
    // Whoever has read enough goes away.
    let _ = stream.write_all(&said).await;
    if dashboard == Dashboard::Stays {
        std::future::pending::<()>().await;
    }
}

async fn heard<B: HttpBody<Data = Bytes>>(answer: Response<B>) -> Option<Heard> {
    let (head, body) = answer.into_parts();
    let collected = body.collect().await.ok()?;
    let fields = head.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let status = head.status.as_u16();
    Some(Heard { status, fields: in_order(fields), body: collected.to_bytes().to_vec() })
}

/// A head as in `request_head`, an empty line, and a body.
///
/// The other reading: a dashboard's, of what the listener takes and we write. It is that request and nothing more; of a
/// body that is not as long as its head says, nothing is written at all.
pub(super) fn outgoing_request(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let body = bytes.get(end + 2..).unwrap_or_default();
    let Some(mut head) = head::head(&bytes[..end]) else { return };
    if framing::check(&mut head).is_err() {
        return;
    }
    head.extensions.clear();
    head.version = Version::default();
    let request = message::Request::from_parts(head.clone(), Body::own(body.to_vec()));
    let (written, answer) = runtime().block_on(async {
        let (near, far) = duplex(1024);
        let pool = Pool::of_one(near);
        let listening = tokio::spawn(listen(far));
        let answer = pool.ask(request).await.map(drop);
        drop(pool);
        (listening.await.expect("no panic"), answer)
    });
    let said = head.headers.get(CONTENT_LENGTH).map(|length| length.to_str()?.parse::<usize>().ok());
    if said.is_some_and(|length| length != Some(body.len())) {
        assert!(matches!(answer, Err(UpstreamError::Upload(_))) && written.is_empty(), "{}", written.escape_ascii());
        return;
    }

    let mut room = vec![httparse::EMPTY_HEADER; head.headers.len() + 1];
    let mut read = httparse::Request::new(&mut room);
    let Ok(httparse::Status::Complete(length)) = read.parse(&written) else { panic!("{}", written.escape_ascii()) };
    let target = head.uri.to_string();
    assert_eq!((read.method, read.path), (Some(head.method.as_str()), Some(target.as_str())));
    let mut headers = Fields::new();
    for field in read.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_bytes(field.value).expect("a value"));
    }
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    if said.is_none() && !is_chunked && !body.is_empty() {
        assert_eq!(headers.get(CONTENT_LENGTH).expect("a length"), body.len().to_string().as_str());
        headers.remove(CONTENT_LENGTH);
    }
    assert_eq!(headers, head.headers);
    let after = &written[length..];
    let whole = if is_chunked { wire::chunks(after) } else { Some((after.to_vec(), after.len(), 0)) };
    assert_eq!(whole, Some((body.to_vec(), after.len(), 0)), "the body, and nothing more");
    answer.expect("an answer");
}

/// All that is said before an answer comes, which does once there is nothing more to read.
async fn listen(mut stream: DuplexStream) -> Vec<u8> {
    let mut written = Vec::new();
    let mut quiet = 0;
    while quiet < 4 {
        tokio::select! {
            biased;
            read = stream.read_buf(&mut written) => match read {
                Ok(1..) => quiet = 0,
                Ok(0) | Err(_) => return written,
            },
            () = yield_now() => quiet += 1,
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    while stream.read_buf(&mut written).await.is_ok_and(|count| count > 0) {}
    written
}
