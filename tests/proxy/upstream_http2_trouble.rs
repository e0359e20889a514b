//! A dashboard in HTTP/2 that refuses, breaks off, says nonsense, or nothing.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http2::{arrived_at, request};
use super::http2_frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, SETTINGS, frame, head};
use super::support::{Options, World, soon, status};
use super::upstream_http2::{Dashboard, ask, in_http2, world};

const CONTINUATION: u8 = 9;

/// A dashboard's end of a connection, frame by frame.
struct Raw(TcpStream);

impl Raw {
    async fn accept(world: &World) -> Self {
        let mut raw = Self(world.origin.accept_tcp().await);
        let mut preface = [0; 24];
        soon(raw.0.read_exact(&mut preface)).await.expect("a preface");
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        raw.say(&[frame(SETTINGS, 0, 0, &[])]).await;
        raw
    }

    /// The one that is there already, or the first.
    async fn still<'a>(there: &'a mut Option<Self>, world: &World) -> &'a mut Self {
        match there {
            Some(raw) => raw,
            none => none.insert(Self::accept(world).await),
        }
    }

    async fn say(&mut self, frames: &[Vec<u8>]) {
        soon(self.0.write_all(&frames.concat())).await.expect("the gateway listens");
    }

    /// The stream and the payload of the next frame of this kind, or nothing once the gateway has hung up.
    async fn next(&mut self, kind: u8) -> Option<(u32, Vec<u8>)> {
        loop {
            let mut start = [0; 9];
            soon(self.0.read_exact(&mut start)).await.ok()?;
            let mut payload = vec![0; usize::from(start[1]) << 8 | usize::from(start[2])];
            soon(self.0.read_exact(&mut payload)).await.ok()?;
            if start[3] == kind {
                return Some((u32::from_be_bytes(start[5..].try_into().expect("four bytes")), payload));
            }
        }
    }

    /// The stream that the next request comes on.
    async fn asked(&mut self) -> u32 {
        self.next(HEADERS).await.expect("a request").0
    }

    /// Why the next stream is reset.
    async fn reset(&mut self) -> Reason {
        let (_, reason) = self.next(RST_STREAM).await.expect("a reset");
        Reason::from(u32::from_be_bytes(reason.try_into().expect("four bytes")))
    }
}

fn answer(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head(&[&[(":status", "200")], fields].concat()))
}

fn body(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, text.as_bytes())
}

fn reset(stream: u32, reason: Reason) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &u32::from(reason).to_be_bytes())
}

/// Streams above the last are not looked at.
fn go_away(last: u32, reason: Reason) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat())
}

#[tokio::test]
async fn a_request_that_was_refused_unseen_is_asked_again_if_none_of_its_body_was_taken() {
    let world = world().await;
    let mut client = ask(&world, "/").await;
    let mut dashboard = Dashboard::accept(&world).await;
    dashboard.asked().await.respond.send_reset(Reason::REFUSED_STREAM);
    dashboard.asked().await.answer("again");
    client.until("again\r\n").await;

    let mut client = world.client().await;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    dashboard.asked().await.respond.send_reset(Reason::REFUSED_STREAM);
    let mut asked = dashboard.asked().await;
    client.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.say("data").await;
    assert_eq!(asked.piece().await.expect("a piece"), "data");
    asked.answer("again");
    client.until("again\r\n0\r\n\r\n").await;

    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\ndata").await;
    let mut asked = dashboard.asked().await;
    assert_eq!(asked.piece().await.expect("a piece"), "data");
    asked.respond.send_reset(Reason::REFUSED_STREAM);
    assert_eq!(status(&client.answer().await.0), 502);
    let _next = ask(&world, "/next").await;
    assert_eq!(dashboard.asked().await.path(), "/next", "it was not asked again");
}

#[tokio::test]
async fn a_dashboard_that_refuses_everything_is_not_asked_for_ever() {
    let world = world().await;
    let mut client = ask(&world, "/").await;
    let mut dashboard = Dashboard::accept(&world).await;
    for _ in 0..5 {
        dashboard.asked().await.respond.send_reset(Reason::REFUSED_STREAM);
    }
    assert_eq!(status(&client.answer().await.0), 502);
    let _next = ask(&world, "/next").await;
    assert_eq!(dashboard.asked().await.path(), "/next");
}

