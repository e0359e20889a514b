//! An answer as it is written (RFC 9112, sections 4 to 7).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes};
use http::header::TRAILER;
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use super::head::Head;
use crate::body::{Body, BodyError};
use crate::http1::framing::{Coding, Written};
use crate::http1::{Writer, fields};
use crate::listener::date::Dates;
use crate::message::{Response, ResponseHead, Value, has_no_body};
use crate::tokens::has_token;

/// What a head takes with a small body, unless either is a large one.
const USUAL: usize = 2 * 1024;

/// How much is written in one piece, rather than piece by piece as it comes.
const AT_ONCE: usize = 16 * 1024;

/// How the answer to one request is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing {
    version: Version,
    is_to_head: bool,
    takes_trailers: bool,
    /// Whether the connection stays open after it.
    pub(super) is_persistent: bool,
}

impl Outgoing {
    /// To that request.
    pub(super) fn to(head: &Head) -> Self {
        Self {
            version: head.request.version(),
            is_to_head: head.request.method() == Method::HEAD,
            takes_trailers: head.said.takes_trailers,
            is_persistent: head.said.is_persistent,
        }
    }

    /// To one that can't be read: the last on its connection.
    pub(super) const fn to_malformed() -> Self {
        Self { version: Version::HTTP_11, is_to_head: false, takes_trailers: false, is_persistent: false }
    }

    /// The answer as it is sent, after what comes before it.
    pub(super) fn answer(
        mut self,
        mut bytes: Vec<u8>,
        answer: Response<Body>,
        dates: &Dates,
    ) -> Result<Sending, BodyError> {
        let (head, body) = answer.into_parts();
        let coding = self.write_head(&head, &body, dates, &mut bytes)?;
        let end = if self.has_body(head.status) { None } else { Some(Ok(())) };
        let (written, piece) = (0, None);
        Ok(Sending { bytes, written, piece, body, coding, end, outgoing: self })
    }

    const fn has_body(self, status: StatusCode) -> bool {
        !self.is_to_head && !has_no_body(status)
    }

    /// Writes the head, and says how the body is to be written.
    fn write_head(
        &mut self,
        head: &ResponseHead,
        body: &Body,
        dates: &Dates,
        bytes: &mut Vec<u8>,
    ) -> Result<Coding, BodyError> {
        bytes.reserve(USUAL);
        self.write_status(head.status, bytes);
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let (mut said, mut is_dated, mut has_trailers) = (None, false, false);
        for (name, value) in head.headers.iter() {
            match &*name {
                "content-length" => said = Some(value),
                "connection" if !switches => self.is_persistent &= !has_token(value, b"close"),
                "trailer" => has_trailers = true,
                "transfer-encoding" => {}
                _ => {
                    is_dated |= &*name == "date";
                    fields::write_one(bytes, &name, value.as_bytes());
                }
            }
        }
        let coding = self.write_length(head.status, said, body, bytes)?;
        if has_trailers && coding == Coding::Chunked {
            for value in head.headers.get_all(TRAILER) {
                fields::write_one(bytes, "trailer", value.as_bytes());
            }
        }
        if !is_dated {
            fields::write_one(bytes, "date", dates.now().as_bytes());
        }
        if !switches {
            self.write_persistence(bytes);
        }
        bytes.extend_from_slice(b"\r\n");
        Ok(coding)
    }

    /// Writes how long the body is, as far as that is known, and says how it is to be written.
    fn write_length(
        &mut self,
        status: StatusCode,
        said: Option<Value<'_>>,
        body: &Body,
        bytes: &mut Vec<u8>,
    ) -> Result<Coding, BodyError> {
        let exact = body.size_hint().exact();
        let coding = match (said, exact) {
            _ if !self.has_body(status) => Coding::Length(0),
            (Some(said), _) => Coding::of_length(said)?,
            (None, Some(length)) => Coding::Length(length),
            (None, None) if self.version == Version::HTTP_11 => Coding::Chunked,
            (None, None) => Coding::Closed,
        };
        self.is_persistent &= coding != Coding::Closed;
        match said {
            _ if matches!(status.as_u16(), 100..200 | 204) => {}
            Some(said) => fields::write_one(bytes, "content-length", said.as_bytes()),
            None if coding == Coding::Chunked => bytes.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            None => {
                // To HEAD, none is said if it is not known.
                if let Some(length) = exact.filter(|&length| self.has_body(status) || self.is_to_head && length > 0) {
                    fields::write_one(bytes, "content-length", length.to_string().as_bytes());
                }
            }
        }
        Ok(coding)
    }

    fn write_persistence(self, bytes: &mut Vec<u8>) {
        match (self.is_persistent, self.version) {
            // What is not said is so.
            (false, Version::HTTP_10) | (true, Version::HTTP_11) => {}
            (false, _) => bytes.extend_from_slice(b"connection: close\r\n"),
            (true, _) => bytes.extend_from_slice(b"connection: keep-alive\r\n"),
        }
    }

