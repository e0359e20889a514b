//! A dashboard that answers in every way there is, below `/open/`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::pattern::Pattern;

/// How large the page is, and what ranges are of.
pub(crate) const PAGE: u64 = 10_000;

/// Starts one, for as long as the test's runtime is there.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever goes away in the middle is not the dashboard's concern.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    address
}

/// Starts one that answers with trailers, whether they are asked for or not; no library does.
pub(crate) async fn start_with_trailers() -> SocketAddr {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        4\r\nbody\r\n0\r\nX-Checksum: abc\r\nContent-Length: 5\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        stream.write_all(ANSWER.as_bytes()).await.expect("written");
                    }
                }
            });
        }
    });
    address
}

/// So many bytes of the pattern.
struct Answer {
    pattern: Pattern,
    end: u64,
}

impl Answer {
    fn of(range: std::ops::Range<u64>) -> Self {
        Self { pattern: Pattern(range.start), end: range.end }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let left = self.end - self.pattern.0;
        Poll::Ready((left > 0).then(|| Ok(Frame::data(self.pattern.next(left)))))
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix("/open/").unwrap_or_default().to_owned();
    let (name, number) = path.split_once('/').unwrap_or((&path, ""));
    let number = number.parse().unwrap_or(0);
    let mut response = match (&head.method, name) {
        (&Method::POST | &Method::PUT, _) => return upload(head.headers, body).await,
        (_, "page") => page(&head.headers),
        (_, "status") => with_status(u16::try_from(number).expect("a status")),
        (_, "large") => with_length(Answer::of(0..number)),
        (_, "fields") => fields(&head.headers, usize::try_from(number).expect("a size")),
        _ => with_status(404),
    };
    response.headers_mut().insert(ETAG, HeaderValue::from_static("\"1\""));
    Ok(response)
}

/// Says how long the body was, if it was the pattern from its beginning, and whether trailers came.
async fn upload(headers: HeaderMap, mut body: Incoming) -> Result<Response<Answer>, hyper::Error> {
    let mut pattern = Pattern::default();
    let mut trailers = 0;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => pattern.is_continued_by(&data),
            Err(_) => trailers += 1,
        }
    }
    let mut response = Response::new(Answer::of(0..0));
    let said = format!("{} bytes, {trailers} trailers, {}", pattern.0, headers.contains_key("expect"));
    response.headers_mut().insert("x-read", HeaderValue::try_from(said).expect("a value"));
    Ok(response)
}

fn page(headers: &HeaderMap) -> Response<Answer> {
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let Some((start, last)) = range else { return with_length(Answer::of(0..PAGE)) };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let (start, end) = (number(start), number(last) + 1);
    if end > PAGE {
        return with_status(416);
    }
    let mut response = with_length(Answer::of(start..end));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let said = format!("bytes {start}-{last}/{PAGE}");
    response.headers_mut().insert(CONTENT_RANGE, HeaderValue::try_from(said).expect("a value"));
    response
}

fn with_length(answer: Answer) -> Response<Answer> {
    let length = answer.end - answer.pattern.0;
    let mut response = Response::new(answer);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

fn with_status(status: u16) -> Response<Answer> {
    let mut response = Response::new(Answer::of(0..0));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// A field of that size, and another that says how large the request's was.
fn fields(headers: &HeaderMap, size: usize) -> Response<Answer> {
    let mut response = with_status(200);
    let read = headers.get("x-large").map_or(0, HeaderValue::len);
    response.headers_mut().insert("x-read", read.into());
    response.headers_mut().insert("x-large", HeaderValue::try_from("y".repeat(size)).expect("a value"));
    response
}
