//! A client in HTTP/2 and a dashboard in HTTP/1.1, with what each of them can't say to the other.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::support::{End, Options, World, field, soon};
use super::tls::{NAME, certificate, connector, files, handshake, only};

/// A world with TLS, and a connection to it in one of these protocols.
pub(crate) async fn arrived(protocols: &[&str]) -> (World, TlsStream<TcpStream>) {
    arrived_at(protocols, Options::default()).await
}

pub(crate) async fn arrived_at(protocols: &[&str], options: Options) -> (World, TlsStream<TcpStream>) {
    let (directory, certified) = (tempfile::tempdir().expect("a directory"), certificate());
    let world = World::with(Options { tls: Some(only(files(&directory, &certified))), ..options }).await;
    let stream = handshake(&connector(&certified, protocols), world.connect().await).await;
    (world, stream)
}

/// A world, and a client that speaks HTTP/2 with it.
pub(crate) async fn world() -> (World, SendRequest<Bytes>) {
    world_with(Options::default()).await
}

pub(crate) async fn world_with(options: Options) -> (World, SendRequest<Bytes>) {
    let (world, stream) = arrived_at(&["h2", "http/1.1"], options).await;
    let mut builder = h2::client::Builder::new();
    // As browsers do, so that one answer that is not read leaves room for others.
    builder.initial_connection_window_size(1 << 20);
    let (client, connection) = soon(builder.handshake(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    (world, client)
}

pub(crate) fn request(method: Method, path: &str) -> Request<()> {
    let uri = format!("https://{NAME}{path}");
    Request::builder().version(Version::HTTP_2).method(method).uri(uri).body(()).expect("a request")
}

pub(crate) async fn send(client: &SendRequest<Bytes>, request: Request<()>) -> ResponseFuture {
    let mut ready = soon(client.clone().ready()).await.expect("the gateway takes requests");
    ready.send_request(request, true).expect("sent").0
}

pub(crate) async fn begin(client: &SendRequest<Bytes>, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
    let mut ready = soon(client.clone().ready()).await.expect("the gateway takes requests");
    ready.send_request(request, false).expect("sent")
}

/// A client that has asked for `path`, and the origin that has read so.
async fn asked(world: &World, client: &SendRequest<Bytes>, path: &str) -> (ResponseFuture, End) {
    let answer = send(client, request(Method::GET, path)).await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{head}");
    (answer, origin)
}

pub(crate) async fn text(body: &mut RecvStream) -> Result<String, h2::Error> {
    let mut text = Vec::new();
    while let Some(piece) = soon(body.data()).await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len()).expect("taken");
        text.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(text).expect("text"))
}

pub(crate) async fn whole(answer: ResponseFuture) -> (Response<()>, String) {
    let (head, mut body) = soon(answer).await.expect("an answer").into_parts();
    let text = text(&mut body).await.expect("to its end");
    (Response::from_parts(head, ()), text)
}

#[tokio::test]
async fn an_answer_without_content_has_no_length() {
    let (world, client) = world().await;
    let (answer, mut origin) = asked(&world, &client, "/").await;
    origin.say("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").await;
    let answer = soon(answer).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers().get("content-length")), (204, None));
}

#[tokio::test]
async fn the_protocol_is_the_one_that_both_sides_name_in_the_handshake() {
    for (offered, chosen) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1"), (&["h2"], "h2")] {
        let (_world, stream) = arrived(offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen.as_bytes()));
    }
    let (world, stream) = arrived(&[]).await;
    let mut client = End::of(stream);
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    world.origin.accept().await.head().await;
}

