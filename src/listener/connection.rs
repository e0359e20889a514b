//! One connection: its handshake, and the version of HTTP that is spoken on it.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::crowd::Seat;
use super::preface::Begun;
use super::tls::{HTTP2, Tls};
use super::wire::{FIRST_BYTES, Wire};
use super::worker::{Entrance, Worker};
use super::{Door, http1, http2, proxy_header};
use crate::identity::client::{Arrival, Peer, Scheme};

/// How much is read at once, and the largest head.
pub(super) const BUFFER: usize = 64 * 1024;

/// A stream that was just accepted.
pub(crate) trait Accepted: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Has it end, when it is dropped, in a way that nobody takes for an orderly end. Where there is no other, as in a Unix
    /// socket, and over TLS, whose orderly end is a message of its own, nothing needs to be done.
    fn break_off(&self) {}
}

impl Accepted for TcpStream {
    /// By a reset.
    fn break_off(&self) {
        // If it is not connected anymore, nobody sees its end.
        let _ = self.set_zero_linger();
    }
}

impl Accepted for UnixStream {}

impl<S: Accepted> Accepted for Box<TlsStream<S>> {}

#[cfg(any(test, fuzzing))]
impl Accepted for tokio::io::DuplexStream {}

/// Attends to one connection until it is closed, or has become a tunnel, which keeps the seat.
pub(super) async fn attend<S: Accepted, D: Door>(
    worker: Arc<Worker<D>>,
    mut stream: S,
    peer: Peer,
    permit: OwnedSemaphorePermit,
) {
    let _note = PanicNote;
    let named = tokio::select! {
        named = Box::pin(proxy_header::source(worker.door.opening(peer), &mut stream, peer)) => named,
        () = worker.stopped_for_newcomers() => return,
    };
    let Some(peer) = named else { return };
    let Some(seat) = worker.admit(peer, permit) else { return };
    // Boxed, as what else an idle connection does without: each has the room for all that it may come to do.
    match &worker.entrance {
        Entrance::Http1 => {
            http1::converse(&worker, Wire::http1(stream, seat), Arrival { peer, scheme: Scheme::Http }).await;
        }
        Entrance::Either => Box::pin(tell_apart(&worker, stream, peer, seat)).await,
        Entrance::Tls(tls) => Box::pin(attend_tls(&worker, tls, stream, peer, seat)).await,
    }
}

async fn attend_tls<S: Accepted, D: Door>(worker: &Arc<Worker<D>>, tls: &Tls, stream: S, peer: Peer, seat: Seat) {
    let handshake = tokio::select! {
        done = timeout(FIRST_BYTES, Box::pin(tls.accept(stream))) => done,
        () = worker.stopped_for_newcomers() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            let arrival = Arrival { peer, scheme: Scheme::Https };
            if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
                Box::pin(http2::converse(worker, Wire::http2(stream, seat), arrival)).await;
            } else {
                http1::converse(worker, Wire::http1(stream, seat), arrival).await;
            }
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Attends to a connection that may begin in either version of HTTP.
async fn tell_apart<S: Accepted, D: Door>(worker: &Arc<Worker<D>>, mut stream: S, peer: Peer, seat: Seat) {
    let begun = tokio::select! {
        read = timeout(FIRST_BYTES, Begun::read(&mut stream)) => read,
        () = worker.stopped_for_newcomers() => return,
    };
    let Ok(Ok(begun)) = begun else { return };
    let arrival = Arrival { peer, scheme: Scheme::Http };
    if begun.is_http2() {
        Box::pin(http2::converse(worker, Wire::http2(stream, seat).after(&begun), arrival)).await;
    } else {
        http1::converse(worker, Wire::http1(stream, seat).after(&begun), arrival).await;
    }
}

/// Tells the log that a request ended in a panic, which ends its connection (in HTTP/2, its stream). What it says may hold
/// anything, so it is not repeated.
pub(super) struct PanicNote;

impl Drop for PanicNote {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a request ended in a panic; its connection is closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::config;
    use crate::listener::http1::HEAD;
    use crate::listener::http1::tests::{Bytes, hung_up};
    use crate::listener::worker::Room;

    async fn client_of(entrance: Entrance) -> DuplexStream {
        let (client, server) = duplex(1024);
        let worker = Worker::new(Arc::new(Bytes::new(2)), entrance, &CancellationToken::new(), Room::default());
        let seat = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
        tokio::spawn(attend(worker, server, Peer::Unix, seat));
        client
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_may_speak_either_version_but_does_not_say_which_is_hung_up_on() {
        for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            let mut client = client_of(Entrance::Either).await;
            client.write_all(said).await.expect("written");
            assert_eq!(hung_up(&mut client).await, (FIRST_BYTES.as_secs(), String::new()));
        }
        let mut client = client_of(Entrance::Either).await;
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nX: ").await.expect("written");
        assert_eq!(hung_up(&mut client).await, (HEAD.as_secs(), String::new()), "from there on as ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_does_not_come_is_not_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let certified = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("a certificate");
        let (certificate, key) = (directory.path().join("certificate.pem"), directory.path().join("key.pem"));
        std::fs::write(&certificate, certified.cert.pem()).expect("written");
        std::fs::write(&key, certified.signing_key.serialize_pem()).expect("written");
        let tls = Tls::load(&config::Tls { certificates: vec![config::CertificateFiles { certificate, key }] })
            .expect("a certificate with its key");
        let mut client = client_of(Entrance::Tls(tls)).await;
        client.write_all(&[22, 3, 1]).await.expect("written");
        assert_eq!(hung_up(&mut client).await, (FIRST_BYTES.as_secs(), String::new()));
    }
}
