//! One connection: its handshake, and in HTTP/1 its requests one after the other, and its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::crowd::Seat;
use super::early_hints::while_open;
use super::preface::Begun;
use super::tls::{HTTP2, Tls};
use super::wire::{FIRST_BYTES, Wire};
use super::worker::{Entrance, Worker};
use super::{Door, http2, proxy_header};
use crate::identity::client::{Arrival, Peer, Scheme};

/// How long a head may take to come, and how long a connection may be without a request.
const HEAD: Duration = Duration::from_secs(30);

/// How much is read at once, and the largest head.
pub(super) const BUFFER: usize = 64 * 1024;

/// How long and how much is still read from a client that was answered before all it sent was read: closing on unread
/// bytes would take the answer away from it.
const LEAVE: Duration = Duration::from_secs(2);
const LEAVE_BYTES: u64 = 1024 * 1024;

/// A stream that was just accepted.
pub(super) trait Accepted: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Accepted for S {}

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
        () = worker.stop.cancelled() => return,
    };
    let Some(peer) = named else { return };
    let Some(seat) = worker.admit(peer, permit) else { return };
    // Boxed, as what else an idle connection does without: each has the room for all that it may come to do.
    match &worker.entrance {
        Entrance::Http1 => {
            converse(&worker, Wire::http1(stream, seat), Arrival { peer, scheme: Scheme::Http }).await;
        }
        Entrance::Either => Box::pin(tell_apart(&worker, stream, peer, seat)).await,
        Entrance::Tls(tls) => Box::pin(attend_tls(&worker, tls, stream, peer, seat)).await,
    }
}

async fn attend_tls<S: Accepted, D: Door>(worker: &Worker<D>, tls: &Tls, stream: S, peer: Peer, seat: Seat) {
    let handshake = tokio::select! {
        done = timeout(FIRST_BYTES, Box::pin(tls.acceptor().accept(stream))) => done,
        () = worker.stop.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            let arrival = Arrival { peer, scheme: Scheme::Https };
            if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
                Box::pin(http2::converse(worker, Wire::http2(stream, seat), arrival)).await;
            } else {
                converse(worker, Wire::http1(stream, seat), arrival).await;
            }
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Attends to a connection that may begin in either version of HTTP.
async fn tell_apart<S: Accepted, D: Door>(worker: &Worker<D>, mut stream: S, peer: Peer, seat: Seat) {
    let begun = tokio::select! {
        read = timeout(FIRST_BYTES, Begun::read(&mut stream)) => read,
        () = worker.stop.cancelled() => return,
    };
    let Ok(Ok(begun)) = begun else { return };
    let arrival = Arrival { peer, scheme: Scheme::Http };
    if begun.is_http2() {
        Box::pin(http2::converse(worker, Wire::http2(stream, seat).after(&begun), arrival)).await;
    } else {
        converse(worker, Wire::http1(stream, seat).after(&begun), arrival).await;
    }
}

async fn converse<S: Accepted, D: Door>(worker: &Worker<D>, wire: Wire<S>, arrival: Arrival) {
    let (door, term, interim) = (Arc::clone(&worker.door), worker.terms.current(), wire.interim());
    let service = service_fn(move |mut request| {
        let (door, term) = (Arc::clone(&door), Arc::clone(&term));
        let hints = interim.as_ref().and_then(|interim| interim.open(&mut request));
        async move {
            let mut answer = while_open(hints, pin!(door.answer(request, arrival))).await;
            term.end_with(&mut answer);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .max_header_size(BUFFER)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = worker.stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
    let left = connection.into_parts().filter(|_| !worker.stop.is_cancelled()).map(|parts| parts.io.into_inner());
    if let Some(stream) = left {
        Box::pin(take_leave(stream)).await;
    }
}

/// Says that nothing more will be said, and gives the client a moment to read what was.
async fn take_leave(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let last_bytes = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LEAVE_BYTES), &mut tokio::io::sink()).await
    };
    // Whether it has read it is up to the client.
    drop(timeout(LEAVE, last_bytes).await);
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
    use http::{Request, Response};
    use hyper::body::Incoming;
    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::body::{Body, STANDSTILL};
    use crate::config;
    use crate::listener::worker::Room;

    /// Answers with that many bytes.
    struct Bytes(usize);

    impl Door for Bytes {
        async fn answer(&self, _request: Request<Incoming>, _arrival: Arrival) -> Response<Body> {
            Response::new(Body::own(vec![b'x'; self.0]))
        }
    }

    async fn client_of(door: Bytes, entrance: Entrance) -> DuplexStream {
        let (client, server) = duplex(1024);
        let worker = Worker::new(Arc::new(door), entrance, &CancellationToken::new(), Room::default());
        let seat = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
        tokio::spawn(attend(worker, server, Peer::Unix, seat));
        client
    }

    /// After how many seconds the gateway hangs up, and what it said until then.
    async fn hung_up(client: &mut DuplexStream) -> (u64, String) {
        let started = Instant::now();
        let mut said = String::new();
        client.read_to_string(&mut said).await.expect("an end");
        (started.elapsed().as_secs(), said)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_hung_up_on() {
        let mut client = client_of(Bytes(2), Entrance::Http1).await;
        assert_eq!(hung_up(&mut client).await, (FIRST_BYTES.as_secs(), String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_may_speak_either_version_but_does_not_say_which_is_hung_up_on() {
        for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            let mut client = client_of(Bytes(2), Entrance::Either).await;
            client.write_all(said).await.expect("written");
            assert_eq!(hung_up(&mut client).await, (FIRST_BYTES.as_secs(), String::new()));
        }
        let mut client = client_of(Bytes(2), Entrance::Either).await;
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nX: ").await.expect("written");
        assert_eq!(hung_up(&mut client).await, (HEAD.as_secs(), String::new()), "from there on as ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_finishes_its_head_is_hung_up_on() {
        let mut client = client_of(Bytes(2), Entrance::Http1).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").await.expect("written");
        assert_eq!(hung_up(&mut client).await, (HEAD.as_secs(), String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_for_nothing_more_is_hung_up_on() {
        let mut client = client_of(Bytes(2), Entrance::Http1).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
        let (seconds, said) = hung_up(&mut client).await;
        assert_eq!(seconds, HEAD.as_secs());
        assert!(said.ends_with("\r\n\r\nxx"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_is_hung_up_on() {
        let mut client = client_of(Bytes(1 << 20), Entrance::Http1).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
        tokio::time::sleep(2 * STANDSTILL + LEAVE + Duration::from_secs(1)).await;
        let (_, said) = hung_up(&mut client).await;
        assert!(said.len() <= 1024, "no more than what was on its way: {}", said.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_was_answered_early_may_send_the_rest_in_vain_for_a_moment() {
        let mut client = client_of(Bytes(2), Entrance::Http1).await;
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n").await.expect("written");
        assert!(hung_up(&mut client).await.1.ends_with("\r\n\r\nxx"));
        client.write_all(&vec![b'x'; 500_000]).await.expect("not thrown back, which could take the answer away");

        let mut slow = client_of(Bytes(2), Entrance::Http1).await;
        slow.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n").await.expect("written");
        hung_up(&mut slow).await;
        tokio::time::sleep(LEAVE + Duration::from_secs(1)).await;
        assert!(slow.write_all(b"x").await.is_err(), "nobody is there anymore");
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
        let mut client = client_of(Bytes(2), Entrance::Tls(tls)).await;
        client.write_all(&[22, 3, 1]).await.expect("written");
        assert_eq!(hung_up(&mut client).await, (FIRST_BYTES.as_secs(), String::new()));
    }
}
