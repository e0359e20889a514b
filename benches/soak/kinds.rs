//! What people and their browsers do.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::tally::Tally;
use super::way::{Connection, Failed, Protocol, Way};

/// How often something is done on one connection.
const ON_ONE: usize = 50;
/// How large the large page is.
const LARGE: usize = 1 << 20;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Small pages, one after the other.
    Pages,
    /// A large page, read as fast as it comes.
    Large,
    /// The same, read slowly.
    Slow,
    /// Uploads of several sizes.
    Uploads,
    /// Answers and uploads that are given up in the middle.
    Aborted,
    /// A WebSocket; a page in HTTP/2, where `tests/proxy` has WebSockets.
    WebSocket,
    /// An event stream, read to its end.
    Events,
}

type Done = Result<(), Failed>;

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Pages, Self::Large, Self::Slow, Self::Uploads, Self::Aborted, Self::WebSocket, Self::Events];

    /// Does it on a connection of its own.
    pub(crate) async fn once(self, way: &Way, tally: &Tally) -> Done {
        match self {
            Self::Pages => pages(way, tally).await,
            Self::Large => large(way, tally, Duration::ZERO).await,
            Self::Slow => large(way, tally, Duration::from_millis(20)).await,
            Self::Uploads => uploads(way, tally).await,
            Self::Aborted => aborted(way, tally).await,
            Self::WebSocket if way.protocol == Protocol::Http2 => pages(way, tally).await,
            Self::WebSocket => websocket(way, tally).await,
            Self::Events => events(way, tally).await,
        }
    }
}

async fn get(connection: &mut Connection, way: &Way, path: &str, marker: &str) -> Result<Response<Incoming>, Failed> {
    Ok(connection.ask(way.request("GET", path, marker).body(Full::default())?).await?)
}

/// Whether the head of an answer is that of the request.
fn is_of(answer: &Response<Incoming>, marker: &str, tally: &Tally) -> Done {
    let carried = answer.headers().get("x-marker");
    if answer.status() != 200 {
        return Err(format!("{} {:?}", answer.status(), answer.headers().get("location")).into());
    }
    if carried.is_none_or(|carried| carried != marker) {
        tally.mixed(&format!("{carried:?} in place of {marker}"));
    }
    Ok(())
}

async fn pages(way: &Way, tally: &Tally) -> Done {
    let mut connection = way.connect().await?;
    for _ in 0..ON_ONE {
        let marker = tally.marker();
        let answer = get(&mut connection, way, "/echo", &marker).await?;
        is_of(&answer, &marker, tally)?;
        let body = answer.into_body().collect().await?.to_bytes();
        // Whom the dashboard took it for, and whom the gate called them.
        let expected = format!("{marker} {0} {0}", way.person());
        if body != expected.as_bytes() {
            tally.mixed(&format!("{body:?} in place of {expected}"));
        }
        tally.answered("page");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// `pause` is made after every piece of some size.
async fn large(way: &Way, tally: &Tally, pause: Duration) -> Done {
    let mut connection = way.connect().await?;
    let marker = tally.marker();
    let mut answer = get(&mut connection, way, "/1m", &marker).await?;
    is_of(&answer, &marker, tally)?;
    let mut length = 0;
    while let Some(frame) = answer.body_mut().frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len);
        sleep(pause).await;
    }
    if length != LARGE {
        return Err(format!("{length} bytes").into());
    }
    tally.answered(if pause.is_zero() { "large page" } else { "large page, slowly" });
    sleep(Duration::from_millis(20)).await;
    Ok(())
}

async fn uploads(way: &Way, tally: &Tally) -> Done {
    let mut connection = way.connect().await?;
    for size in [0, 1, 1000, 16_384, 100_000, 300_000] {
        let marker = tally.marker();
        let body: Vec<u8> = marker.bytes().cycle().take(size).collect();
        let expected = format!("{marker} {}", checksum(&body));
        let request = way.request("POST", "/upload", &marker).body(Full::from(body))?;
        let answer = connection.ask(request).await?;
        is_of(&answer, &marker, tally)?;
        let body = answer.into_body().collect().await?.to_bytes();
        if body != expected.as_bytes() {
            tally.mixed(&format!("{body:?} in place of {expected}"));
        }
        tally.answered("upload");
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// CRC-32, as Python's `zlib` has it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

/// Goes away in the middle: of an answer, and of an upload.
async fn aborted(way: &Way, tally: &Tally) -> Done {
    let mut connection = way.connect().await?;
    let marker = tally.marker();
    let mut answer = get(&mut connection, way, "/1m", &marker).await?;
    is_of(&answer, &marker, tally)?;
    answer.body_mut().frame().await.ok_or("no body")??;
    drop((answer, connection));
    tally.answered("aborted");
    if way.protocol != Protocol::Http2 {
        let mut stream = way.stream().await?;
        let head = format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n", way.cookies);
        stream.write_all(format!("{head}Content-Length: 100000\r\n\r\nbeginning").as_bytes()).await?;
        stream.flush().await?;
        drop(stream);
        tally.answered("aborted");
    }
    sleep(Duration::from_millis(20)).await;
    Ok(())
}

async fn websocket(way: &Way, tally: &Tally) -> Done {
    let mut stream = way.stream().await?;
    let origin = if way.protocol == Protocol::Http1 { "http" } else { "https" };
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\nOrigin: {origin}://localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        way.cookies
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(String::from_utf8_lossy(&head).into_owned().into());
    }
    for _ in 0..ON_ONE {
        let marker = tally.marker();
        let mut message = vec![0x81, 0x80 | u8::try_from(marker.len())?, 0, 0, 0, 0];
        message.extend_from_slice(marker.as_bytes());
        stream.write_all(&message).await?;
        stream.flush().await?;
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo).await?;
        if echo != message {
            tally.mixed(&format!("{} in place of {marker}", echo.escape_ascii()));
        }
        tally.answered("message");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn events(way: &Way, tally: &Tally) -> Done {
    let mut connection = way.connect().await?;
    let marker = tally.marker();
    let answer = get(&mut connection, way, "/events", &marker).await?;
    is_of(&answer, &marker, tally)?;
    let body = answer.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    let events: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    for (number, event) in events.iter().enumerate() {
        if *event != format!("{marker} {number}") {
            tally.mixed(&format!("{event} in place of {marker} {number}"));
        }
        tally.answered("event");
    }
    if events.len() == 40 { Ok(()) } else { Err(format!("{} events", events.len()).into()) }
}
