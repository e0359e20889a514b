//! One connection: its handshake, and in HTTP/1 its requests one after the other, and its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::crowd::Seat;
use super::early_hints::while_open;
use super::occupied::{Occupied, occupying};
use super::patience::{HEAD, Patience};
use super::preface::Begun;
use super::terms::Term;
use super::tls::{HTTP2, Tls};
use super::wire::{FIRST_BYTES, Wire};
use super::worker::{Entrance, Worker};
use super::{Door, http2, proxy_header};
use crate::identity::client::{Arrival, Peer, Scheme};

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
        done = timeout(FIRST_BYTES, Box::pin(tls.accept(stream))) => done,
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

/// Answers the requests of one connection until either side ends it, or it becomes a tunnel.
async fn converse<S: Accepted, D: Door>(worker: &Worker<D>, mut wire: Wire<S>, arrival: Arrival) {
    let conversation = Conversation { worker, arrival, term: worker.terms.current() };
    let occupied = Occupied::new(Arc::clone(wire.seat()));
    let mut deadline = Instant::now() + HEAD;
    loop {
        // Boxed, for it is gone while the connection rests.
        match Box::pin(occupying(Some(occupied.clone()), answer(&conversation, wire, deadline))).await {
            Turn::Rest(resting, head) => (wire, deadline) = (resting, head),
            Turn::Leave(wire) => return Box::pin(take_leave(wire)).await,
            Turn::Over => return,
        }
        let woken = tokio::select! {
            woken = timeout_at(deadline, wire.rest()) => woken,
            () = worker.stop.cancelled() => return drop(timeout(LEAVE, wire.shutdown()).await),
        };
        match woken {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return Box::pin(take_leave(wire)).await,
            Ok(Err(error)) => return tracing::debug!(%error, "a connection broke off"),
        }
    }
}

/// What stays the same on a connection, also while it rests.
struct Conversation<'a, D> {
    worker: &'a Worker<D>,
    arrival: Arrival,
    term: Arc<Term>,
}

/// How a connection goes on.
enum Turn<S> {
    /// There is nothing to do, but at this time a head has to have come.
    Rest(Wire<S>, Instant),
    /// Nothing more is answered.
    Leave(Wire<S>),
    /// It is closed, or somebody else's.
    Over,
}

/// Answers requests as they come, the first of them before the deadline.
async fn answer<S: Accepted, D: Door>(conversation: &Conversation<'_, D>, wire: Wire<S>, deadline: Instant) -> Turn<S> {
    let Conversation { worker, arrival, term } = conversation;
    let (door, arrival, term, interim) = (Arc::clone(&worker.door), *arrival, Arc::clone(term), wire.interim());
    let memory = Arc::<D::Memory>::default();
    let service = service_fn(move |mut request| {
        let (door, term, memory) = (Arc::clone(&door), Arc::clone(&term), Arc::clone(&memory));
        let hints = interim.as_ref().and_then(|interim| interim.open(&mut request));
        let request = Box::new(request);
        async move {
            let mut answer = while_open(hints, pin!(door.answer(request, arrival, &memory))).await;
            term.end_with(&mut answer);
            Ok::<_, Infallible>(answer)
        }
    });
    let patience = Patience::until(deadline);
    let mut connection = http1::Builder::new()
        .timer(patience.clone())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .max_header_size(BUFFER)
        .serve_connection(TokioIo::new(wire.telling(patience.clone())), service)
        .with_upgrades();
    let mut until_rest = poll_fn(|cx| match (Pin::new(&mut connection).poll(cx), patience.rest()) {
        (Poll::Ready(ended), _) => Poll::Ready(Err(ended)),
        (Poll::Pending, Some(head)) => Poll::Ready(Ok(head)),
        (Poll::Pending, None) => Poll::Pending,
    });
    let turn = tokio::select! {
        biased;
        turn = &mut until_rest => turn,
        () = worker.stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            Err((&mut connection).await)
        }
    };
    if let Err(Err(error)) = &turn {
        tracing::debug!(%error, "a connection broke off");
    }
    let Some(parts) = connection.into_parts() else { return Turn::Over };
    let wire = parts.io.into_inner();
    match turn {
        // There never is something in it, but to lose it would be to take the next request for another one.
        Ok(head) if parts.read_buf.is_empty() => Turn::Rest(wire, head),
        Err(_) if worker.stop.is_cancelled() => Turn::Over,
        Ok(_) | Err(_) => Turn::Leave(wire),
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
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::body::{Body, STANDSTILL};
    use crate::config;
    use crate::listener::worker::Room;

    /// Answers with that many bytes.
    struct Bytes(usize);

    impl Door for Bytes {
        type Memory = ();

        async fn answer(&self, _request: Box<Request<Incoming>>, _arrival: Arrival, (): &()) -> Response<Body> {
            Response::new(Body::own(vec![b'x'; self.0]))
        }
    }

    async fn client_of(door: Bytes, entrance: Entrance) -> DuplexStream {
        client_at(&Arc::new(door), entrance).await
    }

    async fn client_at(door: &Arc<Bytes>, entrance: Entrance) -> DuplexStream {
        let (client, server) = duplex(1024);
        let worker = Worker::new(Arc::clone(door), entrance, &CancellationToken::new(), Room::default());
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

    /// Asks, and reads the answer.
    async fn ask(client: &mut DuplexStream) {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n\r\nxx") {
            assert_ne!(client.read_buf(&mut said).await.expect("read"), 0, "{}", String::from_utf8_lossy(&said));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_rests_and_goes_on_as_ever() {
        let door = Arc::new(Bytes(2));
        let mut client = client_at(&door, Entrance::Http1).await;
        let at_rest = Arc::strong_count(&door);
        for _ in 0..3 {
            ask(&mut client).await;
            assert_eq!(Arc::strong_count(&door), at_rest + 1, "ready for the next request");
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(Arc::strong_count(&door), at_rest);
        }
        let (seconds, said) = hung_up(&mut client).await;
        assert_eq!((20 + seconds, said), (HEAD.as_secs(), String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_begins_in_a_rest_has_no_more_time_for_it() {
        let mut client = client_of(Bytes(2), Entrance::Http1).await;
        ask(&mut client).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        client.write_all(b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: ").await.expect("written");
        assert_eq!(20 + hung_up(&mut client).await.0, HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_a_head_or_an_answer_on_its_way_does_not_rest() {
        let door = Arc::new(Bytes(1 << 20));
        let mut client = client_at(&door, Entrance::Http1).await;
        let at_rest = Arc::strong_count(&door);
        client.write_all(b"GET / HTTP/1.1\r\nHo").await.expect("written");
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(Arc::strong_count(&door), at_rest + 1);
        client.write_all(b"st: a\r\n\r\n").await.expect("written");
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(Arc::strong_count(&door), at_rest + 1);
        let mut answer = Vec::new();
        let body =
            |answer: &[u8]| answer.windows(4).position(|four| four == b"\r\n\r\n").map(|head| answer.len() - head - 4);
        while body(&answer) != Some(1 << 20) {
            assert_ne!(client.read_buf(&mut answer).await.expect("read"), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_a_connection_at_rest_is_not_waited_for() {
        let door = Arc::new(Bytes(2));
        let mut client = client_at(&door, Entrance::Http1).await;
        ask(&mut client).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        client.shutdown().await.expect("shut down");
        assert_eq!(hung_up(&mut client).await, (0, String::new()));
        tokio::time::sleep(LEAVE).await;
        assert_eq!(Arc::strong_count(&door), 1);
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
