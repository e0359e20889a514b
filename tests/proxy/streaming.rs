//! Bodies on their way, piece by piece.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{World, field, soon, status};

#[tokio::test]
async fn the_dashboard_reads_the_first_piece_of_an_upload_before_the_last_is_sent() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nfirst\r\n").await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    assert_eq!(origin.until("first\r\n").await, "5\r\nfirst\r\n", "without its extension");
    client.say("4\r\nlast\r\n0\r\nX-Vestibule-User: root\r\n\r\n").await;
    assert_eq!(origin.until("0\r\n\r\n").await, "4\r\nlast\r\n0\r\n\r\n", "without the trailers");
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.answer().await.1, "ok");
}

#[tokio::test]
async fn a_get_keeps_its_body() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("GET /search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nquery\r\n0\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    assert_eq!(field(&origin.head().await, "transfer-encoding"), Some("chunked"));
    assert_eq!(origin.until("0\r\n\r\n").await, "5\r\nquery\r\n0\r\n\r\n");
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 204);

    client.say("GET /search HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nquery").await;
    assert_eq!(field(&origin.head().await, "content-length"), Some("5"));
    assert_eq!(origin.exactly(5).await, "query");
}

#[tokio::test]
async fn the_client_reads_the_first_piece_of_an_answer_before_the_last_is_sent() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    assert_eq!(field(&client.head().await, "transfer-encoding"), Some("chunked"));
    assert_eq!(client.until("first\r\n").await, "5\r\nfirst\r\n");
    origin.say("4\r\nlast\r\n0\r\n\r\n").await;
    assert_eq!(client.until("0\r\n\r\n").await, "4\r\nlast\r\n0\r\n\r\n");
}

#[tokio::test]
async fn trailers_come_to_whoever_takes_them_but_for_those_that_mean_something_in_a_head() {
    for (fields, end) in [("Connection: te\r\nTE: trailers\r\n", "0\r\ngrpc-status: 0\r\n\r\n"), ("", "0\r\n\r\n")] {
        let world = World::new().await;
        let mut client = world.client().await;
        client.say(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        let mut origin = world.origin.accept().await;
        origin.head().await;
        origin.say("HTTP/1.1 200 OK\r\nTrailer: Grpc-Status\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        origin.say("2\r\nhi\r\n0\r\nGrpc-Status: 0\r\nSet-Cookie: vestibule=x\r\nContent-Length: 5\r\n\r\n").await;
        assert_eq!(status(&client.head().await), 200);
        assert_eq!(client.until("\r\n\r\n").await, format!("2\r\nhi\r\n{end}"));
    }
}

#[tokio::test]
async fn a_dashboard_that_is_faster_than_the_client_is_held_back() {
    const ALL: usize = 50 << 20;
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut origin = world.origin.accept_tcp().await;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        soon(origin.read_buf(&mut request)).await.expect("a request");
    }
    soon(origin.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n").as_bytes()))
        .await
        .expect("written");

    let written = write_until_stuck(&origin, ALL).await;
    assert!(written < ALL / 2, "held back after {written} bytes");
    let reader = tokio::spawn(async move { client.answer().await.1.len() });
    soon(origin.write_all(&vec![b'x'; ALL - written])).await.expect("written");
    assert_eq!(soon(reader).await.expect("no panic"), ALL);
}

/// Nobody reads at the other end: the writer stands still for good once all that lies between is full.
pub(crate) async fn write_until_stuck(stream: &TcpStream, all: usize) -> usize {
    let piece = vec![b'x'; 64 << 10];
    let mut written = 0;
    while written < all && tokio::time::timeout(Duration::from_millis(300), stream.writable()).await.is_ok() {
        match stream.try_write(&piece[..piece.len().min(all - written)]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("the gateway broke off: {error}"),
        }
    }
    written
}

#[tokio::test]
async fn a_client_is_told_to_go_on_only_once_its_body_is_wanted() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    assert_eq!(field(&origin.head().await, "expect"), None);
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.say("data").await;
    assert_eq!(origin.exactly(4).await, "data");
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 204);

    client.say("POST /b HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 400, "without a word of going on");
}

#[tokio::test]
async fn an_answer_without_a_body_stays_one() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    origin.say("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 1234\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((status(&head), field(&head, "etag")), (304, Some("\"1\"")));

    client.say("HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 200);

    client.say("POST /empty HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    assert_eq!(field(&origin.head().await, "content-length"), Some("0"));
    origin.say("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 205);

    client.say("GET /last HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(origin.head().await.starts_with("GET /last "), "both ends are in step");
}

#[tokio::test]
async fn an_old_client_gets_an_answer_it_can_read() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "via"), Some("1.0 vestibule"));
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    assert_eq!(field(&head, "transfer-encoding"), None);
    assert_eq!(client.rest().await, "body");
}

#[tokio::test]
async fn a_part_is_asked_for_and_answered_as_client_and_dashboard_say() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,4-5\r\nIf-Range: \"1\"\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert_eq!([field(&head, "range"), field(&head, "if-range")], [Some("bytes=0-1,4-5"), Some("\"1\"")]);
    let parts =
        "--x\r\nContent-Range: bytes 0-1/6\r\n\r\nab\r\n--x\r\nContent-Range: bytes 4-5/6\r\n\r\nef\r\n--x--\r\n";
    let kind = "Accept-Ranges: bytes\r\nContent-Type: multipart/byteranges; boundary=x";
    origin
        .say(format!("HTTP/1.1 206 Partial Content\r\n{kind}\r\nContent-Length: {}\r\n\r\n{parts}", parts.len()))
        .await;
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (206, parts));
    assert_eq!(field(&head, "content-type"), Some("multipart/byteranges; boundary=x"));
    assert_eq!(field(&head, "accept-ranges"), Some("bytes"));

    client.say("GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=9-\r\n\r\n").await;
    assert_eq!(field(&origin.head().await, "range"), Some("bytes=9-"));
    origin.say("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */6\r\nContent-Length: 0\r\n\r\n").await;
    let (head, _) = client.answer().await;
    assert_eq!((status(&head), field(&head, "content-range")), (416, Some("bytes */6")));
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_a_whole_one() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    origin.say("HTTP/1.0 200 OK\r\n\r\nall there is").await;
    drop(origin);
    assert_eq!(field(&client.head().await, "transfer-encoding"), Some("chunked"));
    assert!(client.until("0\r\n\r\n").await.contains("all there is"));
    client.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(world.origin.accept().await.head().await.starts_with("GET /next "), "both ends are in step");
}

#[tokio::test]
async fn a_client_that_waits_to_go_on_may_be_answered_before_it_does() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    assert_eq!(status(&client.head().await), 100);
    origin.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (403, "no"));
    assert_eq!(origin.rest().await, "", "half a request is on it");
    // The body that was promised may come or not: what follows is nobody's request.
    drop(client);

    let mut client = world.client().await;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: miracles\r\n\r\ndata").await;
    let mut origin = world.origin.accept().await;
    assert_eq!(field(&origin.head().await, "expect"), None, "nothing that the dashboard has to live up to");
    assert_eq!(origin.exactly(4).await, "data");
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 204);
}
