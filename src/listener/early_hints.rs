//! Early hints (103, RFC 8297) on their way to a client in HTTP/1.1: written below the HTTP library, which has no word for
//! an interim answer, when it has written all it had to and its next word is the head of the final one.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::header::{CONTENT_SECURITY_POLICY, LINK};
use http::{HeaderMap, HeaderName, Request, Version};
use tokio::io::AsyncWrite;

/// How many hints of one answer are passed on, and how much they may come to.
const MOST: usize = 8;
const MOST_BYTES: usize = 16 * 1024;

/// What a hint can be about. Whatever else stands in it is up to the final answer, where it is looked at.
const PASSED_ON: [HeaderName; 2] = [LINK, CONTENT_SECURITY_POLICY];

/// Whether the browser goes to a page: what it loads for one is never asked for earlier.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What one connection has of them, if it ever has any.
#[derive(Debug, Default)]
pub(super) struct Interim {
    /// Whether there is something to be written: all that is looked at as long as there is not.
    is_pending: AtomicBool,
    exchange: Mutex<Option<Box<Exchange>>>,
}

/// A request that may be answered with hints.
#[derive(Debug, Default)]
struct Exchange {
    /// Which of the connection's, so that what comes too late is not taken for the next one's.
    number: u64,
    /// Whether its final answer has not come yet.
    is_open: bool,
    heard: usize,
    /// To be written yet.
    bytes: Vec<u8>,
    /// Whether some of it was, so that the rest has to follow whatever comes.
    is_begun: bool,
    waker: Option<Waker>,
}

/// What is to be written next by whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing of the library's: a hint may begin.
    Nothing,
    /// Something of the library's: a hint that has begun has to end.
    Message,
}

impl Interim {
    /// To be asked for each request in HTTP/1. It may be answered with hints for as long as this is kept, if anybody can
    /// make use of them: clients that know nothing of 103 take it for the answer, browsers say what they ask for.
    pub(super) fn open<B>(self: &Arc<Self>, request: &mut Request<B>) -> Option<Open> {
        let is_navigation = request.headers().get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
        if !is_navigation || request.version() != Version::HTTP_11 {
            return None;
        }
        let mut exchange = self.lock();
        let exchange = exchange.get_or_insert_default();
        exchange.number += 1;
        exchange.is_open = true;
        exchange.heard = 0;
        request.extensions_mut().insert(EarlyHints { interim: Arc::clone(self), number: exchange.number });
        Some(Open(Arc::clone(self)))
    }

    /// Writes what there is to be written, as far as it may be by now.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &self,
        cx: &mut Context<'_>,
        stream: &mut S,
        next: Next,
    ) -> Poll<io::Result<()>> {
        if !self.is_pending.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let mut exchange = self.lock();
        let Some(exchange) = exchange.as_mut() else { return Poll::Ready(Ok(())) };
        if next == Next::Message && !exchange.is_begun {
            return Poll::Ready(Ok(()));
        }
        while !exchange.bytes.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, &exchange.bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            exchange.bytes.drain(..written);
            exchange.is_begun = true;
        }
        exchange.bytes = Vec::new();
        exchange.is_begun = false;
        self.is_pending.store(false, Ordering::Release);
        Poll::Ready(Ok(()))
    }

    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, Option<Box<Exchange>>> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose final answer has not come yet. Dropped when it comes: hints that have not begun by then are of no use.
pub(super) struct Open(Arc<Interim>);

/// Waits for the final answer.
pub(super) async fn while_open<F: Future>(open: Option<Open>, mut answer: Pin<&mut F>) -> F::Output {
    poll_fn(|cx| {
        if let Some(open) = &open {
            open.wake(cx.waker());
        }
        answer.as_mut().poll(cx)
    })
    .await
}

