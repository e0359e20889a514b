//! Tunnels and event streams, and how they end.

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http2::{self, arrived, request, send, text};
use super::streaming::write_until_stuck;
use super::support::{End, World, field, soon, status};

pub(crate) const ASK: &str = "GET /known/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
pub(crate) const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A client and an origin with a WebSocket between them.
async fn opened(world: &World) -> (End, End) {
    opened_by(world.client().await, "http", world).await
}

/// The same for this client, whose page came by that scheme.
async fn opened_by(mut client: End, scheme: &str, world: &World) -> (End, End) {
    client.say(format!("{ASK}Origin: {scheme}://a\r\n\r\n")).await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert_eq!((field(&head, "upgrade"), field(&head, "connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(field(&head, "sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    origin.say(AGREE).await;
    let head = client.head().await;
    assert_eq!((status(&head), field(&head, "upgrade")), (101, Some("websocket")));
    assert_eq!(field(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    (client, origin)
}

/// Sees that what either says comes to the other.
async fn carry_bytes(client: &mut End, origin: &mut End) {
    client.say("ping").await;
    assert_eq!(origin.exactly(4).await, "ping");
    let pong = "pong".repeat(100_000);
    let answering = async { origin.say(&pong).await };
    let ((), answer) = tokio::join!(answering, client.exactly(pong.len()));
    assert!(answer == pong, "as it was sent");
}

/// Ends what the one who has something open has open.
fn end_session(world: &World) {
    let holders = world.tunnels.holders();
    assert_eq!(holders.len(), 1);
    world.tunnels.end(&holders[0]);
}

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_until_both_ends_are_through() {
    let world = World::new().await;
    let (mut client, mut origin) = opened(&world).await;
    carry_bytes(&mut client, &mut origin).await;
    drop(client);
    assert_eq!(origin.rest().await, "");
}

#[tokio::test]
async fn a_websocket_over_tls_carries_bytes_both_ways_and_ends_with_its_session() {
    let (world, stream) = arrived(&["http/1.1"]).await;
    let (mut client, mut origin) = opened_by(End::of(stream), "https", &world).await;
    carry_bytes(&mut client, &mut origin).await;
    end_session(&world);
    assert_eq!((client.rest().await, origin.rest().await), (String::new(), String::new()));
}

#[tokio::test]
async fn nothing_is_relayed_before_the_dashboard_agrees() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(format!("{ASK}\r\nGET /smuggled HTTP/1.1\r\n\r\n")).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (403, "no"));
    assert_eq!(origin.rest().await, "", "and the connection is not used again");
}

#[tokio::test]
async fn bytes_that_come_with_the_agreement_are_relayed() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(format!("{ASK}\r\n")).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    let welcome = "welcome".repeat(100_000);
    let welcoming = async { origin.say(format!("{AGREE}{welcome}")).await };
    let ((), head) = tokio::join!(welcoming, client.head());
    assert_eq!(status(&head), 101);
    assert!(client.exactly(welcome.len()).await == welcome, "as it was sent");
}

#[tokio::test]
async fn a_switch_in_the_middle_of_a_request_is_a_bad_gateway() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(format!("{ASK}Content-Length: 5\r\n\r\nhell")).await;
    let mut origin = world.origin.accept().await;
    origin.until("hell").await;
    origin.say(format!("{AGREE}welcome")).await;
    assert_eq!(status(&client.answer().await.0), 502);
    assert_eq!(origin.rest().await, "");
}

#[tokio::test]
async fn a_switch_to_something_else_is_a_bad_gateway() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(format!("{ASK}\r\n")).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").await;
    assert_eq!(status(&client.answer().await.0), 502);
    assert_eq!(origin.rest().await, "");
}

#[tokio::test]
async fn pages_of_other_origins_get_no_websocket() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(format!("{ASK}Origin: https://evil.example\r\n\r\n")).await;
    assert_eq!(status(&client.answer().await.0), 403);
    world.nothing_arrived().await;
}

#[tokio::test]
async fn a_websocket_ends_with_the_session_that_opened_it() {
    let world = World::new().await;
    let (mut client, mut origin) = opened(&world).await;
    end_session(&world);
    assert_eq!((client.rest().await, origin.rest().await), (String::new(), String::new()));
    assert!(world.tunnels.holders().is_empty());
}

#[tokio::test]
async fn a_websocket_that_closed_is_no_longer_listed() {
    let world = World::new().await;
    let (client, origin) = opened(&world).await;
    assert_eq!(world.tunnels.holders().len(), 1);
    drop((client, origin));
    soon(async {
        while !world.tunnels.holders().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_stream_is_cut_visibly_with_its_session() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/known/events").await;
    origin
        .say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n\
             7\r\ndata: 1\r\n",
        )
        .await;
    client.until("data: 1\r\n").await;
    end_session(&world);
    assert_eq!(client.rest().await, "", "without the last chunk");
    assert_eq!(origin.rest().await, "");
}

#[tokio::test]
async fn an_event_stream_that_ended_by_itself_is_no_longer_listed() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/known/events").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Type: TEXT/EVENT-STREAM\r\nContent-Length: 7\r\n\r\ndata: 1").await;
    assert_eq!(client.answer().await.1, "data: 1");
    client.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(origin.head().await.starts_with("GET /next "));
    assert!(world.tunnels.holders().is_empty());
}

#[tokio::test]
async fn over_tls_an_event_arrives_before_the_next_is_said() {
    let (world, stream) = arrived(&["http/1.1"]).await;
    let mut client = End::of(stream);
    client.say("GET /known/events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(field(&client.head().await, "transfer-encoding"), Some("chunked"));
    for event in ["9\r\ndata: 1\n\n\r\n", "9\r\ndata: 2\n\n\r\n", "0\r\n\r\n"] {
        origin.say(event).await;
        assert_eq!(client.exactly(event.len()).await, event);
    }
}

/// Answers with an event stream that says more than anybody takes, ends its session, and waits for the connection to end.
async fn flood_until_the_session_ends(world: &World) {
    let mut origin = world.origin.accept_tcp().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    soon(origin.write_all(head.as_bytes())).await.expect("written");
    write_until_stuck(&origin, usize::MAX).await;
    end_session(world);
    let mut request = Vec::new();
    while matches!(soon(origin.read_buf(&mut request)).await, Ok(1..)) {}
}

#[tokio::test]
async fn an_event_stream_that_nobody_reads_ends_with_its_session() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("GET /known/events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    flood_until_the_session_ends(&world).await;
    assert!(world.tunnels.holders().is_empty());
    assert!(!client.rest().await.ends_with("\r\n0\r\n\r\n"), "without the last chunk");
}

#[tokio::test]
async fn so_does_one_in_http_2() {
    let (world, client) = http2::world().await;
    let answer = send(&client, request(Method::GET, "/known/events")).await;
    flood_until_the_session_ends(&world).await;
    let mut body = soon(answer).await.expect("an answer").into_body();
    assert!(text(&mut body).await.is_err(), "by a reset");
    let next = send(&client, request(Method::GET, "/next")).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(next).await.expect("its connection lives on").status(), 204);
}
