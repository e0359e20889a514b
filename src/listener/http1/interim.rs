//! What a client is told before the answer: to go on with its body (100), and early hints (103, RFC 8297).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::header::{CONTENT_SECURITY_POLICY, LINK};
use http::{HeaderName, Version};
use tokio::io::AsyncWrite;

use crate::audience::SEC_FETCH_MODE;
use crate::http1::fields;
use crate::message::{Fields, Request};

/// Has a client go on that waits for it.
pub(super) const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How many hints of one answer are passed on, and how much they may come to.
const MOST: usize = 8;
const MOST_BYTES: usize = 16 * 1024;

/// What a hint can be about. Whatever else stands in it is up to the final answer, where it is looked at.
const PASSED_ON: [HeaderName; 2] = [LINK, CONTENT_SECURITY_POLICY];

/// What is said before the final answer to one request.
#[derive(Debug, Default)]
pub(super) struct Interim(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether the final answer is there: what comes now comes too late.
    is_over: bool,
    hints: usize,
    /// To be written.
    bytes: Vec<u8>,
    /// Whoever writes it.
    waker: Option<Waker>,
}

impl Interim {
    /// For a request, if there may be something to say: hints for a navigation, or to go on to a client that waits for that.
    /// Clients that know nothing of 103 take it for the answer; browsers say what they ask for, and ask for nothing earlier than
    /// what a page needs.
    pub(super) fn of<B>(request: &mut Request<B>, waits_to_go_on: bool) -> Option<Arc<Self>> {
        let is_navigation = request.version() == Version::HTTP_11
            && request.headers().get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
        if !is_navigation && !waits_to_go_on {
            return None;
        }
        let interim = Arc::<Self>::default();
        if is_navigation {
            request.extensions_mut().insert(EarlyHints(Arc::clone(&interim)));
        }
        Some(interim)
    }

    /// Has it written, unless the final answer is there.
    pub(super) fn say(&self, bytes: &[u8]) {
        self.lock().say(bytes);
    }

    /// What is to be written. Whoever gets nothing is woken when there is something.
    fn take(&self, cx: &Context<'_>) -> Vec<u8> {
        let mut state = self.lock();
        if state.bytes.is_empty() {
            state.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        }
        std::mem::take(&mut state.bytes)
    }

    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn say(&mut self, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Whoever writes it, until the final answer is there.
#[derive(Debug)]
pub(super) struct Telling {
    interim: Arc<Interim>,
    /// Of which some may have been written already.
    bytes: Vec<u8>,
}

impl Telling {
    pub(super) const fn of(interim: Arc<Interim>) -> Self {
        Self { interim, bytes: Vec::new() }
    }

    /// Writes what there is, whenever there is something. Ready only with an error.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, writer: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Error> {
        loop {
            if self.bytes.is_empty() {
                self.bytes = self.interim.take(cx);
            }
            if self.bytes.is_empty() {
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut *writer).poll_write(cx, &self.bytes)) {
                Ok(0) => return Poll::Ready(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.bytes.drain(..written)),
                Err(error) => return Poll::Ready(error),
            }
            if self.bytes.is_empty() {
                // What a layer below keeps of it goes out with the final answer at the latest.
                let _ = Pin::new(&mut *writer).poll_flush(cx);
            }
        }
    }

    /// The final answer is there: what is to be written before it, since it has begun. What comes now comes too late.
    pub(super) fn end(self) -> Vec<u8> {
        self.interim.lock().is_over = true;
        self.bytes
    }
}

/// Where hints go that come for a request, which carries this along. Without it, they are dropped.
#[derive(Debug, Clone)]
pub struct EarlyHints(Arc<Interim>);

impl EarlyHints {
    /// Passes one on, as far as it says what can be passed on, and the client has not had too many yet.
    pub fn say(&self, fields: &Fields) {
        let Some(hint) = written(fields) else { return };
        let mut state = self.0.lock();
        state.hints += 1;
        if state.hints <= MOST && state.bytes.len() + hint.len() <= MOST_BYTES {
            state.say(&hint);
        }
    }
}

