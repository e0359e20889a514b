//! What a dashboard says before its answer (RFC 8297), for clients that can make use of it.

use std::future::poll_fn;

use h2::client::ResponseFuture;
use http::{HeaderValue, Method, Response, StatusCode};

use super::support::{End, World, field, soon, status};
use super::upstream_http2::Dashboard;
use super::{http2, upstream_http2};

/// A browser that goes to `target`, and the origin that has read so.
async fn going(world: &World, client: &mut End, target: &str) -> End {
    client.say(navigation(target)).await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{head}");
    origin
}

fn navigation(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n")
}

#[tokio::test]
async fn a_browser_hears_them_before_the_answer_and_nothing_else_that_is_said_with_them() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut origin = going(&world, &mut client, "/").await;
    origin.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n").await;
    origin.say("Set-Cookie: sid=1\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
    origin.say("HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\nLink: </c.css>\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nlink: </b.css>\r\nlink: </c.css>\r\n\r\n");
    origin.say("HTTP/1.1 200 OK\r\nLink: </a.css>; rel=preload\r\nContent-Length: 2\r\n\r\nhi").await;
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (200, "hi"));

    client.say(navigation("/next")).await;
    assert!(origin.head().await.starts_with("GET /next "), "both ends are in step");
    origin.say("HTTP/1.1 103 Early Hints\r\nLink: </d.css>\r\n\r\n").await;
    assert_eq!(field(&client.head().await, "link"), Some("</d.css>"));
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 204);
}

#[tokio::test]
async fn they_never_come_between_an_answer_and_its_body_or_what_was_asked_before() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say([navigation("/first"), navigation("/second")].concat()).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    client.head().await;
    assert_eq!(client.until("first\r\n").await, "5\r\nfirst\r\n");
    origin.say("4\r\nlast\r\n0\r\n\r\n").await;
    origin.head().await;
    origin.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
    assert_eq!(client.until("0\r\n\r\n").await, "4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(status(&client.head().await), 103);
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").await;
    assert_eq!(client.answer().await.1, "second");
}

#[tokio::test]
async fn one_with_the_answer_at_its_heels_may_be_left_out_but_never_the_answer() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut origin = going(&world, &mut client, "/0").await;
    for number in 1..50 {
        origin.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(number)).await;
        origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        let mut head = client.head().await;
        while status(&head) == 103 {
            head = client.head().await;
        }
        assert_eq!((status(&head), client.exactly(2).await.as_str()), (200, "hi"));
        client.say(navigation(&format!("/{number}"))).await;
        origin.head().await;
    }
}

#[tokio::test]
async fn whoever_did_not_go_to_a_page_hears_none() {
    let world = World::new().await;
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: cors\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n",
    ];
    for request in requests {
        let mut client = world.client().await;
        client.say(request).await;
        let mut origin = world.origin.accept().await;
        origin.head().await;
        origin.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
        origin.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(status(&client.head().await), 200, "{request}");
    }
}

#[tokio::test]
async fn in_http_2_a_browser_hears_them_as_well() {
    let (world, client) = http2::world().await;
    let mut request = http2::request(Method::GET, "/");
    request.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
    let mut answer = http2::send(&client, request).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    for link in ["</a.css>", "</b.css>"] {
        origin.say(format!("HTTP/1.1 103 Early Hints\r\nLink: {link}\r\nSet-Cookie: sid=1\r\n\r\n")).await;
        let hint = heard(&mut answer).await;
        assert_eq!((hint.status(), hint.headers().len()), (StatusCode::EARLY_HINTS, 1));
        assert_eq!(hint.headers()["link"], link);
    }
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let (head, body) = http2::whole(answer).await;
    assert_eq!((head.status(), body.as_str()), (StatusCode::OK, "hi"));
}

#[tokio::test]
async fn in_http_2_too_whoever_did_not_go_to_a_page_hears_none() {
    let (world, client) = http2::world().await;
    let mut answer = http2::send(&client, http2::request(Method::GET, "/")).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    origin.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(soon(poll_fn(|cx| answer.poll_informational(cx))).await.is_none(), "the answer comes next");
    assert_eq!(http2::whole(answer).await.1, "hi");
}

#[tokio::test]
async fn a_browser_hears_those_of_a_dashboard_in_http_2() {
    let world = upstream_http2::world().await;
    let mut client = world.client().await;
    client.say(navigation("/")).await;
    let mut asked = Dashboard::accept(&world).await.asked().await;
    for link in ["</a.css>", "</b.css>"] {
        let hint = Response::builder().status(103).header("link", link).header("set-cookie", "sid=1");
        asked.respond.send_informational(hint.body(()).expect("a head")).expect("sent");
        assert_eq!(client.head().await, format!("HTTP/1.1 103 Early Hints\r\nlink: {link}\r\n\r\n"));
    }
    asked.answer("hi");
    assert_eq!(status(&client.head().await), 200);
}

/// What is said next before that answer.
async fn heard(answer: &mut ResponseFuture) -> Response<()> {
    soon(poll_fn(|cx| answer.poll_informational(cx))).await.expect("something").expect("a head")
}
