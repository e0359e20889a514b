//! A dashboard that breaks off, says nonsense, or nothing.

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule::config::UpstreamAddress;

use super::http2::arrived;
use super::support::{Options, World, field, soon, status};

#[tokio::test]
async fn nonsense_is_a_bad_gateway_and_never_reaches_the_client() {
    let nonsense = [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: line\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nxx",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nnonsense\r\n\r\n",
    ];
    let world = World::new().await;
    for answer in nonsense {
        let (mut client, mut origin) = world.asked("/").await;
        origin.say(answer).await;
        // Nothing but the end would come after this.
        drop(origin);
        let (head, body) = client.answer().await;
        assert_eq!((status(&head), body.as_str()), (502, ""), "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_a_bad_gateway() {
    for head in ["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 103 Early Hints\r\nX: "] {
        let world = World::new().await;
        let (mut client, mut origin) = world.asked("/").await;
        origin.say(head).await;
        origin.say("a".repeat(64 * 1024)).await;
        assert_eq!(status(&client.answer().await.0), 502);
        assert_eq!(origin.rest().await, "", "closed");
    }
}

#[tokio::test]
async fn a_body_that_is_no_body_is_seen_to_break_off() {
    for chunk in ["\r\n", "x\r\n", "4\r\nhalfx\r\n", "0\r\nno colon\r\n\r\n", "100000000000000000\r\n"] {
        let world = World::new().await;
        let (mut client, mut origin) = world.asked("/").await;
        origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
        client.until("half\r\n").await;
        origin.say(chunk).await;
        let rest = client.rest().await;
        assert!(!rest.contains("0\r\n\r\n"), "{chunk:?} became {rest:?}");
        assert_eq!(origin.rest().await, "", "closed");
    }
}

#[tokio::test]
async fn a_connection_that_misbehaved_is_closed() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    origin.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(status(&client.answer().await.0), 502);
    assert_eq!(origin.rest().await, "");
}

#[tokio::test]
async fn nobody_there_is_a_bad_gateway() {
    // A port that was free a moment ago, and that nobody else is given while it is held without listening.
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("bound").port();
    drop(held);
    let upstream = Some(UpstreamAddress::Http { host: "127.0.0.1".into(), port });
    let world = World::with(Options { upstream, ..Options::default() }).await;
    let mut client = world.client().await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&client.answer().await.0), 502);
}

#[tokio::test]
async fn silence_is_a_gateway_timeout_and_closes_the_connection() {
    let world = World::with(Options { answer_timeout: Duration::from_millis(200), ..Options::default() }).await;
    let (mut client, mut origin) = world.asked("/slow").await;
    assert_eq!(status(&client.answer().await.0), 504);
    assert_eq!(origin.rest().await, "");

    client.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata").await;
    let mut origin = world.origin.accept().await;
    origin.until("data").await;
    assert_eq!(status(&client.answer().await.0), 504);
}

#[tokio::test]
async fn an_answer_comes_after_a_thousand_interim_ones_at_most() {
    let world = World::new().await;
    for (count, expected) in [(1_000, 200), (1_001, 502)] {
        let mut client = world.client().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let mut origin = world.origin.accept().await;
        origin.head().await;
        let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(count);
        origin.say(interim + "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(status(&client.rest().await), expected, "{count}");
    }
}

#[tokio::test]
async fn a_dashboard_that_never_comes_to_the_answer_is_left() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    let saying = tokio::spawn(async move { while origin.stream.write_all(interim.as_bytes()).await.is_ok() {} });
    assert_eq!(status(&client.answer().await.0), 502);
    soon(saying).await.expect("the connection is closed");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to_break_off() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/length").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    drop(origin);
    let head = client.head().await;
    assert!(head.contains("content-length: 100\r\n"), "{head}");
    assert_eq!(client.rest().await, "half");

    let (mut client, mut origin) = world.asked("/chunked").await;
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    drop(origin);
    client.head().await;
    assert_eq!(client.rest().await, "4\r\nhalf\r\n", "without the last chunk");
}

#[tokio::test]
async fn a_client_in_http_1_0_sees_it_by_a_reset() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    assert!(client.until("half").await.ends_with("half"));
    drop(origin);
    let end = soon(client.stream.read(&mut [0])).await.expect_err("no orderly end");
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn over_tls_a_client_in_http_1_0_sees_it_too() {
    let (world, mut client) = arrived(&["http/1.1"]).await;
    soon(client.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")).await.expect("written");
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    drop(origin);
    let mut said = Vec::new();
    let end = soon(client.read_to_end(&mut said)).await.expect_err("without a word of farewell");
    assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(said.ends_with(b"\r\n\r\nhalf"), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn interim_answers_are_not_taken_for_the_final_one() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    origin
        .say(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await;
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (200, "hi"));
    assert!(!head.to_ascii_lowercase().contains("link"), "{head}");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_passed_off_as_whole() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    let mut origin = world.origin.accept().await;
    origin.until("half\r\n").await;
    drop(client);
    assert_eq!(origin.rest().await, "", "without the last chunk");
}

#[tokio::test]
async fn a_length_that_is_said_twice_is_passed_on_once() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi").await;
    let (head, body) = client.answer().await;
    assert_eq!((field(&head, "content-length"), body.as_str()), (Some("2"), "hi"));
    assert_eq!(head.matches("content-length").count(), 1, "{head}");
}