impl Open {
    /// Has the connection look for something to write when there is.
    fn wake(&self, waker: &Waker) {
        if let Some(exchange) = self.0.lock().as_mut() {
            exchange.waker.get_or_insert_with(|| waker.clone()).clone_from(waker);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(exchange) = self.0.lock().as_mut() {
            exchange.is_open = false;
            exchange.waker = None;
            if !exchange.is_begun {
                exchange.bytes = Vec::new();
                self.0.is_pending.store(false, Ordering::Release);
            }
        }
    }
}

/// Where hints go that come for a request, which carries this along. Without it, they are dropped.
#[derive(Debug, Clone)]
pub struct EarlyHints {
    interim: Arc<Interim>,
    number: u64,
}

impl EarlyHints {
    /// Passes one on, as far as it says what can be passed on, and the client has not had too many yet.
    pub fn say(&self, fields: &HeaderMap) {
        let mut exchange = self.interim.lock();
        let Some(exchange) = exchange.as_mut().filter(|it| it.is_open && it.number == self.number) else { return };
        let Some(hint) = written(fields) else { return };
        exchange.heard += 1;
        if exchange.heard > MOST || exchange.bytes.len() + hint.len() > MOST_BYTES {
            return;
        }
        exchange.bytes.extend(hint);
        self.interim.is_pending.store(true, Ordering::Release);
        if let Some(waker) = exchange.waker.take() {
            waker.wake();
        }
    }
}

/// A hint as it is written; `None` if there is nothing in it to pass on.
fn written(fields: &HeaderMap) -> Option<Vec<u8>> {
    fields.contains_key(LINK).then_some(())?;
    let mut hint = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for name in PASSED_ON {
        for value in fields.get_all(&name) {
            // A value has no line break in it: the library has read it as one.
            hint.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    hint.extend(b"\r\n");
    Some(hint)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    fn navigation() -> Request<()> {
        Request::get("/").header(SEC_FETCH_MODE, "navigate").body(()).expect("a request")
    }

    fn hint(link: &str) -> HeaderMap {
        HeaderMap::from_iter([(LINK, link.parse().expect("a value"))])
    }

    fn hints_of(request: &Request<()>) -> EarlyHints {
        request.extensions().get::<EarlyHints>().expect("it may be answered with hints").clone()
    }

    /// What is written now, to a stream with so much room.
    async fn write(interim: &Interim, room: usize, next: Next) -> String {
        let (mut near, mut far) = duplex(room);
        poll_fn(|cx| {
            let _as_far_as_it_goes = interim.poll_write(cx, &mut near, next);
            Poll::Ready(())
        })
        .await;
        drop(near);
        let mut read = String::new();
        far.read_to_string(&mut read).await.expect("text");
        read
    }

    const A: &str = "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n";

    #[tokio::test]
    async fn a_hint_that_has_begun_ends_before_anything_else_and_one_that_has_not_is_dropped_with_the_answer() {
        let interim = Arc::new(Interim::default());
        let mut request = navigation();
        let open = interim.open(&mut request);
        hints_of(&request).say(&hint("a"));
        assert_eq!(write(&interim, 100, Next::Message).await, "", "not within a message");
        assert_eq!(write(&interim, 10, Next::Nothing).await, A[..10]);
        drop(open);
        assert_eq!(write(&interim, 5, Next::Message).await, A[10..15]);
        assert_eq!(write(&interim, 100, Next::Message).await, A[15..]);
        assert_eq!(write(&interim, 100, Next::Nothing).await, "");

        let open = interim.open(&mut request);
        hints_of(&request).say(&hint("a"));
        drop(open);
        assert_eq!(write(&interim, 100, Next::Nothing).await, "", "the answer is there");
    }

    #[tokio::test]
    async fn one_that_comes_too_late_is_not_taken_for_one_of_the_next_request() {
        let interim = Arc::new(Interim::default());
        let (mut first, mut second) = (navigation(), navigation());
        drop(interim.open(&mut first));
        hints_of(&first).say(&hint("a"));
        let _open = interim.open(&mut second);
        hints_of(&first).say(&hint("a"));
        assert_eq!(write(&interim, 100, Next::Nothing).await, "");
        hints_of(&second).say(&hint("a"));
        assert_eq!(write(&interim, 100, Next::Nothing).await, A);
    }

    #[tokio::test]
    async fn who_can_not_make_use_of_hints_gets_none() {
        let interim = Arc::new(Interim::default());
        let mut old = navigation();
        *old.version_mut() = Version::HTTP_10;
        let mut program = Request::get("/").body(()).expect("a request");
        let mut picture = navigation();
        picture.headers_mut().insert(SEC_FETCH_MODE, "no-cors".parse().expect("a value"));
        for request in [&mut old, &mut program, &mut picture] {
            assert!(interim.open(request).is_none() && request.extensions().get::<EarlyHints>().is_none());
        }
        assert!(interim.lock().is_none(), "and nothing is kept for them");
    }

    #[tokio::test]
    async fn hints_are_few_and_small_and_say_nothing_but_what_they_are_for() {
        let interim = Arc::new(Interim::default());
        let mut request = navigation();
        let _open = interim.open(&mut request);
        let mut fields = hint("a");
        for (name, value) in [("set-cookie", "sid=1"), ("connection", "close"), ("content-length", "5"), ("link", "b")]
        {
            fields.append(name, value.parse().expect("a value"));
        }
        hints_of(&request).say(&fields);
        let said = write(&interim, 1000, Next::Nothing).await;
        assert_eq!(said, "HTTP/1.1 103 Early Hints\r\nlink: a\r\nlink: b\r\n\r\n");
        fields.remove(LINK);
        hints_of(&request).say(&fields);
        assert_eq!(write(&interim, 1000, Next::Nothing).await, "", "nothing is left of it");
        hints_of(&request).say(&hint(&"x".repeat(MOST_BYTES)));
        assert_eq!(write(&interim, 1000, Next::Nothing).await, "", "it is too large");
        for _ in 0..MOST {
            hints_of(&request).say(&hint("a"));
        }
        assert_eq!(write(&interim, 10_000, Next::Nothing).await, A.repeat(MOST - 2));
    }
}
