//! Connections that are used again, and when they must not be.

use std::time::Duration;

use super::support::{Options, World, field, soon, status};

const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn requests_of_all_clients_share_a_connection_to_the_dashboard() {
    let world = World::new().await;
    let (mut alice, mut origin) = world.asked("/1").await;
    origin.say(HI).await;
    assert_eq!(alice.answer().await.1, "hi");

    alice.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(origin.head().await.starts_with("GET /2 "), "on the same connection");
    origin.say(HI).await;
    assert_eq!(alice.answer().await.1, "hi");

    let mut bob = world.client().await;
    bob.say("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(origin.head().await.starts_with("GET /3 "), "on the same connection");
}

#[tokio::test]
async fn a_connection_that_somebody_logged_in_on_is_nobody_elses() {
    let world = World::new().await;
    let mut alice = world.client().await;
    alice.say("GET /1 HTTP/1.1\r\nHost: a\r\nAuthorization: Negotiate YIIF\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    assert!(origin.head().await.starts_with("GET /1 "));
    origin.say(HI).await;
    assert_eq!(alice.answer().await.1, "hi");
    world.asked("/2").await;
}

#[tokio::test]
async fn requests_at_the_same_time_have_connections_of_their_own() {
    let world = World::new().await;
    let (mut alice, mut first) = world.asked("/1").await;
    let (mut bob, mut second) = world.asked("/2").await;
    second.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbob").await;
    first.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalice").await;
    assert_eq!(alice.answer().await.1, "alice");
    assert_eq!(bob.answer().await.1, "bob");
}

/// Under load what was begun comes first, but nobody waits for the dashboard's answers to others.
#[tokio::test]
async fn however_many_wait_for_the_dashboard_the_others_are_sent_on() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for number in 0..100 {
        let mut client = world.client().await;
        client.say(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        clients.push(client);
    }
    let mut origins = Vec::new();
    for _ in 0..100 {
        let mut origin = world.origin.accept().await;
        let head = origin.head().await;
        let number: usize = head.split([' ', '/']).nth(2).and_then(|number| number.parse().ok()).expect("a number");
        origins.push((number, origin));
    }
    for (number, mut origin) in origins.into_iter().rev() {
        origin.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{number:02}")).await;
        assert_eq!(clients[number].answer().await.1, format!("{number:02}"));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_one_after_the_other() {
    let world = World::new().await;
    let mut client = world.client().await;
    let asked = ["HEAD /1", "GET /2", "GET /3", "HEAD /4", "GET /5"];
    client.say(asked.map(|asked| format!("{asked} HTTP/1.1\r\nHost: a\r\n\r\n")).concat()).await;
    let answers = [
        "200 OK\r\nContent-Length: 500\r\n\r\n",
        "204 No Content\r\n\r\n",
        "304 Not Modified\r\nContent-Length: 500\r\n\r\n",
        "404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ];
    let mut open = Vec::new();
    for (asked, answer) in asked.into_iter().zip(answers) {
        let mut origin = match open.pop() {
            // The one on which an answer came that surely has no body.
            Some(origin) if asked == "GET /3" => origin,
            _ => world.origin.accept().await,
        };
        assert!(origin.head().await.starts_with(&format!("{asked} ")));
        origin.say(format!("HTTP/1.1 {answer}")).await;
        open.push(origin);
    }

    let first = client.head().await;
    assert_eq!((status(&first), field(&first, "content-length")), (200, Some("500")));
    for expected in [204, 304, 404] {
        assert_eq!(status(&client.head().await), expected);
    }
    assert_eq!(client.answer().await.1, "hi");
}

#[tokio::test]
async fn a_connection_that_the_dashboard_closed_is_replaced_without_a_word() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/1").await;
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");
    drop(origin);

    client.say("POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata").await;
    let mut origin = world.origin.accept().await;
    assert!(origin.head().await.starts_with("POST /2 "));
    assert_eq!(origin.exactly(4).await, "data");
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_sent_again() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/1").await;
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");

    client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(origin.head().await.starts_with("GET /2 "));
    drop(origin);
    assert_eq!(status(&client.answer().await.0), 502);
    world.nothing_arrived().await;
}

#[tokio::test]
async fn an_unused_connection_is_closed_before_the_dashboard_would() {
    let world = World::with(Options { idle_timeout: Duration::from_millis(200), ..Options::default() }).await;
    let (mut client, mut origin) = world.asked("/1").await;
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");
    assert_eq!(origin.rest().await, "", "closed, with nothing more said");

    client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(world.origin.accept().await.head().await.starts_with("GET /2 "));
}

#[tokio::test]
async fn a_connection_on_which_more_came_than_the_answer_is_not_used_again() {
    let rows = [
        ("GET", "200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi"),
        ("GET", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "0\r\n\r\n"),
        ("GET", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nDigest: x\r\n\r\n", "0\r\n\r\n"),
        ("HEAD", "200 OK\r\nContent-Length: 4\r\n\r\n", "\r\n\r\n"),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "\r\n\r\n"),
        ("GET", "204 No Content\r\nContent-Length: 4\r\n\r\n", "\r\n\r\n"),
        ("GET", "304 Not Modified\r\nContent-Length: 4\r\n\r\n", "\r\n\r\n"),
    ];
    for surplus in ["evil", "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"] {
        let world = World::new().await;
        let mut client = world.client().await;
        for (method, answer, end) in rows {
            client.say(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let mut origin = world.origin.accept().await;
            origin.head().await;
            origin.say(format!("HTTP/1.1 {answer}{surplus}")).await;
            assert!(!client.until(end).await.contains("evil"), "{method} {answer:?}");
            assert_eq!(origin.rest().await, "", "closed");
        }
    }
}

/// Whoever reads that body would take it for an answer. It may come at any time, and be seen by nobody before.
#[tokio::test]
async fn a_connection_on_which_a_body_may_yet_come_that_an_answer_does_not_have_is_not_used_again() {
    let rows = [
        ("HEAD", "200 OK\r\nContent-Length: 4", false),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked", false),
        ("HEAD", "200 OK", false),
        ("GET", "204 No Content\r\nContent-Length: 4", false),
        ("GET", "304 Not Modified\r\nContent-Length: 4", false),
        ("GET", "304 Not Modified\r\nTransfer-Encoding: chunked", false),
        ("GET", "304 Not Modified\r\nContent-Length: 0", true),
        ("GET", "204 No Content", true),
    ];
    for (method, answer, is_used_again) in rows {
        let world = World::new().await;
        let mut client = world.client().await;
        client.say(format!("{method} /1 HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let mut origin = world.origin.accept().await;
        origin.head().await;
        origin.say(format!("HTTP/1.1 {answer}\r\n\r\n")).await;
        client.until("\r\n\r\n").await;
        client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut next = if is_used_again { origin } else { world.origin.accept().await };
        assert!(next.head().await.starts_with("GET /2 "), "{method} {answer:?}");
    }
}

#[tokio::test]
async fn a_connection_on_which_something_came_that_nobody_asked_for_is_closed() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/1").await;
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");
    origin.say(HI).await;
    assert_eq!(origin.rest().await, "", "closed, without a request");
    world.asked("/2").await;
}

#[tokio::test]
async fn a_connection_whose_answer_came_before_the_upload_was_through_is_not_used_again() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
    let mut origin = world.origin.accept().await;
    origin.until("beginning").await;
    origin.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (413, "big"));
    assert_eq!(origin.rest().await, "", "closed");
    drop(client);
    world.nothing_arrived().await;
}

#[tokio::test]
async fn a_connection_whose_answer_began_before_the_upload_was_through_is_used_again_once_both_are() {
    const HALF: usize = 300_000;
    for answer_ends_first in [false, true] {
        let world = World::new().await;
        let mut client = world.client().await;
        client.say(format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 2 * HALF)).await;
        client.say("a".repeat(HALF)).await;
        let mut origin = world.origin.accept().await;
        origin.until("\r\n\r\n").await;
        origin.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
        client.until("half").await;
        client.say("b".repeat(HALF)).await;
        if answer_ends_first {
            // All of the upload is on its way by now, since all that the gateway may hold of it was taken from it.
            origin.until(&"b".repeat(HALF - 4)).await;
            origin.say("half").await;
            client.until("half").await;
            origin.until("bbbb").await;
        } else {
            origin.until(&"b".repeat(HALF)).await;
            origin.say("half").await;
            client.until("half").await;
        }
        client.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(origin.head().await.starts_with("GET /next "), "on the same connection");
    }
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_not_passed_off_as_whole() {
    for framing in ["Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "Content-Length: 8\r\n\r\nhalf"] {
        for answer_has_begun in [false, true] {
            let world = World::new().await;
            let mut client = world.client().await;
            client.say(format!("POST /upload HTTP/1.1\r\nHost: a\r\n{framing}")).await;
            let mut origin = world.origin.accept().await;
            origin.until("half").await;
            if answer_has_begun {
                origin.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbeginning").await;
                client.until("beginning").await;
            }
            drop(client);
            assert_eq!(origin.rest().await.trim(), "", "closed, without an end of what was sent");
            world.nothing_arrived().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_dashboard() {
    let world = World::new().await;
    let (client, mut origin) = world.asked("/slow").await;
    drop(client);
    assert_eq!(origin.rest().await, "", "closed");

    let (mut client, mut origin) = world.asked("/long").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
    client.until("beginning").await;
    drop(client);
    assert_eq!(origin.rest().await, "", "closed");

    let (mut client, mut origin) = world.asked("/known/events").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
    client.until("data: 1\n\n").await;
    drop(client);
    assert_eq!(origin.rest().await, "", "closed, though it had nothing to say");
    assert!(world.tunnels.holders().is_empty());
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_alone() {
    let world = World::new().await;
    let (mut alice, mut origin) = world.asked("/1").await;
    let mut mallory = world.client().await;
    mallory.say("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(mallory.rest().await, "");
    origin.say(HI).await;
    assert_eq!(alice.answer().await.1, "hi");
    assert!(!soon(async { world.served.is_finished() }).await);
}
