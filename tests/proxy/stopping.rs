//! The end: what was begun is finished, and nothing new is.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Options, World, field, soon, status};
use super::tls::{certificate, connector, files, handshake, only};

#[tokio::test]
async fn who_comes_when_there_is_no_room_waits_until_somebody_leaves() {
    let world = World::with(Options { connections: Some(2), ..Options::default() }).await;
    let inside = [world.asked("/first").await, world.asked("/second").await];
    let mut waiting = world.client().await;
    waiting.say("GET /third HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::select! {
        _ = world.origin.accept_tcp() => panic!("the third is let in"),
        // What must not happen has no sign of its own.
        () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
    }
    drop(inside);
    assert!(world.origin.accept().await.head().await.starts_with("GET /third "));
}

#[tokio::test]
async fn a_request_that_was_begun_is_finished_and_idle_connections_are_closed_at_once() {
    let world = World::new().await;
    let mut silent = world.client().await;
    let (mut idle, mut first) = world.asked("/idle").await;
    first.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    idle.answer().await;
    idle.say("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n").await;
    first.head().await;
    let (mut busy, mut origin) = (idle, first);
    let (mut idle, mut second) = world.asked("/idle").await;
    second.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    idle.answer().await;

    world.shutdown.cancel();
    assert_eq!(idle.rest().await, "", "closed at once");
    assert_eq!(silent.rest().await, "", "closed soon");
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast").await;
    let (head, body) = busy.answer().await;
    assert_eq!((status(&head), body.as_str()), (200, "last"));
    assert_eq!(field(&head, "connection"), Some("close"));
    assert_eq!(busy.rest().await, "");
    soon(world.served).await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn whoever_was_let_in_is_answered_though_the_handshake_was_still_to_come() {
    let (directory, certified) = (tempfile::tempdir().expect("a directory"), certificate());
    let world = World::with(Options { tls: Some(only(files(&directory, &certified))), ..Options::default() }).await;
    let (connector, newcomer) = (connector(&certified, &["http/1.1"]), world.connect().await);
    // Who came after them was let in after them.
    let mut other = handshake(&connector, world.connect().await).await;
    soon(other.write_all(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n")).await.expect("written");
    let mut origin = world.origin.accept().await;
    origin.head().await;
    world.shutdown.cancel();
    let mut newcomer = handshake(&connector, newcomer).await;
    soon(newcomer.write_all(b"GET /new HTTP/1.1\r\nHost: a\r\n\r\n")).await.expect("written");
    let mut second = world.origin.accept().await;
    assert!(second.head().await.starts_with("GET /new "));
    for origin in [&mut origin, &mut second] {
        origin.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast").await;
    }
    let mut said = Vec::new();
    soon(newcomer.read_to_end(&mut said)).await.expect("an end that TLS vouches for");
    assert!(said.ends_with(b"\r\n\r\nlast"));
    drop(other);
    soon(world.served).await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn several_workers_share_the_visitors_and_stop_together() {
    let world = World::with(Options { workers: 3, ..Options::default() }).await;
    let mut pairs = Vec::new();
    for _ in 0..30 {
        pairs.push(world.asked("/").await);
    }
    world.shutdown.cancel();
    for (client, origin) in &mut pairs {
        origin.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast").await;
        assert_eq!(client.answer().await.1, "last");
    }
    soon(world.served).await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn nobody_is_let_in_anymore() {
    let world = World::new().await;
    world.shutdown.cancel();
    soon(world.served).await.expect("no panic").expect("an orderly end");
    let vestibule::listener::Address::Tcp(address) = world.address else { panic!("a TCP address") };
    assert!(soon(tokio::net::TcpStream::connect(address)).await.is_err());
}

#[tokio::test]
async fn tunnels_and_event_streams_end_with_the_gateway() {
    let world = World::new().await;
    let mut socket = world.client().await;
    socket.say("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    socket.head().await;
    let (mut events, mut source) = world.asked("/events").await;
    source.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    events.head().await;

    world.shutdown.cancel();
    world.tunnels.end_all();
    assert_eq!((socket.rest().await, events.rest().await), (String::new(), String::new()));
    soon(world.served).await.expect("no panic").expect("an orderly end");
}
