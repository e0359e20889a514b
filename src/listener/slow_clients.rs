//! Clients that send or take so little at a time that they hold a connection for its own sake: tests, since only there
//! minutes pass at once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::connection::attend;
use super::worker::{Entrance, Room, Worker};
use super::{Accepted, Door, Incoming, attend_one};
use crate::body::{ANSWER_STRETCH, Body, BodyError, UPLOAD_STRETCH};
use crate::identity::client::{Arrival, Peer};
use crate::message::{Request, Response};

const SECOND: Duration = Duration::from_secs(1);

/// How large every answer is, and every upload.
const LARGE: usize = 60_000;

/// Reads what it is sent, and says how that went; answers with much, to `/later` after a long while.
struct Thorough;

impl Door for Thorough {
    type Memory = ();

    async fn answer(&self, request: Box<Request<Incoming>>, _arrival: Arrival, (): &()) -> Response<Body> {
        if request.uri().path() == "/later" {
            sleep(10 * ANSWER_STRETCH).await;
        }
        let mut response = Response::new(Body::own(vec![b'x'; LARGE]));
        match Body::client(request.into_parts().1).collect().await {
            Ok(_) => {}
            Err(BodyError::Stalled) => *response.status_mut() = StatusCode::REQUEST_TIMEOUT,
            Err(other) => panic!("{other}"),
        }
        response
    }
}

async fn connected(entrance: Entrance) -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(256);
    let room = Room { seats: 1, ..Room::default() };
    let worker = Worker::new(Arc::new(Thorough), entrance, &CancellationToken::new(), room);
    let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
    (client, tokio::spawn(attend(worker, server, Peer::Unix, permit)))
}

/// The answer to an upload of which so many bytes come each second, and after how many seconds it came.
async fn uploaded(each_second: usize) -> (String, u64) {
    let (client, _served) = connected(Entrance::Http1).await;
    let (mut down, mut up) = tokio::io::split(client);
    let started = Instant::now();
    tokio::spawn(async move {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n");
        up.write_all(head.as_bytes()).await.expect("written");
        let mut left = LARGE;
        while left > 0 {
            let piece = left.min(each_second);
            if up.write_all(&vec![b'x'; piece]).await.is_err() {
                return;
            }
            left -= piece;
            sleep(SECOND).await;
        }
    });
    let mut line = [0; 12];
    down.read_exact(&mut line).await.expect("an answer");
    (String::from_utf8_lossy(&line).into_owned(), started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_trickles_is_given_up_and_a_slow_one_is_not() {
    for trickle in [1, 100, 239] {
        let (status, seconds) = uploaded(trickle).await;
        assert_eq!((status.as_str(), seconds), ("HTTP/1.1 408", UPLOAD_STRETCH.as_secs()), "{trickle} bytes a second");
    }
    let (status, seconds) = uploaded(300).await;
    assert_eq!((status.as_str(), seconds), ("HTTP/1.1 200", (LARGE as u64).div_ceil(300) - 1));
}

/// How much of an answer a client gets that reads so many bytes each second, and after how many seconds it is over.
async fn taken(each_second: usize) -> (usize, u64) {
    let (mut client, served) = connected(Entrance::Http1).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.expect("written");
    let (started, mut all, mut piece) = (Instant::now(), 0, vec![0; each_second]);
    while !served.is_finished() {
        all += client.read(&mut piece).await.expect("read");
        sleep(SECOND).await;
    }
    let over = started.elapsed().as_secs();
    let mut rest = Vec::new();
    all += client.read_to_end(&mut rest).await.expect("read");
    (all, over)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_by_the_byte_is_cut_off_and_one_that_is_taken_slowly_is_not() {
    for trickle in [1, 100] {
        let (all, seconds) = taken(trickle).await;
        assert!(all < LARGE, "{trickle} bytes a second: {all}");
        assert!((ANSWER_STRETCH.as_secs()..=2 * ANSWER_STRETCH.as_secs()).contains(&seconds), "{seconds}");
    }
    let (all, seconds) = taken(256).await;
    assert!(all > LARGE && seconds >= 230, "{all} bytes in {seconds} s");
}

/// A layer that takes all it is given, as TLS takes some, and sends it on when it is told to.
struct Layer {
    below: DuplexStream,
    kept: Vec<u8>,
}

impl Accepted for Layer {}

impl AsyncRead for Layer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_read(cx, buf)
    }
}

impl AsyncWrite for Layer {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { below, kept } = &mut *self;
        while !kept.is_empty() {
            let written = ready!(Pin::new(&mut *below).poll_write(cx, kept))?;
            kept.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_has_taken_an_answer_does_not_hide_that_the_client_takes_none() {
    let (mut client, below) = duplex(256);
    let served = tokio::spawn(attend_one(Arc::new(Thorough), Layer { below, kept: Vec::new() }));
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    let started = Instant::now();
    served.await.expect("no panic");
    let over = started.elapsed().as_secs();
    assert!((ANSWER_STRETCH.as_secs()..=2 * ANSWER_STRETCH.as_secs() + 2).contains(&over), "{over}");
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_too_slow_while_the_dashboard_is() {
    let (mut client, _served) = connected(Entrance::Http1).await;
    client.write_all(b"GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("read");
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() > LARGE);
}

/// Reads an answer in HTTP/2 with a window of so many bytes, which it frees each second. How much that is in the end, and after
/// how many seconds.
async fn taken_in_http2(window: usize) -> (usize, u64) {
    let (stream, _served) = connected(Entrance::Either).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(u32::try_from(window).expect("small"));
    let (mut client, connection) = builder.handshake::<_, bytes::Bytes>(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::get("http://a/").body(()).expect("a request");
    let (answer, _) = client.send_request(request, true).expect("sent");
    let (started, mut all) = (Instant::now(), 0);
    let mut body = answer.await.expect("an answer").into_body();
    while let Some(Ok(piece)) = body.data().await {
        all += piece.len();
        sleep(SECOND).await;
        body.flow_control().release_capacity(piece.len()).expect("taken");
    }
    (all, started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn that_holds_for_each_stream_in_http_2() {
    let (all, seconds) = taken_in_http2(100).await;
    assert!(all < LARGE, "{all}");
    assert!((ANSWER_STRETCH.as_secs()..=2 * ANSWER_STRETCH.as_secs()).contains(&seconds), "{seconds}");
    let (all, seconds) = taken_in_http2(400).await;
    assert!(all == LARGE && seconds >= ANSWER_STRETCH.as_secs(), "{all} bytes in {seconds} s");
}
