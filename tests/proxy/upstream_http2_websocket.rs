//! WebSockets at dashboards in HTTP/2 (RFC 8441), for clients in HTTP/1.1 and in HTTP/2.

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::Builder;
use h2::{Reason, SendStream};
use http::{Method, Response};

use super::http2::world_with;
use super::http2_websocket::{self, heard};
use super::support::{End, World, field, soon, status};
use super::tunnels::ASK;
use super::upstream_http2::{Asked, Dashboard, ask, given_up, in_http2, world};

fn that_takes_websockets() -> Builder {
    Builder::new().enable_connect_protocol().clone()
}

/// That a dashboard was asked for a WebSocket.
fn check(asked: &Asked) {
    assert_eq!((asked.head.method(), asked.path()), (&Method::CONNECT, "/known/ws"));
    assert_eq!(asked.head.extensions().get::<Protocol>().map(Protocol::as_str), Some("websocket"));
    let fields = asked.head.headers();
    assert_eq!(fields["sec-websocket-version"], "13");
    assert_eq!(fields["x-vestibule-user"], "42");
    for name in ["sec-websocket-key", "connection", "upgrade", "host"] {
        assert!(!fields.contains_key(name), "{name}");
    }
}

/// A client in HTTP/1.1 and a dashboard in HTTP/2 with a WebSocket between them.
pub(crate) async fn opened(world: &World) -> (End, Dashboard, Asked, SendStream<Bytes>) {
    let mut client = world.client().await;
    client.say(format!("{ASK}Origin: http://a\r\n\r\n")).await;
    let mut dashboard = Dashboard::accept_as(world, &that_takes_websockets()).await;
    let mut asked = dashboard.asked().await;
    check(&asked);
    let down = asked.begin(Response::builder().header("sec-websocket-protocol", "chat").body(()).expect("a head"));
    let head = client.head().await;
    assert_eq!(
        (status(&head), field(&head, "upgrade"), field(&head, "connection")),
        (101, Some("websocket"), Some("upgrade"))
    );
    assert_eq!(field(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(field(&head, "sec-websocket-protocol"), Some("chat"));
    (client, dashboard, asked, down)
}

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_beside_other_requests() {
    let world = world().await;
    let (mut client, mut dashboard, mut asked, mut down) = opened(&world).await;
    client.say("ping").await;
    assert_eq!(asked.piece().await.expect("a piece"), "ping");
    let pong = "pong".repeat(50_000);
    down.send_data(pong.clone().into(), false).expect("sent");
    assert!(client.exactly(pong.len()).await == pong, "as it was sent");

    let mut other = ask(&world, "/other").await;
    dashboard.asked().await.answer("other");
    other.until("other\r\n").await;

    down.send_data("bye".into(), true).expect("sent");
    assert_eq!(client.exactly(3).await, "bye");
    drop(client);
    assert_eq!(asked.piece().await, None, "an end that is passed on");
}

#[tokio::test]
async fn a_client_in_http_2_gets_one_as_well() {
    let (world, client) = world_with(in_http2()).await;
    let (answer, mut up) = http2_websocket::ask(&client, "websocket", &[]).await;
    let mut dashboard = Dashboard::accept_as(&world, &that_takes_websockets()).await;
    let mut asked = dashboard.asked().await;
    check(&asked);
    let mut back = asked.begin(Response::new(()));
    let (head, mut down) = soon(answer).await.expect("an answer").into_parts();
    assert_eq!((head.status.as_u16(), head.headers.get("sec-websocket-accept")), (200, None));
    up.send_data("ping".into(), false).expect("sent");
    assert_eq!(asked.piece().await.expect("a piece"), "ping");
    back.send_data("pong".into(), false).expect("sent");
    assert_eq!(heard(&mut down, 4).await, "pong");
    up.send_reset(Reason::CANCEL);
    drop(down);
    let reason = soon(async { asked.body.data().await.and_then(Result::err).and_then(|error| error.reason()) }).await;
    assert!(matches!(reason, None | Some(Reason::CANCEL)), "{reason:?}");
}

#[tokio::test]
async fn a_websocket_ends_with_the_session_that_opened_it_and_its_connection_lives_on() {
    let world = world().await;
    let (mut client, mut dashboard, _asked, mut down) = opened(&world).await;
    let holders = world.tunnels.holders();
    assert_eq!(holders.len(), 1);
    world.tunnels.end(&holders[0]);
    assert_eq!(client.rest().await, "");
    assert_eq!(given_up(&mut down).await, Reason::CANCEL);
    assert!(world.tunnels.holders().is_empty());
    let _other = ask(&world, "/other").await;
    assert_eq!(dashboard.asked().await.path(), "/other");
}

#[tokio::test]
async fn nothing_but_200_opens_a_tunnel() {
    let world = world().await;
    let mut dashboard = None;
    for (code, expected) in [(403, 403), (302, 302), (204, 502), (101, 502)] {
        let mut client = world.client().await;
        client.say(format!("{ASK}\r\nGET /smuggled HTTP/1.1\r\n\r\n")).await;
        if dashboard.is_none() {
            dashboard = Some(Dashboard::accept_as(&world, &that_takes_websockets()).await);
        }
        let mut asked = dashboard.as_mut().expect("there by now").asked().await;
        let head = Response::builder().status(code).body(()).expect("a head");
        if asked.respond.send_response(head, true).is_err() {
            // No library sends it as an answer.
            asked.respond.send_reset(Reason::INTERNAL_ERROR);
        }
        assert_eq!(status(&client.head().await), expected, "{code}");
        assert!(asked.piece_or_reset().await.is_none(), "nothing is relayed");
    }
    assert!(world.tunnels.holders().is_empty());
}

#[tokio::test]
async fn what_takes_no_websockets_in_http_2_is_not_asked_in_http_1_1_on_a_guess() {
    let world = world().await;
    let mut client = world.client().await;
    client.say(format!("{ASK}\r\n")).await;
    let mut dashboard = Dashboard::accept(&world).await;
    assert_eq!(status(&client.answer().await.0), 502);
    client.say("GET /1 HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM TlRM\r\n\r\n").await;
    assert_eq!(status(&client.answer().await.0), 502, "nor is a login of a connection");
    client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(dashboard.asked().await.path(), "/2");
}
