//! What is said before an answer, as it is written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::http1::fields;
use crate::listener::interim::{Interim, Word};

/// Whoever writes it, until the final answer is there.
#[derive(Debug)]
pub(super) struct Telling {
    interim: Arc<Interim>,
    /// Of what is written at the moment, the rest.
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
                self.bytes = written(&ready!(self.interim.poll(cx)));
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

    /// The final answer is there: what is to be written before it, since it has begun.
    pub(super) fn end(self) -> Vec<u8> {
        self.interim.end();
        self.bytes
    }
}

fn written(word: &Word) -> Vec<u8> {
    let fields = match word {
        Word::GoOn => return b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
        Word::Hint(fields) => fields,
    };
    let mut bytes = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for (name, value) in fields.iter() {
        fields::write_one(&mut bytes, &name, value.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::HeaderValue;
    use http::header::LINK;
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;
    use crate::audience::SEC_FETCH_MODE;
    use crate::listener::EarlyHints;
    use crate::message::{Fields, Request};

    fn told() -> (Telling, EarlyHints) {
        let request = http::Request::get("/").header(SEC_FETCH_MODE, "navigate").body(()).expect("a request");
        let mut request = Request::from(request);
        let interim = Interim::of(&mut request, false).expect("it may be answered with hints");
        let hints = request.extensions_mut().remove::<EarlyHints>().expect("and carries where they go");
        (Telling::of(interim), hints)
    }

    fn hint(link: &'static str) -> Fields {
        Fields::from_iter([(LINK, HeaderValue::from_static(link))])
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
        let (mut telling, hints) = told();
        hints.say(&hint("a"));
        assert_eq!(write(&mut telling, 10).await, A[..10]);
        hints.say(&hint("b"));
        assert_eq!(String::from_utf8(telling.end()).as_deref(), Ok(&A[10..]), "and no other");
    }

    #[tokio::test]
    async fn it_is_written_as_it_comes() {
        let (mut telling, hints) = told();
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
}
