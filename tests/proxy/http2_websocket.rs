//! WebSockets of clients in HTTP/2 (RFC 8441), at dashboards in HTTP/1.1.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response};

use super::http2::{begin, request, text, whole, world};
use super::support::{End, World, field, soon};
use super::tls::NAME;
use super::{upstream_http2, upstream_http2_websocket};

pub(crate) async fn ask(
    client: &SendRequest<Bytes>,
    protocol: &'static str,
    fields: &[(&'static str, &str)],
) -> (ResponseFuture, SendStream<Bytes>) {
    // The gateway's settings say so.
    soon(async {
        while !client.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut asked: Request<()> = request(Method::CONNECT, "/known/ws");
    asked.extensions_mut().insert(Protocol::from(protocol));
    for (name, value) in [&[("sec-websocket-version", "13")], fields].concat() {
        asked.headers_mut().append(name, value.parse().expect("a value"));
    }
    begin(client, asked).await
}

/// What a dashboard agrees with to the key in this head.
fn agreement(head: &str) -> String {
    let key = field(head, "sec-websocket-key").expect("a key");
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let accept = data_encoding::BASE64.encode(digest.as_ref());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Content-Length: 0\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Both ends of a WebSocket.
async fn opened(world: &World, client: &SendRequest<Bytes>) -> (SendStream<Bytes>, RecvStream, End) {
    let origin_of_page = format!("https://{NAME}");
    let fields = [("origin", origin_of_page.as_str()), ("sec-websocket-protocol", "chat"), ("cookie", "sid=1")];
    let (answer, up) = ask(client, "websocket", &fields).await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert!(head.starts_with("GET /known/ws HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("host", NAME),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
        ("cookie", "sid=1"),
        ("x-vestibule-user", "42"),
    ] {
        assert_eq!(field(&head, name), Some(value), "{name}");
    }
    assert_eq!((field(&head, "content-length"), field(&head, "transfer-encoding")), (None, None));
    origin.say(format!("{}welcome", agreement(&head))).await;
    let (head, mut down) = soon(answer).await.expect("an answer").into_parts();
    assert_eq!(head.status, 200);
    assert_eq!(head.headers["sec-websocket-protocol"], "chat");
    for name in ["connection", "upgrade", "sec-websocket-accept", "content-length"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    assert_eq!(heard(&mut down, 7).await, "welcome");
    (up, down, origin)
}

pub(crate) async fn heard(down: &mut RecvStream, count: usize) -> String {
    let mut heard = Vec::new();
    while heard.len() < count {
        let piece = soon(down.data()).await.expect("no end yet").expect("no reset");
        down.flow_control().release_capacity(piece.len()).expect("taken");
        heard.extend_from_slice(&piece);
    }
    String::from_utf8(heard).expect("text")
}

async fn refused(answer: ResponseFuture) -> Response<()> {
    whole(answer).await.0
}

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_beside_other_requests() {
    let (world, client) = world().await;
    let (mut up, mut down, mut origin) = opened(&world, &client).await;
    up.send_data("ping".into(), false).expect("sent");
    assert_eq!(origin.exactly(4).await, "ping");
    let pong = "pong".repeat(100_000);
    let ((), answer) = tokio::join!(origin.say(&pong), heard(&mut down, pong.len()));
    assert!(answer == pong, "as it was sent");

    let (other, _) = begin(&client, request(Method::HEAD, "/other")).await;
    let mut beside = world.origin.accept().await;
    beside.head().await;
    beside.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(refused(other).await.status(), 204);

    up.send_data("bye".into(), true).expect("sent");
    assert_eq!(origin.rest().await, "bye");
    drop(origin);
    assert_eq!(text(&mut down).await.unwrap_or_default(), "", "and no more");
}

#[tokio::test]
async fn nothing_is_relayed_before_the_dashboard_agrees_and_nothing_but_101_opens_a_tunnel() {
    let (world, client) = world().await;
    let rows = [
        ("403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", 302),
        ("200 OK\r\nContent-Length: 4\r\n\r\npage", 501),
        ("204 No Content\r\n\r\n", 501),
        ("101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 502),
        ("101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
        (
            "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
        ),
    ];
    for (says, expected) in rows {
        let (answer, mut up) = ask(&client, "websocket", &[]).await;
        up.send_data("GET /smuggled HTTP/1.1\r\n\r\n".into(), false).expect("sent");
        let mut origin = world.origin.accept().await;
        origin.head().await;
        origin.say(format!("HTTP/1.1 {says}")).await;
        assert_eq!(refused(answer).await.status(), expected, "{says}");
        assert_eq!(origin.rest().await, "", "and the connection is not used again");
    }
    assert!(world.tunnels.holders().is_empty());
}

#[tokio::test]
async fn pages_of_other_origins_and_other_protocols_get_nothing() {
    let (world, client) = world().await;
    let (answer, _up) = ask(&client, "websocket", &[("origin", "https://evil.example")]).await;
    assert_eq!(refused(answer).await.status(), 403);
    for protocol in ["connect-udp", "webtransport", "WebSocket"] {
        assert_eq!(refused(ask(&client, protocol, &[]).await.0).await.status(), 405, "{protocol}");
    }
    let mut plain = Request::new(());
    *plain.method_mut() = Method::CONNECT;
    *plain.uri_mut() = format!("{NAME}:443").parse().expect("an authority");
    assert_eq!(refused(begin(&client, plain).await.0).await.status(), 405);
    let (next, _) = begin(&client, request(Method::HEAD, "/next")).await;
    assert!(world.origin.accept().await.head().await.starts_with("HEAD /next "), "nothing arrived before");
    drop(next);
}

#[tokio::test]
async fn a_websocket_ends_with_the_session_that_opened_it_and_its_connection_lives_on() {
    let (world, client) = world().await;
    let (_up, mut down, mut origin) = opened(&world, &client).await;
    let holders = world.tunnels.holders();
    assert_eq!(holders.len(), 1);
    world.tunnels.end(&holders[0]);
    assert_eq!(text(&mut down).await.unwrap_or_default(), "", "and no more");
    assert_eq!(origin.rest().await, "");
    assert!(world.tunnels.holders().is_empty());
    let _another = opened(&world, &client).await;
}

#[tokio::test]
async fn a_client_that_resets_its_websocket_or_goes_away_is_no_longer_listed() {
    let (world, client) = world().await;
    let (mut up, down, mut origin) = opened(&world, &client).await;
    up.send_reset(Reason::CANCEL);
    assert_eq!(origin.rest().await, "");
    drop((up, down, origin));
    closed(&world).await;
}

#[tokio::test]
async fn so_is_one_whose_dashboard_says_nothing_to_that() {
    let (world, client) = world().await;
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        for has_said_its_last in [false, true] {
            let (mut up, _down, mut origin) = opened(&world, &client).await;
            if has_said_its_last {
                up.send_data(Bytes::new(), true).expect("sent");
                assert_eq!(origin.rest().await, "");
            }
            up.send_reset(reason);
            closed(&world).await;
            assert_eq!(origin.rest().await, "", "{reason}");
        }
    }
}

#[tokio::test]
async fn so_is_one_whose_dashboard_in_http_2_gives_it_up() {
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        for has_said_its_last in [false, true] {
            let world = upstream_http2::world().await;
            let (mut client, _dashboard, _asked, mut down) = upstream_http2_websocket::opened(&world).await;
            if has_said_its_last {
                down.send_data(Bytes::new(), true).expect("sent");
                assert_eq!(client.rest().await, "");
            }
            down.send_reset(reason);
            closed(&world).await;
            assert_eq!(client.rest().await, "", "{reason}");
        }
    }
}

/// Waits until no WebSocket is open, though neither end may have closed one.
async fn closed(world: &World) {
    let gone = async {
        while !world.tunnels.holders().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(gone).await;
}