#[tokio::test]
async fn a_request_arrives_as_one_in_http_1_1_and_its_answer_as_one_in_http_2() {
    let (world, client) = world().await;
    let mut asked = request(Method::GET, "/known/x?y");
    for (name, value) in [
        ("cookie", "sid=1"),
        ("accept", "*/*"),
        ("cookie", "theme=dark"),
        ("te", "trailers"),
        ("x-vestibule-user", "root"),
        ("x_vestibule_factor", "totp"),
        ("x-forwarded-host", "evil"),
    ] {
        asked.headers_mut().append(name, value.parse().expect("a value"));
    }
    let answer = send(&client, asked).await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    lines.sort_unstable();
    let expected = [
        "GET /known/x?y HTTP/1.1",
        "accept: */*",
        "cookie: sid=1; theme=dark",
        "host: insights.acme.example",
        "via: 2.0 vestibule",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: insights.acme.example",
        "x-forwarded-proto: https",
        "x-vestibule-factor: none",
        "x-vestibule-organization: acme",
        "x-vestibule-user: 42",
        "x-vestibule-verified-at: ",
    ];
    assert_eq!(lines, expected);
    let date = "Date: Tue, 15 Nov 1994 08:12:31 GMT";
    origin
        .say(format!(
            "HTTP/1.1 207 Multi-Status\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n{date}\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        ))
        .await;
    let (head, body) = whole(answer).await;
    assert_eq!((head.status().as_u16(), body.as_str()), (207, "hi"));
    let mut fields: Vec<_> =
        head.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    fields.sort_unstable();
    let expected = ["date: Tue, 15 Nov 1994 08:12:31 GMT", "set-cookie: a=1", "set-cookie: b=2"];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn requests_of_one_connection_do_not_wait_for_each_other() {
    let (world, client) = world().await;
    let (slow, mut held) = asked(&world, &client, "/slow").await;
    let (quick, mut origin) = asked(&world, &client, "/quick").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nquick").await;
    assert_eq!(whole(quick).await.1, "quick");
    held.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").await;
    assert_eq!(whole(slow).await.1, "slow");
    let again = send(&client, request(Method::GET, "/again")).await;
    assert!(held.head().await.starts_with("GET /again "), "on the connection that was used before");
    held.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(whole(again).await.0.status(), 204);
}

#[tokio::test]
async fn an_upload_arrives_piece_by_piece_with_a_length_or_in_chunks() {
    let (world, client) = world().await;
    for method in [Method::POST, Method::GET] {
        let (answer, mut upload) = begin(&client, request(method, "/upload")).await;
        let mut origin = world.origin.accept().await;
        let head = origin.head().await;
        assert_eq!((field(&head, "transfer-encoding"), field(&head, "content-length")), (Some("chunked"), None));
        upload.send_data("first".into(), false).expect("sent");
        assert_eq!(origin.until("first\r\n").await, "5\r\nfirst\r\n");
        upload.send_data("last".into(), false).expect("sent");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-vestibule-user", "root".parse().expect("a value"));
        upload.send_trailers(trailers).expect("sent");
        assert_eq!(origin.until("0\r\n\r\n").await, "4\r\nlast\r\n0\r\n\r\n", "without the trailers");
        origin.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(whole(answer).await.1, "ok");
    }
    let mut with_length = request(Method::PUT, "/upload");
    with_length.headers_mut().insert("content-length", "5".parse().expect("a value"));
    let (answer, mut upload) = begin(&client, with_length).await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert_eq!((field(&head, "transfer-encoding"), field(&head, "content-length")), (None, Some("5")));
    upload.send_data("whole".into(), true).expect("sent");
    assert_eq!(origin.exactly(5).await, "whole");
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(whole(answer).await.0.status(), 204);
}

#[tokio::test]
async fn a_dashboard_that_reads_nothing_holds_an_upload_back() {
    const ALL: usize = 50 << 20;
    let (world, client) = world().await;
    let (_answer, mut upload) = begin(&client, request(Method::POST, "/upload")).await;
    let mut origin = world.origin.accept().await;
    origin.head().await;
    let (mut sent, piece) = (0, Bytes::from(vec![b'x'; 16 * 1024]));
    upload.reserve_capacity(piece.len());
    // Until nothing more is taken. What is between both ends holds some, but nothing like all of it.
    while let Ok(Some(Ok(capacity))) =
        tokio::time::timeout(std::time::Duration::from_millis(500), std::future::poll_fn(|cx| upload.poll_capacity(cx)))
            .await
    {
        let part = piece.slice(..capacity.min(piece.len()));
        sent += part.len();
        upload.send_data(part, false).expect("sent");
        upload.reserve_capacity(piece.len());
        assert!(sent < ALL, "is held back");
    }
    assert!(sent >= 64 * 1024, "a window at least: {sent}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_the_dashboard_back_but_not_other_requests() {
    let (world, client) = world().await;
    let (answer, mut origin) = asked(&world, &client, "/big").await;
    origin.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 50 << 20)).await;
    let (_, _unread) = soon(answer).await.expect("an answer").into_parts();
    let piece = vec![b'x'; 64 * 1024];
    let mut written = 0;
    let patience = std::time::Duration::from_millis(500);
    while let Ok(done) =
        tokio::time::timeout(patience, tokio::io::AsyncWriteExt::write(&mut origin.stream, &piece)).await
    {
        written += done.expect("the gateway listens");
        assert!(written < 40 << 20, "is held back");
    }
    let (other, mut origin) = asked(&world, &client, "/other").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(whole(other).await.1, "hi");
}

#[tokio::test]
async fn a_client_that_resets_a_stream_frees_the_dashboard() {
    let (world, client) = world().await;
    let (answer, mut origin) = asked(&world, &client, "/waited-for").await;
    drop(answer);
    assert_eq!(origin.rest().await, "", "before the answer");

    let (answer, mut origin) = asked(&world, &client, "/long").await;
    origin.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let (_, body) = soon(answer).await.expect("an answer").into_parts();
    drop(body);
    assert_eq!(origin.rest().await, "", "in the middle of it");
    let (other, mut origin) = asked(&world, &client, "/other").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(whole(other).await.1, "hi", "and the connection is as good as before");
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_not_passed_off_as_whole() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR] {
        let (world, client) = world().await;
        let (_answer, mut upload) = begin(&client, request(Method::POST, "/upload")).await;
        let mut origin = world.origin.accept().await;
        origin.head().await;
        upload.send_data("part".into(), false).expect("sent");
        origin.until("part\r\n").await;
        upload.send_reset(reason);
        assert_eq!(origin.rest().await, "", "{reason}");
    }
}

#[tokio::test]
async fn an_answer_before_the_upload_is_through_arrives_as_a_whole() {
    let (world, client) = world().await;
    let (answer, mut up) = begin(&client, request(Method::POST, "/upload")).await;
    up.send_data("beginning".into(), false).expect("sent");
    let mut origin = world.origin.accept().await;
    origin.until("beginning\r\n").await;
    origin.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
    let (head, body) = whole(answer).await;
    assert_eq!((head.status().as_u16(), body.as_str()), (413, "big"));
    assert_eq!(origin.rest().await, "", "half a request is on it");
    let (_answer, _origin) = asked(&world, &client, "/next").await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_reset() {
    let (world, client) = world().await;
    for head in ["Content-Length: 50\r\n\r\npart", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"] {
        let (answer, mut origin) = asked(&world, &client, "/").await;
        origin.say(format!("HTTP/1.1 200 OK\r\n{head}")).await;
        let (_, mut body) = soon(answer).await.expect("an answer").into_parts();
        assert_eq!(soon(body.data()).await.expect("a piece").expect("no error yet"), "part");
        drop(origin);
        let error = text(&mut body).await.expect_err("no clean end");
        assert!(error.is_reset() && error.reason() != Some(Reason::NO_ERROR), "{error}");
    }
    let (answer, origin) = asked(&world, &client, "/").await;
    drop(origin);
    assert_eq!(whole(answer).await.0.status(), 502);
}

#[tokio::test]
async fn trailers_of_an_answer_arrive_but_for_those_that_mean_something_in_a_head() {
    let (world, client) = world().await;
    let (answer, mut origin) = asked(&world, &client, "/").await;
    origin
        .say(
            "HTTP/1.1 200 OK\r\nTrailer: Grpc-Status\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
             Grpc-Status: 0\r\nSet-Cookie: vestibule=x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        )
        .await;
    let (head, mut body) = soon(answer).await.expect("an answer").into_parts();
    assert_eq!(head.headers["trailer"], "Grpc-Status");
    assert_eq!(text(&mut body).await.expect("whole"), "hi");
    let trailers = soon(body.trailers()).await.expect("whole").expect("trailers");
    assert_eq!(trailers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["grpc-status"]);
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let (world, client) = world().await;
    let rows = [
        (Method::HEAD, "200 OK\r\nContent-Length: 50", 200, Some("50")),
        (Method::GET, "204 No Content", 204, None),
        (Method::GET, "304 Not Modified\r\nContent-Length: 50", 304, Some("50")),
        (Method::GET, "200 OK\r\nContent-Length: 0", 200, Some("0")),
    ];
    for (method, says, expected, length) in rows {
        let answer = send(&client, request(method, "/")).await;
        let mut origin = world.origin.accept().await;
        origin.head().await;
        origin.say(format!("HTTP/1.1 {says}\r\nConnection: close\r\n\r\n")).await;
        let (head, body) = soon(answer).await.expect("an answer").into_parts();
        assert!(body.is_end_stream(), "{says}");
        let said = head.headers.get("content-length").map(|length| length.to_str().expect("digits"));
        assert_eq!((head.status.as_u16(), said), (expected, length));
    }
}

#[tokio::test]
async fn a_head_may_be_as_large_as_in_http_1_and_no_larger() {
    let (world, client) = world().await;
    let with = |length: usize| {
        let mut large = request(Method::GET, "/large");
        for _ in 0..length / 1000 {
            large.headers_mut().append("cookie", format!("a={}", "x".repeat(960)).parse().expect("a value"));
        }
        large
    };
    let answer = send(&client, with(64_000)).await;
    let mut origin = world.origin.accept().await;
    let head = origin.head().await;
    assert_eq!(field(&head, "cookie").map(str::len), Some(64 * 962 + 63 * 2));
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(whole(answer).await.0.status(), 204);
    assert_eq!(whole(send(&client, with(70_000)).await).await.0.status(), 431);
    let mut many = request(Method::GET, "/many");
    for number in 0..100 {
        many.headers_mut().append("x", number.into());
    }
    assert_eq!(whole(send(&client, many).await).await.0.status(), 431);
    let next = send(&client, request(Method::GET, "/nothing-arrived-before")).await;
    assert!(origin.head().await.starts_with("GET /nothing-arrived-before "));
    drop(next);
}

#[tokio::test]
async fn what_was_begun_is_finished_when_the_gateway_stops_and_nothing_new_is_taken() {
    let (world, client) = world().await;
    let (answer, mut origin) = asked(&world, &client, "/busy").await;
    world.shutdown.cancel();
    let refused = async {
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(refused).await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast").await;
    assert_eq!(whole(answer).await.1, "last");
    soon(world.served).await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn a_request_that_panics_takes_no_other_with_it() {
    let (world, client) = world().await;
    let (other, mut origin) = asked(&world, &client, "/other").await;
    assert!(soon(send(&client, request(Method::GET, "/panic")).await).await.is_err());
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(whole(other).await.1, "hi");
}

#[tokio::test]
async fn without_tls_http_2_is_for_those_who_begin_with_it_and_only_where_that_is_wanted() {
    let world = World::with(Options { h2c: true, ..Options::default() }).await;
    let (client, connection) = soon(h2::client::handshake(world.connect().await)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let (answer, mut origin) = asked(&world, &client, "/").await;
    origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(whole(answer).await.1, "hi");

    let mut in_http1 = world.client().await;
    for piece in ["P", "OST /old HTTP/1.1\r\nHost: a\r\nContent-Le", "ngth: 2\r\n\r\nhi"] {
        in_http1.say(piece).await;
    }
    assert!(origin.head().await.starts_with("POST /old HTTP/1.1\r\n"));
    assert_eq!(origin.exactly(2).await, "hi");
    let mut ambiguous = world.client().await;
    ambiguous.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(ambiguous.rest().await.starts_with("HTTP/1.1 400 "), "as strict as ever");

    let world = World::new().await;
    let mut client = world.client().await;
    client.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let said = client.rest().await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    world.nothing_arrived().await;
}

#[tokio::test]
async fn a_client_that_waits_to_go_on_is_told_to_once_its_body_is_wanted() {
    let (world, client) = world().await;
    let mut request = request(Method::POST, "/");
    request.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    request.headers_mut().insert("content-length", HeaderValue::from_static("4"));
    let (mut answer, mut upload) = begin(&client, request).await;
    let mut origin = world.origin.accept().await;
    assert_eq!(field(&origin.head().await, "expect"), None);
    let told = soon(poll_fn(|cx| answer.poll_informational(cx))).await.expect("a word").expect("a head");
    assert_eq!(told.status(), 100);
    upload.send_data("data".into(), true).expect("sent");
    assert_eq!(origin.exactly(4).await, "data");
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(answer).await.expect("an answer").status(), 204);
}

#[tokio::test]
async fn an_answer_that_pauses_takes_no_room_from_another() {
    const WINDOW: usize = 65_535;
    let (world, stream) = arrived(&["h2"]).await;
    let (client, connection) = soon(h2::client::handshake(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let (answer, mut pausing) = asked(&world, &client, "/pausing").await;
    pausing.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * WINDOW)).await;
    pausing.say("x".repeat(WINDOW - 1)).await;
    // Of all that comes nothing is taken, so that no more room is made.
    let (_, mut body) = soon(answer).await.expect("an answer").into_parts();
    let mut came = 0;
    while came < WINDOW - 1 {
        came += soon(body.data()).await.expect("a piece").expect("no reset").len();
    }
    let (answer, mut other) = asked(&world, &client, "/other").await;
    other.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny").await;
    let (_, mut body) = soon(answer).await.expect("an answer").into_parts();
    assert_eq!(soon(body.data()).await.expect("a piece").expect("no reset"), "y");
}