#[tokio::test]
async fn a_request_that_may_have_been_seen_is_never_asked_again() {
    let world = world().await;
    let mut client = ask(&world, "/").await;
    let mut dashboard = Dashboard::accept(&world).await;
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR, Reason::HTTP_1_1_REQUIRED] {
        dashboard.asked().await.respond.send_reset(reason);
        assert_eq!(status(&client.answer().await.0), 502, "{reason}");
        client.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    assert_eq!(dashboard.asked().await.path(), "/next");
    drop(dashboard);
}

#[tokio::test]
async fn a_connection_that_breaks_off_fails_what_is_on_it_and_is_replaced() {
    let world = world().await;
    let mut alice = ask(&world, "/answered").await;
    let mut raw = Raw::accept(&world).await;
    let stream = raw.asked().await;
    raw.say(&[answer(stream, &[]), frame(DATA, 0, stream, b"half")]).await;
    alice.until("half\r\n").await;
    let mut bob = ask(&world, "/waiting").await;
    raw.asked().await;
    drop(raw);
    assert_eq!(alice.rest().await, "", "without the last chunk");
    assert_eq!(status(&bob.answer().await.0), 502);
    bob.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(Dashboard::accept(&world).await.asked().await.path(), "/next");
}

#[tokio::test]
async fn a_dashboard_that_takes_no_request_at_all_is_given_up_in_time() {
    let world = World::with(Options { connect_timeout: Duration::from_millis(300), ..in_http2() }).await;
    let mut client = ask(&world, "/").await;
    let _idle = Dashboard::accept_as(&world, Builder::new().max_concurrent_streams(0)).await;
    assert_eq!(status(&client.answer().await.0), 504);
}

#[tokio::test]
async fn a_dashboard_that_takes_leave_answers_what_it_has_and_others_ask_on_a_new_connection() {
    let world = world().await;
    let mut alice = ask(&world, "/slow").await;
    let mut leaving = Dashboard::accept(&world).await;
    let slow = leaving.asked().await;
    leaving.take_leave();
    let mut bob = ask(&world, "/1").await;
    // It may still come where leave is being taken.
    let mut dashboard = tokio::select! {
        asked = leaving.asked() => {
            asked.answer("one");
            bob.until("one\r\n0\r\n\r\n").await;
            bob.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
            Dashboard::accept(&world).await
        }
        dashboard = Dashboard::accept(&world) => dashboard,
    };
    dashboard.asked().await.answer("two");
    bob.until("two\r\n").await;
    slow.answer("slow");
    alice.until("slow\r\n").await;
    leaving.ended().await;
}

#[tokio::test]
async fn requests_above_the_last_that_was_looked_at_are_asked_again_and_no_others() {
    let world = world().await;
    let mut seen = ask(&world, "/seen").await;
    let mut raw = Raw::accept(&world).await;
    let last = raw.asked().await;
    let mut unseen = ask(&world, "/unseen").await;
    raw.asked().await;
    raw.say(&[go_away(last, Reason::ENHANCE_YOUR_CALM)]).await;
    let mut dashboard = Dashboard::accept(&world).await;
    let asked = dashboard.asked().await;
    assert_eq!(asked.path(), "/unseen");
    asked.answer("unseen");
    unseen.until("unseen\r\n").await;
    drop(raw);
    assert_eq!(status(&seen.answer().await.0), 502);
    let _next = ask(&world, "/next").await;
    assert_eq!(dashboard.asked().await.path(), "/next");
}

#[tokio::test]
async fn malformed_answers_are_a_bad_gateway_and_their_streams_end() {
    let rows: &[&[(&str, &str)]] = &[
        &[("connection", "close")],
        &[("keep-alive", "timeout=5")],
        &[("proxy-connection", "close")],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "websocket")],
        &[("X-Upper", "x")],
        &[("x y", "x")],
        &[("", "x")],
        &[("x", "a\r\nb: c")],
        &[("x", "a\0b")],
        &[("x", " padded")],
        &[("x", "padded\t")],
        &[("x", "y"), (":status", "200")],
        &[(":status", "201")],
        &[("content-length", "x")],
        &[("content-length", "1"), ("content-length", "2")],
    ];
    let world = world().await;
    for fields in rows {
        let mut client = ask(&world, "/").await;
        let mut raw = Raw::accept(&world).await;
        let stream = raw.asked().await;
        raw.say(&[answer(stream, fields)]).await;
        let (head, body) = client.answer().await;
        assert_eq!((status(&head), body.as_str()), (502, ""), "{fields:?}");
        // What is no name of a field, the library takes for the end of the connection.
        if let Some((reset, _)) = raw.next(RST_STREAM).await {
            assert_eq!(reset, stream, "{fields:?}");
            raw.say(&[go_away(stream, Reason::NO_ERROR)]).await;
        }
    }
}