/// A hint as it is written; `None` if there is nothing in it to pass on.
fn written(hint: &Fields) -> Option<Vec<u8>> {
    hint.contains_key(LINK).then_some(())?;
    let mut bytes = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for name in PASSED_ON {
        for value in hint.get_all(&name) {
            fields::write_one(&mut bytes, name.as_str(), value.as_bytes());
        }
    }
    bytes.extend_from_slice(b"\r\n");
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::HeaderValue;
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    fn navigation() -> Request<()> {
        http::Request::get("/").header(SEC_FETCH_MODE, "navigate").body(()).expect("a request").into()
    }

    fn hint(link: &str) -> Fields {
        Fields::from_iter([(LINK, HeaderValue::from_str(link).expect("a value"))])
    }

    /// What one request may be told, and how it is told of hints.
    fn told(request: &mut Request<()>) -> (Arc<Interim>, EarlyHints) {
        let interim = Interim::of(request, false).expect("it may be answered with hints");
        let hints = request.extensions_mut().get::<EarlyHints>().expect("and carries where they go").clone();
        (interim, hints)
    }

    /// What is written now, to a stream with so much room.
    async fn write(telling: &mut Telling, room: usize) -> String {
        let (mut near, mut far) = duplex(room);
        assert!(poll_fn(|cx| Poll::Ready(telling.poll(cx, &mut near))).await.is_pending());
        drop(near);
        let mut read = String::new();
        far.read_to_string(&mut read).await.expect("text");
        read
    }

    const A: &str = "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n";

    #[tokio::test]
    async fn what_has_begun_ends_before_the_answer_and_what_comes_after_it_is_dropped() {
        let (interim, hints) = told(&mut navigation());
        let mut telling = Telling::of(Arc::clone(&interim));
        hints.say(&hint("a"));
        assert_eq!(write(&mut telling, 10).await, A[..10]);
        hints.say(&hint("b"));
        assert_eq!(String::from_utf8(telling.end()).as_deref(), Ok(&A[10..]), "and no other");
        hints.say(&hint("too late"));
        assert_eq!(interim.lock().bytes, A.replace(": a", ": b").into_bytes());
    }

    #[tokio::test]
    async fn whoever_writes_is_woken_when_there_is_something() {
        let (interim, hints) = told(&mut navigation());
        let mut telling = Telling::of(interim);
        let (mut near, mut far) = duplex(1000);
        let writer = tokio::spawn(async move { poll_fn(|cx| telling.poll(cx, &mut near)).await });
        tokio::task::yield_now().await;
        hints.say(&hint("a"));
        let mut said = [0; A.len()];
        far.read_exact(&mut said).await.expect("it is written");
        assert_eq!(String::from_utf8_lossy(&said), A);
        drop(far);
        hints.say(&hint("b"));
        assert_eq!(writer.await.expect("no panic").kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn who_can_not_make_use_of_hints_gets_none() {
        let mut old = navigation();
        *old.version_mut() = Version::HTTP_10;
        let mut program = Request::new(());
        let mut picture = navigation();
        picture.headers_mut().insert(SEC_FETCH_MODE, HeaderValue::from_static("no-cors"));
        for request in [&mut old, &mut program, &mut picture] {
            assert!(Interim::of(request, false).is_none(), "and nothing is kept for them");
            assert!(Interim::of(request, true).is_some() && request.extensions_mut().get::<EarlyHints>().is_none());
        }
    }

    #[tokio::test]
    async fn hints_are_few_and_small_and_say_nothing_but_what_they_are_for() {
        let (interim, hints) = told(&mut navigation());
        let mut telling = Telling::of(interim);
        let mut fields = hint("a");
        for (name, value) in [("set-cookie", "sid=1"), ("connection", "close"), ("content-length", "5"), ("link", "b")]
        {
            fields.append(name, HeaderValue::from_static(value));
        }
        hints.say(&fields);
        assert_eq!(write(&mut telling, 1000).await, "HTTP/1.1 103 Early Hints\r\nlink: a\r\nlink: b\r\n\r\n");
        fields.remove(LINK);
        hints.say(&fields);
        assert_eq!(write(&mut telling, 10_000).await, "", "nothing is left of it");
        hints.say(&hint(&"x".repeat(MOST_BYTES)));
        assert_eq!(write(&mut telling, 10_000).await, "", "it is too large");
        for _ in 0..MOST {
            hints.say(&hint("a"));
        }
        assert_eq!(write(&mut telling, 10_000).await, A.repeat(MOST - 2));
    }
}
