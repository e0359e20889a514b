//! Questions in HTTP/2, as an Envoy may put them.

use bytes::Bytes;
use h2::Reason;
use http::{Request, StatusCode, Version};
use tokio::net::TcpStream;

use crate::asking::asked;
use crate::support::http::within;
use crate::support::world::World;

#[tokio::test]
async fn they_are_answered_like_others_and_their_bodies_are_not_read() {
    let world = World::open(asked().with("[server]\n", "[server]\nh2c = true\n")).await;
    let bob = world.enrolled("bob").await;
    let cookies = [("sid", bob.cookie("sid")), ("vestibule", bob.session())];
    let stream = TcpStream::connect(world.gateway()).await.expect("the gateway listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut client = client.ready().await.expect("ready");

    let request = |target: &str| {
        let uri = format!("http://{}/_2fa/auth/envoy{target}", world.gateway());
        let request = Request::post(uri).version(Version::HTTP_2);
        let request = request.header("x-forwarded-proto", "http").header("x-forwarded-for", "127.0.0.1");
        // Each cookie by itself, as HTTP/2 has them.
        cookies.iter().fold(request, |request, (name, value)| {
            request.header("cookie", format!("{name}={}", value.as_deref().expect("a cookie")))
        })
    };
    for (target, expected) in [("/reports", StatusCode::OK), ("", StatusCode::FORBIDDEN)] {
        let request = request(target).body(()).expect("a request");
        let (answer, mut body) = client.send_request(request, false).expect("sent");
        body.send_data(Bytes::from_static(b"some of it"), false).expect("sent");
        let answer = within("an answer", answer).await.expect("an answer");
        assert_eq!(answer.status(), expected, "{target}");
        if expected == StatusCode::OK {
            assert_eq!(answer.headers()["x-vestibule-user"], "id-bob");
            assert_eq!(answer.headers()["cookie"], format!("sid={}", bob.cookie("sid").expect("a login")));
        }
        let reset = std::future::poll_fn(|cx| body.poll_reset(cx));
        assert_eq!(within("the end of the stream", reset).await.expect("a reset"), Reason::NO_ERROR);
    }
    let (answer, _) = client.send_request(request("/reports").body(()).expect("a request"), true).expect("sent");
    assert_eq!(within("an answer", answer).await.expect("an answer").status(), StatusCode::OK, "the connection stays");
}