    fn write_status(self, status: StatusCode, bytes: &mut Vec<u8>) {
        let version = if self.version == Version::HTTP_10 { "HTTP/1.0 " } else { "HTTP/1.1 " };
        for part in [version, status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
    }
}

/// An answer on its way.
pub(super) struct Sending {
    /// To be written from `written` on, before `piece`.
    bytes: Vec<u8>,
    written: usize,
    piece: Option<Written>,
    body: Body,
    coding: Coding,
    /// How the body ended, once it did.
    end: Option<Result<(), BodyError>>,
    outgoing: Outgoing,
}

impl Sending {
    /// Writes all of it, and says whether the connection stays open after it. An error leaves it unfinished, so that nobody
    /// takes it for a whole one: then what came of it before is written, or what the client takes of that if it has to end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, writer: &mut Writer) -> Poll<Result<bool, BodyError>> {
        loop {
            let is_awaited = self.fill(cx).is_pending();
            match self.poll_write(cx, writer) {
                Poll::Ready(written) => written.map_err(BodyError::broken)?,
                Poll::Pending => return self.poll_ended(cx).map(Err),
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(end.map(|()| self.outgoing.is_persistent));
            }
            if is_awaited {
                return Poll::Pending;
            }
        }
    }

    /// Whether the client is told by the end of the connection that it has all of the answer.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.coding == Coding::Closed
    }

    /// Ready once it has to end, though the client does not take what came before.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        if matches!(self.end, Some(Err(BodyError::Ended))) {
            return Poll::Ready(BodyError::Ended);
        }
        self.body.poll_ended(cx)
    }

    /// Takes of the body what is there and can be written at once.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.end.is_none() && self.piece.is_none() && self.bytes.len() < AT_ONCE {
            let is_over = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(frame) => frame.and_then(|frame| self.take(frame)),
                None => self.finish(&HeaderMap::new()),
            };
            self.end = match is_over {
                Ok(false) => None,
                Ok(true) => Some(Ok(())),
                Err(reason) => Some(Err(reason)),
            };
        }
        Poll::Ready(())
    }

    /// Puts what came of the body to what is to be written, and says whether that was all.
    fn take(&mut self, frame: Frame<Bytes>) -> Result<bool, BodyError> {
        match frame.into_data() {
            Ok(data) if self.bytes.len() + data.len() <= AT_ONCE => self.bytes.put(self.coding.piece(data)?),
            Ok(data) => self.piece = Some(self.coding.piece(data)?),
            Err(frame) => return self.finish(&frame.into_trailers().unwrap_or_default()),
        }
        Ok(false)
    }

    fn finish(&mut self, trailers: &HeaderMap) -> Result<bool, BodyError> {
        if self.coding == Coding::Chunked && self.outgoing.takes_trailers && !trailers.is_empty() {
            self.bytes.extend_from_slice(b"0\r\n");
            fields::write_lines(&mut self.bytes, trailers.iter());
            self.bytes.extend_from_slice(b"\r\n");
        } else {
            self.bytes.extend_from_slice(self.coding.end()?);
        }
        Ok(true)
    }

    /// Writes what there is.
    fn poll_write(&mut self, cx: &mut Context<'_>, writer: &mut Writer) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() || self.piece.is_some() {
            let bytes = &self.bytes[self.written..];
            let count = match &self.piece {
                None => ready!(Pin::new(&mut *writer).poll_write(cx, bytes))?,
                Some(piece) => {
                    let mut slices = [IoSlice::new(bytes), IoSlice::new(b""), IoSlice::new(b""), IoSlice::new(b"")];
                    let count = 1 + piece.chunks_vectored(&mut slices[1..]);
                    ready!(Pin::new(&mut *writer).poll_write_vectored(cx, &slices[..count]))?
                }
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
        self.bytes.clear();
        self.written = 0;
        Pin::new(writer).poll_flush(cx)
    }

    fn advance(&mut self, count: usize) {
        let of_bytes = count.min(self.bytes.len() - self.written);
        self.written += of_bytes;
        if let Some(piece) = &mut self.piece {
            piece.advance(count - of_bytes);
            if !piece.has_remaining() {
                self.piece = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::body::{Download, LASTING};
    use crate::clock::Clock;
    use crate::http1::Stream;
    use crate::upstream::{Pool, Purpose};

    /// An answer of the dashboard that goes on behind so many bytes, with what it comes from.
    async fn going_on(length: usize) -> (Download, impl Sized) {
        let (stream, mut dashboard) = duplex(1 << 20);
        let pool = Pool::of_one(stream);
        let request = http::Request::get("/").header("host", "a").body(Body::empty()).expect("a request");
        let answers = async {
            dashboard.read_exact(&mut [0; 27]).await.expect("a request");
            let said = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; length]].concat();
            dashboard.write_all(&said).await.expect("written");
        };
        let (answer, ()) = tokio::join!(pool.exchange(Box::new(request.into()), Purpose::Exchange), answers);
        (Download::new(answer.expect("an answer").into_parts().1), (pool, dashboard))
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_to_end_does_not_wait_for_a_client_that_takes_nothing() {
        // All of it is to be written, or there is more of the body.
        for length in [100, 10 * AT_ONCE] {
            let started = Instant::now();
            let (download, _kept) = going_on(length).await;
            let body = Body::Upstream(Box::new(download.if_it_lasts_until(|| async {})));
            let dates = Dates::new(Clock::system());
            let sending = Outgoing::to_malformed().answer(Vec::new(), Response::new(body), &dates);
            let mut sending = sending.unwrap_or_else(|error| panic!("{error}"));
            let (near, _client) = duplex(16);
            let mut writer = split::<Box<dyn Stream>>(Box::new(near)).1;
            let end = timeout(2 * LASTING, poll_fn(|cx| sending.poll(cx, &mut writer))).await.expect("an end");
            assert!(matches!(end, Err(BodyError::Ended)), "{end:?}");
            assert_eq!(started.elapsed(), LASTING, "{length}");
        }
    }
}
