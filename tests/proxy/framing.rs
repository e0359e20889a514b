//! Requests that two servers could read differently, as they come over the wire.

use super::support::{World, field, status};

async fn refused(world: &World, request: &str, expected: u16) {
    let mut client = world.client().await;
    client.say(request).await;
    // Whatever follows must not be read as another request.
    client.say("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.rest().await;
    assert_eq!(status(&answer), expected, "{request:?}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer, then the end: {answer:?}");
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_end_the_connection() {
    let world = World::new().await;
    let refusals = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\ndata",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ndata",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\ndata",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\ndata",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /ä HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    ];
    for request in refusals {
        refused(&world, request, 400).await;
    }
    refused(&world, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405).await;
    refused(&world, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405).await;
    world.nothing_arrived().await;
}

#[tokio::test]
async fn too_much_of_a_head_is_refused() {
    let world = World::new().await;
    let many = "X: y\r\n".repeat(101);
    refused(&world, &format!("GET / HTTP/1.1\r\n{many}\r\n"), 431).await;
    let mut client = world.client().await;
    client.say(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(70_000))).await;
    assert_eq!(status(&client.rest().await), 431);
    world.nothing_arrived().await;
}

#[tokio::test]
async fn a_broken_chunk_ends_both_connections() {
    let world = World::new().await;
    let chunks = [
        "-1\r\n",
        "0x5\r\nhello\r\n",
        "1_0\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "5\r\nhelloGET /smuggled",
        "5 \r\nhello\r\n",
        "5\t;a=b\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5;a\nb\r\nhello\r\n",
        &format!("5;{}\r\nhello\r\n", "a".repeat(5000)),
    ];
    for chunk in chunks {
        let mut client = world.client().await;
        client.say(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")).await;
        let mut origin = world.origin.accept().await;
        let seen = origin.rest().await;
        assert!(!seen.contains("smuggled") && !seen.ends_with("0\r\n\r\n"), "not passed off as whole: {seen}");
        assert_eq!(status(&client.rest().await), 400, "{chunk:?}");
    }
    world.nothing_arrived().await;
}

#[tokio::test]
async fn a_target_arrives_as_it_was_sent() {
    let world = World::new().await;
    let long = format!("/{}", "p".repeat(8000));
    for target in ["/a/../b//c%2e%2e/%2F;x=1?q=/../&r={}|", "//a", "/?", "/%", &long] {
        world.asked(target).await;
    }
    let mut client = world.client().await;
    client.say("GET http://A.example:80/x?y HTTP/1.1\r\nHost: a.example:80\r\n\r\n").await;
    let head = world.origin.accept().await.head().await;
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "host"), Some("a.example:80"));
}

#[tokio::test]
async fn bare_line_ends_arrive_as_whole_ones() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("\r\nGET / HTTP/1.1\nHost: a\nX: y\n\n").await;
    let head = world.origin.accept().await.head().await;
    assert_eq!(field(&head, "x"), Some("y"));
    assert!(head.lines().count() > 4 && head.matches('\n').count() == head.matches("\r\n").count());
}

#[tokio::test]
async fn a_long_upload_that_looks_like_a_request_is_none() {
    let world = World::new().await;
    let mut client = world.client().await;
    let part =
        "--b\r\nContent-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nGET /a#b HTTP/1.1\r\n\r\n";
    let body = part.repeat(1000);
    client.say(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    assert!(origin.exactly(body.len()).await == body, "byte for byte");
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 204);

    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    client.say(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")).await;
    origin.head().await;
    let mut seen = String::new();
    loop {
        let size = usize::from_str_radix(origin.until("\r\n").await.trim(), 16).expect("the size of a chunk");
        seen.push_str(&origin.exactly(size).await);
        assert_eq!(origin.exactly(2).await, "\r\n");
        if size == 0 {
            break;
        }
    }
    assert!(seen == body, "byte for byte");
}
