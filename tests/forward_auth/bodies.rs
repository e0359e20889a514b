//! A body that comes with a question is not read, however long it is.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::asking::{ALL, asked};
use crate::support::http::within;
use crate::support::world::World;

/// The head of a question about a public path, with these lines for its body.
fn head(server: &str, host: &str, body: &str) -> String {
    let (target, own) = match server {
        "nginx" => ("nginx", "X-Original-Method: POST\r\nX-Original-URI: /login\r\n".to_owned()),
        "envoy" => ("envoy/login", String::new()),
        _ => (server, format!("X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /login\r\nX-Forwarded-Host: {host}\r\n")),
    };
    let way = "X-Forwarded-Proto: http\r\nX-Forwarded-For: 127.0.0.1\r\n";
    format!("POST /_2fa/auth/{target} HTTP/1.1\r\nHost: {host}\r\n{way}{own}{body}\r\n")
}

/// What is answered to a head alone, up to the end of the connection.
async fn answered(world: &World, head: &str) -> String {
    let mut stream = TcpStream::connect(world.gateway()).await.expect("the gateway listens");
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut said = Vec::new();
    within("an answer and the end", stream.read_to_end(&mut said)).await.expect("read");
    String::from_utf8(said).expect("text")
}

#[tokio::test]
async fn it_is_answered_before_any_of_the_body_came_and_the_connection_ends() {
    let world = World::open(asked()).await;
    let host = world.gateway().to_string();
    for server in ALL {
        for body in ["Content-Length: 1000000000\r\n", "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
            let said = answered(&world, &head(server, &host, body)).await;
            assert!(said.starts_with("HTTP/1.1 200 "), "{server}, {body}: {said}");
            assert!(said.to_ascii_lowercase().contains("connection: close\r\n"), "{server}, {body}: {said}");
            let expects = format!("{body}Expect: 100-continue\r\n");
            let said = answered(&world, &head(server, &host, &expects)).await;
            assert!(said.starts_with("HTTP/1.1 200 "), "nobody is told to go on: {said}");
        }
    }
}

#[tokio::test]
async fn whoever_sends_a_gigabyte_all_the_same_is_hung_up_on_early() {
    let world = World::open(asked()).await;
    let host = world.gateway().to_string();
    let mut stream = TcpStream::connect(world.gateway()).await.expect("the gateway listens");
    let head = head("traefik", &host, "Content-Length: 1000000000\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    let piece = vec![b'x'; 64 * 1024];
    let sent = within("the end of the connection", async {
        let mut sent = 0;
        while stream.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    })
    .await;
    // A mebibyte is taken in vain, so that the answer is not lost; the rest is what two sockets hold.
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn after_a_question_that_can_be_read_in_two_ways_the_connection_ends() {
    let world = World::open(asked()).await;
    let host = world.gateway().to_string();
    for server in ALL {
        for line in [format!("Host: {host}\r\n"), "Content-Length: 1, 1\r\n".to_owned()] {
            let said = answered(&world, &head(server, &host, &line)).await;
            assert!(said.starts_with("HTTP/1.1 4"), "{server}, {line}: {said}");
        }
    }
}

#[tokio::test]
async fn without_a_body_the_connection_stays() {
    let world = World::open(asked()).await;
    let host = world.gateway().to_string();
    let mut stream = TcpStream::connect(world.gateway()).await.expect("the gateway listens");
    let mut said = Vec::new();
    for (number, body) in ["", "Content-Length: 0\r\n", ""].into_iter().enumerate() {
        stream.write_all(head("nginx", &host, body).as_bytes()).await.expect("written");
        within("an answer", async {
            while said.windows(4).filter(|end| end == b"\r\n\r\n").count() <= number {
                assert!(stream.read_buf(&mut said).await.expect("read") > 0, "it is still open");
            }
        })
        .await;
    }
    let text = String::from_utf8(said).expect("text");
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{text}");
}

#[tokio::test]
async fn a_question_is_answered_within_the_sites_patience() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    world.dashboard().is(crate::support::dashboard::Mood::Hangs);
    world.passes(Duration::from_secs(6));
    let answer = crate::asking::opens("traefik", &world, &bob, "/reports").await;
    assert_eq!(answer.status, 503);
}