#[tokio::test]
async fn a_head_without_end_is_a_bad_gateway() {
    let world = world().await;
    let endless = head(&[("x", &"y".repeat(100))]).repeat(100);
    let mut client = ask(&world, "/large").await;
    let mut raw = Raw::accept(&world).await;
    let stream = raw.asked().await;
    raw.say(&[frame(HEADERS, 0, stream, &head(&[(":status", "200")]))]).await;
    // However much of it the gateway takes.
    for _ in 0..1000 {
        if raw.0.write_all(&frame(CONTINUATION, 0, stream, &endless)).await.is_err() {
            break;
        }
    }
    assert_eq!(status(&client.answer().await.0), 502);

    let mut client = ask(&world, "/over-the-limit").await;
    let mut raw = Raw::accept(&world).await;
    let stream = raw.asked().await;
    let half = head(&[(":status", "200")]).into_iter().chain(endless.repeat(2)).collect::<Vec<_>>();
    let (first, rest) = half.split_at(16_000);
    raw.say(&[frame(HEADERS, 0, stream, first), frame(CONTINUATION, 0, stream, &rest[..rest.len() / 2])]).await;
    raw.say(&[frame(CONTINUATION, 0, stream, &rest[rest.len() / 2..])]).await;
    let filler = head(&[("x", &"y".repeat(100))]).repeat(140);
    for flags in [0, 0, 0, 0, END_HEADERS] {
        drop(raw.0.write_all(&frame(CONTINUATION, flags, stream, &filler)).await);
    }
    assert_eq!(status(&client.answer().await.0), 502);
}

#[tokio::test]
async fn an_answer_that_is_not_as_long_as_it_says_is_seen_to_break_off() {
    let world = world().await;
    for said in ["four", "six!!!"] {
        let mut client = ask(&world, "/").await;
        let mut raw = Raw::accept(&world).await;
        let stream = raw.asked().await;
        raw.say(&[answer(stream, &[("content-length", "5")])]).await;
        client.head().await;
        raw.say(&[body(stream, said)]).await;
        let got = client.rest().await;
        assert!(got.len() < 5 && "four".starts_with(&got), "{got}");
        assert_eq!(raw.reset().await, Reason::PROTOCOL_ERROR);
    }
}

/// Whoever has the dashboard say what is wrong, or gives up what it still says, would take the connection from all others.
#[tokio::test]
async fn however_many_answers_end_badly_the_connection_goes_on_for_others() {
    let world = world().await;
    let mut raw = None;
    for _ in 0..1_100 {
        let mut client = ask(&world, "/").await;
        let raw = Raw::still(&mut raw, &world).await;
        let stream = raw.asked().await;
        raw.say(&[answer(stream, &[("content-length", "5")]), body(stream, "six!!!")]).await;
        client.rest().await;
    }
    let (mut client, mut raw) = (ask(&world, "/next").await, raw.expect("a connection"));
    let stream = raw.asked().await;
    raw.say(&[answer(stream, &[]), body(stream, "whole")]).await;
    client.until("whole\r\n0\r\n\r\n").await;
}

/// A client that reads nothing leaves as much of its answers with the gateway as the dashboard may send ahead, in however
/// small pieces that comes.
#[tokio::test]
async fn small_pieces_that_nobody_reads_end_nobody_elses_answer() {
    let (world, stream) = arrived_at(&["h2"], in_http2()).await;
    let (client, connection) =
        soon(h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut client = soon(client.ready()).await.expect("ready");
    let mut kept = Vec::new();
    let mut raw = None;
    for _ in 0..4 {
        kept.push(client.send_request(request(Method::GET, "/"), true).expect("sent"));
        let raw = Raw::still(&mut raw, &world).await;
        let stream = raw.asked().await;
        raw.say(&[answer(stream, &[])]).await;
        let pieces = vec![frame(DATA, 0, stream, &[b'x'; 10]); 13_000];
        raw.say(&pieces).await;
    }
    let mut raw = raw.expect("a connection");
    let (last, _) = client.send_request(request(Method::HEAD, "/next"), true).expect("sent");
    let stream = raw.asked().await;
    raw.say(&[frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(&[(":status", "200")]))]).await;
    assert_eq!(soon(last).await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn an_answer_that_is_reset_is_seen_to_break_off_whatever_the_reason() {
    let world = world().await;
    for fields in [&[][..], &[("content-length", "100")]] {
        for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
            let mut client = ask(&world, "/").await;
            let mut raw = Raw::accept(&world).await;
            let stream = raw.asked().await;
            raw.say(&[answer(stream, fields)]).await;
            client.head().await;
            raw.say(&[frame(DATA, 0, stream, b"half"), reset(stream, reason)]).await;
            let got = client.rest().await;
            assert!(!got.contains("0\r\n\r\n") && got.len() < 100, "{reason}: {got}");
            raw.say(&[go_away(stream, Reason::NO_ERROR)]).await;
        }
    }
}

#[tokio::test]
async fn so_is_one_whose_upload_goes_on() {
    let world = world().await;
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let mut client = world.client().await;
        client.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
        let mut raw = Raw::accept(&world).await;
        let stream = raw.asked().await;
        raw.next(DATA).await.expect("a piece");
        raw.say(&[answer(stream, &[])]).await;
        client.head().await;
        raw.say(&[frame(DATA, 0, stream, b"half"), reset(stream, reason)]).await;
        let got = client.rest().await;
        assert!(!got.contains("0\r\n\r\n"), "{reason}: {got}");
        raw.say(&[go_away(stream, Reason::NO_ERROR)]).await;
    }
}

