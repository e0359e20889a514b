//! One connection in HTTP/2 (RFC 9113): its limits, its requests, and its end.

mod heads;
mod streams;
mod traffic;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use h2::{Reason, server};
use tokio::io::split;
use tokio::sync::Notify;
use tokio::time::sleep;

use self::heads::Heads;
use self::streams::Streams;
use self::traffic::{LEAVE, QUIET, Traffic};
use super::Door;
use super::connection::{Accepted, BUFFER};
use super::terms::Term;
use super::wire::{Wire, take_leave};
use super::worker::Worker;
use crate::http2::{Alive, Lent, lend};
use crate::identity::client::Arrival;

/// How many requests one connection may have in progress.
const STREAMS: u32 = 100;

/// How much a client may send ahead, in one request and in all of a connection. The first is what an upload can bring in
/// one round trip, some 5 MiB a second over 50 ms; the second is what a connection can take of memory.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The largest head, counted as section 6.5.2 of RFC 9113 does, which is 32 bytes more a field.
#[expect(clippy::cast_possible_truncation, reason = "a constant that fits")]
const HEAD: u32 = BUFFER as u32;

/// How much of an answer the library keeps for a client that does not take it.
const SEND_BUFFER: usize = 64 * 1024;

/// How long a client may take to take what was on its way when the connection ended.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// Answers the requests of one connection until either side ends it.
pub(super) async fn converse<S: Accepted, D: Door>(worker: &Arc<Worker<D>>, wire: Wire<S>, arrival: Arrival) {
    let (term, traffic, leave) = (worker.terms.current(), Arc::<Traffic>::default(), Notify::new());
    let rooms = [Some(Arc::clone(&worker.rooms)), wire.seat().requests()];
    let streams = Arc::new(Streams {
        worker: Arc::clone(worker),
        arrival,
        seat: Arc::clone(wire.seat()),
        rooms,
        traffic: Arc::clone(&traffic),
        heads: Heads::default(),
        memory: D::Memory::default(),
    });
    let takes_leave = async {
        until_quiet_or_over(&term, &traffic).await;
        leave.notify_one();
        // Whoever does not take leave either is left.
        traffic.quiet(LEAVE).await;
        leave.notify_one();
        sleep(LEAVE).await;
    };
    let (lent, heard, returned) = lend(wire);
    let ended = tokio::select! {
        biased;
        ended = serve(&streams, (lent, heard), &leave) => ended,
        () = traffic.restless() => return,
        () = takes_leave => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
    if let Ok(wire) = returned.await {
        let (read, write) = split(wire);
        Box::pin(take_leave(Some(read), write, LAST_BYTES)).await;
    }
}

/// Begins with each request as it comes. Told to `leave`, it tells the client that there will be no others; told so once more,
/// it ends with what is on its way.
async fn serve<S: Accepted, D: Door>(
    streams: &Arc<Streams<D>>,
    (wire, heard): (Lent<Wire<S>>, Arc<AtomicBool>),
    leave: &Notify,
) -> Result<(), h2::Error> {
    let handshake = server::Builder::new()
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_connect_protocol()
        .handshake(wire);
    // Boxed, as the end is: the connection would have the room for it as long as it lasts.
    let mut connection = Box::pin(handshake).await?;
    let mut alive = connection.ping_pong().map(|pings| Alive::new(pings, heard)).expect("nobody else has asked for it");
    let mut is_leaving = false;
    loop {
        let came = poll_fn(|cx| {
            let came = connection.poll_accept(cx);
            // A stream whose task is done has still to be sent what was handed over.
            streams.traffic.note_unsent(connection.has_streams());
            came
        });
        tokio::select! {
            biased;
            came = came => match came {
                Some(request) => streams.begin(request?),
                None => return Ok(()),
            },
            () = poll_fn(|cx| alive.poll_gone(cx, true)) => {
                tracing::debug!("a client says nothing anymore; its connection is closed");
                return Ok(());
            }
            () = leave.notified() => if std::mem::replace(&mut is_leaving, true) {
                connection.abrupt_shutdown(Reason::NO_ERROR);
            } else {
                connection.graceful_shutdown();
            },
        }
    }
}

async fn until_quiet_or_over(term: &Term, traffic: &Traffic) {
    tokio::select! {
        () = term.over() => {}
        () = traffic.quiet(QUIET) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use bytes::Bytes;
    use h2::client::{ResponseFuture, SendRequest};
    use http::header::CONTENT_LENGTH;
    use http::{Method, StatusCode};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, timeout};
    use tokio_util::sync::CancellationToken;

    use super::traffic::GIVEN_UP;
    use super::*;
    use crate::body::{Body, STANDSTILL};
    use crate::http2::PING;
    use crate::identity::client::{Peer, Scheme};
    use crate::listener::Incoming;
    use crate::listener::crowd::Seat;
    use crate::listener::preface::PREFACE;
    use crate::listener::switch::Switch;
    use crate::listener::wire::FIRST_BYTES;
    use crate::listener::worker::{self, Entrance};
    use crate::message::{Request, Response};

    /// Answers with that many bytes; to `/never`, not at all. Agrees to a tunnel, and keeps it until its client is gone.
    struct Many(usize);

    impl Door for Many {
        type Memory = ();

        async fn answer(&self, mut request: Box<Request<Incoming>>, _arrival: Arrival, (): &()) -> Response<Body> {
            if request.method() == Method::CONNECT {
                let tunnel = Switch::of(&mut request);
                tokio::spawn(async move {
                    let mut tunnel = tunnel.into_stream().await.expect("a tunnel");
                    drop(tunnel.read_to_end(&mut Vec::new()).await);
                });
                let mut agreed = Response::new(Body::empty());
                *agreed.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                return agreed;
            }
            if request.uri().path() == "/never" {
                std::future::pending::<()>().await;
            }
            Response::new(Body::own(vec![b'x'; self.0]))
        }
    }

    const ROOMS: usize = 3;

    async fn connected(door: Many) -> (DuplexStream, JoinHandle<()>) {
        connected_until(&CancellationToken::new(), door).await
    }

    async fn connected_until(stop: &CancellationToken, door: Many) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(1024);
        let room = worker::Room { seats: ROOMS, ..worker::Room::default() };
        let worker = Worker::new(Arc::new(door), Entrance::Http1, stop, room);
        let seat = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
        let arrival = Arrival { peer: Peer::Unix, scheme: Scheme::Https };
        let wire = Wire::http2(server, Seat::new(seat, None));
        (client, tokio::spawn(async move { converse(&worker, wire, arrival).await }))
    }

    type Ended = JoinHandle<Result<(), h2::Error>>;

    async fn speaking(door: Many) -> (SendRequest<Bytes>, Ended, JoinHandle<()>) {
        let (stream, served) = connected(door).await;
        let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        (client, tokio::spawn(connection), served)
    }

    fn ask(client: &mut SendRequest<Bytes>, method: &str, path: &str) -> ResponseFuture {
        let uri = format!("https://a{path}");
        let request = http::Request::builder().method(method).uri(uri).body(()).expect("a request");
        client.send_request(request, true).expect("sent").0
    }

    /// With what a client begins: the preface, and settings that say nothing.
    fn introduction() -> Vec<u8> {
        [PREFACE.as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()
    }

    /// After how many seconds the gateway hangs up on a client that says nothing after this.
    async fn hung_up_on(said: &[u8]) -> u64 {
        let (mut client, _served) = connected(Many(2)).await;
        let started = Instant::now();
        client.write_all(said).await.expect("written");
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.expect("an end");
        started.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_introduce_itself_is_hung_up_on() {
        for said in [&[][..], &PREFACE[..1], &PREFACE[..PREFACE.len() - 1]] {
            assert_eq!(hung_up_on(said).await, FIRST_BYTES.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_the_gateway_a_client_that_says_nothing_is_not_waited_for() {
        let stop = CancellationToken::new();
        let (mut client, served) = connected_until(&stop, Many(2)).await;
        client.write_all(&introduction()).await.expect("written");
        sleep(Duration::from_secs(1)).await;
        stop.cancel();
        let stopped = Instant::now();
        served.await.expect("no panic");
        assert!(stopped.elapsed() <= 2 * LEAVE + LAST_BYTES, "{:?}", stopped.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_says_after_the_end_does_not_close_its_connection_before_it_has_taken_all() {
        let stop = CancellationToken::new();
        let (mut client, served) = connected_until(&stop, Many(2)).await;
        client.write_all(&introduction()).await.expect("written");
        sleep(Duration::from_secs(1)).await;
        stop.cancel();
        sleep(2 * LEAVE + Duration::from_secs(1)).await;
        let an_answer_to_a_ping = [0, 0, 8, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        client.write_all(&an_answer_to_a_ping).await.expect("somebody is there");
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.expect("an orderly end");
        assert!(!served.is_finished());
        drop(client);
        let closed = Instant::now();
        served.await.expect("no panic");
        assert_eq!(closed.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_gone_or_never_finishes_its_head_is_noticed() {
        let half_a_head = vec![0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
        for said in [introduction(), [introduction(), half_a_head].concat()] {
            // Something was heard at first.
            assert_eq!(hung_up_on(&said).await, 3 * PING.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_anything_is_there_though_it_never_answers_a_ping() {
        let (mut client, served) = connected(Many(2)).await;
        let request = b"\x82\x87\x04\x06/never\x01\x01a";
        let mut said = introduction();
        said.extend([0, 0, 13, 1, 5, 0, 0, 0, 1]);
        said.extend(request);
        client.write_all(&said).await.expect("written");
        for _ in 0..20 {
            // It takes another byte of what is sent (WINDOW_UPDATE).
            client.write_all(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1]).await.expect("it is not hung up on");
            sleep(PING * 9 / 10).await;
        }
        assert!(!served.is_finished());
        let silent = Instant::now();
        served.await.expect("no panic");
        assert!(silent.elapsed() <= 3 * PING, "{:?}", silent.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_not_used_is_closed_in_an_orderly_way_but_not_during_a_request() {
        let (mut client, ended, _served) = speaking(Many(2)).await;
        let never = ask(&mut client, "GET", "/never");
        sleep(10 * QUIET).await;
        assert!(!ended.is_finished());
        drop(never);
        let started = Instant::now();
        ended.await.expect("no panic").expect("an orderly end");
        assert!(started.elapsed() >= QUIET && started.elapsed() <= 2 * QUIET, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_is_reset() {
        let (mut client, ended, served) = speaking(Many(1 << 20)).await;
        let started = Instant::now();
        let (_, mut body) = ask(&mut client, "GET", "/").await.expect("an answer").into_parts();
        let error = loop {
            match body.data().await.expect("no clean end") {
                Ok(_) => assert!(started.elapsed() < STANDSTILL, "nothing was taken"),
                Err(error) => break error,
            }
        };
        assert!(error.is_reset(), "{error}");
        assert!(started.elapsed() >= STANDSTILL && started.elapsed() <= 2 * STANDSTILL, "{:?}", started.elapsed());
        drop((client, ended));
        served.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_for_which_there_never_is_room_is_reset_and_takes_its_room_until_then() {
        for window in [0, 1, 100] {
            let (stream, _served) = connected(Many(200)).await;
            let mut builder = h2::client::Builder::new();
            let (mut client, connection) = builder.initial_window_size(window).handshake(stream).await.expect("HTTP/2");
            tokio::spawn(connection);
            let started = Instant::now();
            let mut answers = Vec::new();
            for _ in 0..ROOMS {
                answers.push(ask(&mut client, "GET", "/").await.expect("an answer").into_body());
            }
            sleep(STANDSTILL / 2).await;
            let refused = ask(&mut client, "GET", "/").await.expect_err("no room");
            assert_eq!(refused.reason(), Some(Reason::REFUSED_STREAM));
            for mut body in answers {
                let error = loop {
                    let piece = timeout(2 * STANDSTILL, body.data()).await.expect("it does not wait for ever");
                    match piece.expect("no clean end") {
                        Ok(piece) => assert!(piece.len() <= window as usize, "{window}"),
                        Err(error) => break error,
                    }
                };
                assert!(error.is_reset(), "{error}");
            }
            assert!(started.elapsed() <= 2 * STANDSTILL, "{:?}", started.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_the_gateway_a_client_that_reads_slowly_gets_all_of_its_answer() {
        const LENGTH: usize = 60_000;
        let stop = CancellationToken::new();
        let (stream, _served) = connected_until(&stop, Many(LENGTH)).await;
        let (mut client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let mut connection = Box::pin(connection);
        let answer = ask(&mut client, "GET", "/");
        assert!(poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await.is_pending(), "it is asked");
        sleep(Duration::from_secs(1)).await;
        stop.cancel();
        sleep(5 * LEAVE).await;
        tokio::spawn(connection);
        let mut body = answer.await.expect("an answer").into_body();
        let mut length = 0;
        while let Some(piece) = body.data().await {
            length += piece.expect("no reset").len();
        }
        assert_eq!((length, body.is_end_stream()), (LENGTH, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_what_it_is_sent_is_there_though_it_says_nothing() {
        let (mut client, served) = connected(Many(1 << 20)).await;
        let mut said = PREFACE.to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE as large as can be, as much for the connection, and a request.
        said.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
        said.extend([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0, 0]);
        said.extend([0, 0, 8, 1, 5, 0, 0, 0, 1, 0x82, 0x87, 0x84, 0x01, 0x03]);
        said.extend(b"a.a");
        client.write_all(&said).await.expect("written");
        let started = Instant::now();
        let mut piece = [0; 1024];
        while started.elapsed() < 20 * PING {
            assert!(client.read(&mut piece).await.expect("no error") > 0, "hung up on after {:?}", started.elapsed());
            sleep(Duration::from_secs(1)).await;
        }
        assert!(!served.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_gives_up_one_request_after_the_other_is_hung_up_on() {
        let (mut client, ended, _served) = speaking(Many(2)).await;
        let mut given_up = 0;
        while !ended.is_finished() {
            let request = ask(&mut client, "GET", "/never");
            // Until the gateway has begun with it, and then until it has seen the end of it.
            sleep(Duration::from_secs(1)).await;
            drop(request);
            sleep(Duration::from_secs(1)).await;
            given_up += 1;
        }
        assert_eq!(given_up, GIVEN_UP + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_also_lets_requests_be_answered_may_give_up_as_many() {
        let (mut client, ended, _served) = speaking(Many(2)).await;
        for _ in 0..2 * GIVEN_UP {
            let given_up = ask(&mut client, "GET", "/never");
            ask(&mut client, "GET", "/").await.expect("an answer");
            drop(given_up);
            sleep(Duration::from_secs(1)).await;
        }
        assert!(!ended.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_turned_away_while_as_many_are_in_progress_as_may_be() {
        let (mut client, _ended, _served) = speaking(Many(2)).await;
        let mut others: Vec<_> = (0..ROOMS).map(|_| ask(&mut client, "GET", "/never")).collect();
        let refused = ask(&mut client, "GET", "/").await.expect_err("no room");
        assert_eq!(refused.reason(), Some(Reason::REFUSED_STREAM));
        others.pop();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(ask(&mut client, "GET", "/").await.expect("an answer").status(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_takes_as_much_room_as_a_request_for_as_long_as_it_is_open() {
        let (mut client, _ended, _served) = speaking(Many(2)).await;
        let mut tunnels = Vec::new();
        for _ in 0..ROOMS {
            let request =
                http::Request::builder().method(Method::CONNECT).uri("https://a/").body(()).expect("a request");
            let (answer, up) = client.send_request(request, false).expect("sent");
            let answer = answer.await.expect("an answer");
            assert_eq!(answer.status(), 200);
            tunnels.push((answer, up));
        }
        sleep(QUIET).await;
        let refused = ask(&mut client, "GET", "/").await.expect_err("no room");
        assert_eq!(refused.reason(), Some(Reason::REFUSED_STREAM));
        tunnels.pop();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(ask(&mut client, "GET", "/").await.expect("an answer").status(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_head_has_its_length_and_no_body() {
        let (mut client, _ended, _served) = speaking(Many(5)).await;
        let answer = ask(&mut client, "HEAD", "/").await.expect("an answer");
        assert_eq!(answer.headers()[CONTENT_LENGTH], "5");
        assert!(answer.body().is_end_stream());
    }
}
