//! A server on this machine for tests to ask: a dashboard, or an issuer of tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::UpstreamAddress;

/// A server that answers every question, on as many connections as it is asked on.
pub(super) struct Loopback {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Loopback {
    /// One that sends what this makes of the number of the question, which starts at 1: a whole answer, its head included.
    /// Without one it lets whoever asks wait.
    pub(super) async fn answering(answer: impl Fn(usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
                tokio::spawn(serve(connection, move || answer(count.fetch_add(1, Ordering::SeqCst) + 1)));
            }
        });
        Self { port, asked }
    }

    /// How many questions there were.
    pub(super) fn times(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn address(&self) -> UpstreamAddress {
        UpstreamAddress::Http { host: "127.0.0.1".into(), port: self.port }
    }
}

/// What is last on its connection says so.
const CLOSE: &[u8] = b"connection: close";

async fn serve(mut connection: TcpStream, answer: impl Fn() -> Option<Vec<u8>>) {
    let mut head = Vec::new();
    while connection.read_buf(&mut head).await.is_ok_and(|count| count > 0) {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        let Some(answer) = answer() else { continue };
        let is_last = answer.windows(CLOSE.len()).any(|bytes| bytes == CLOSE);
        if connection.write_all(&answer).await.is_err() || is_last {
            return;
        }
    }
}

/// An answer with a body.
pub(super) fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