#[tokio::test]
async fn a_whole_answer_whose_stream_is_reset_because_of_the_upload_is_whole() {
    let world = world().await;
    for fields in [&[][..], &[("content-length", "3")]] {
        let mut client = world.client().await;
        client.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
        let mut raw = Raw::accept(&world).await;
        let stream = raw.asked().await;
        raw.next(DATA).await.expect("a piece");
        raw.say(&[answer(stream, fields), body(stream, "big"), reset(stream, Reason::NO_ERROR)]).await;
        let head = client.head().await;
        assert_eq!(status(&head), 200);
        let expected = if fields.is_empty() { "3\r\nbig\r\n0\r\n\r\n" } else { "big" };
        assert_eq!(client.rest().await, expected);
        raw.say(&[go_away(stream, Reason::NO_ERROR)]).await;
    }
}

#[tokio::test]
async fn silence_is_a_gateway_timeout_and_resets_the_stream_alone() {
    let world = World::with(Options { answer_timeout: Duration::from_millis(300), ..in_http2() }).await;
    let mut client = ask(&world, "/slow").await;
    let mut dashboard = Dashboard::accept(&world).await;
    let mut slow = dashboard.asked().await;
    assert_eq!(status(&client.answer().await.0), 504);
    assert_eq!(slow.given_up().await, Reason::CANCEL);
    client.say("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n").await;
    dashboard.asked().await.answer("quick");
    client.until("quick\r\n").await;
}

#[tokio::test]
async fn whoever_does_not_speak_http_2_is_not_asked_anything() {
    let world = world().await;
    for says in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ""] {
        let mut client = ask(&world, "/secret").await;
        let mut origin = world.origin.accept().await;
        origin.exactly(24).await;
        origin.say(says).await;
        tokio::io::AsyncWriteExt::shutdown(&mut origin.stream).await.expect("an end");
        assert_eq!(status(&client.answer().await.0), 502);
        let mut rest = Vec::new();
        drop(soon(origin.stream.read_to_end(&mut rest)).await);
        assert!(!rest.windows(6).any(|piece| piece == b"secret"), "{rest:?}");
    }
}

#[tokio::test]
async fn a_dashboard_that_gives_leave_for_fewer_requests_gets_no_more_than_that() {
    let world = world().await;
    let mut alice = ask(&world, "/1").await;
    let mut raw = Raw::accept(&world).await;
    let one = raw.asked().await;
    let max_concurrent_streams = [0, 3, 0, 0, 0, 1];
    raw.say(&[frame(SETTINGS, 0, 0, &max_concurrent_streams)]).await;
    // That the gateway says to have read.
    raw.next(SETTINGS).await.expect("agreed");
    let mut bob = ask(&world, "/2").await;
    let mut second = Dashboard::accept(&world).await;
    second.asked().await.answer("two");
    bob.until("two\r\n").await;
    raw.say(&[answer(one, &[("content-length", "3")]), body(one, "one")]).await;
    assert_eq!(alice.answer().await.1, "one");
}

#[tokio::test]
async fn a_client_that_breaks_its_upload_is_told_so() {
    let world = world().await;
    let mut client = world.client().await;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n").await;
    let mut asked = Dashboard::accept(&world).await.asked().await;
    assert_eq!(asked.given_up().await, Reason::CANCEL);
    assert_eq!(status(&client.answer().await.0), StatusCode::BAD_REQUEST.as_u16());
}
