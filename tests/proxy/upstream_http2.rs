//! A dashboard in HTTP/2, and what clients in HTTP/1.1 do with it.

use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use vestibule::config::UpstreamHttp;

use super::support::{End, Options, World, field, soon, status};

/// A dashboard's end of one connection in HTTP/2.
pub(crate) struct Dashboard {
    asked: mpsc::UnboundedReceiver<Asked>,
    leave: Option<oneshot::Sender<()>>,
}

/// A request, and the way to answer it.
pub(crate) struct Asked {
    pub(crate) head: Request<()>,
    pub(crate) body: RecvStream,
    pub(crate) respond: SendResponse<Bytes>,
}

pub(crate) fn in_http2() -> Options {
    Options { upstream_http: UpstreamHttp::Http2, ..Options::default() }
}

pub(crate) async fn world() -> World {
    World::with(in_http2()).await
}

impl Dashboard {
    /// At the other end of the gateway's next connection.
    pub(crate) async fn accept(world: &World) -> Self {
        Self::accept_as(world, &Builder::new()).await
    }

    pub(crate) async fn accept_as(world: &World, builder: &Builder) -> Self {
        Self::at(world.origin.accept_tcp().await, builder).await
    }

    pub(crate) async fn at<S>(stream: S, builder: &Builder) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connection = soon(builder.handshake::<_, Bytes>(stream)).await.expect("HTTP/2");
        let (tell, asked) = mpsc::unbounded_channel();
        let (leave, mut leaves) = oneshot::channel();
        tokio::spawn(async move {
            let mut stays = true;
            loop {
                tokio::select! {
                    next = connection.accept() => {
                        let Some(Ok((request, respond))) = next else { return };
                        let (head, body) = request.into_parts();
                        // A test that is over asks for no more.
                        drop(tell.send(Asked { head: Request::from_parts(head, ()), body, respond }));
                    }
                    told = &mut leaves, if stays => {
                        stays = false;
                        if told.is_ok() {
                            connection.graceful_shutdown();
                        }
                    }
                }
            }
        });
        Self { asked, leave: Some(leave) }
    }

    pub(crate) async fn asked(&mut self) -> Asked {
        soon(self.asked.recv()).await.expect("the gateway has not hung up")
    }

    /// The end of the connection.
    pub(crate) async fn ended(&mut self) {
        assert!(soon(self.asked.recv()).await.is_none(), "nothing more is asked");
    }

    /// Says that it takes no more requests.
    pub(crate) fn take_leave(&mut self) {
        self.leave.take().expect("once").send(()).expect("a connection");
    }
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.head.uri().path()
    }

    /// Begins an answer.
    pub(crate) fn begin(&mut self, head: Response<()>) -> SendStream<Bytes> {
        self.respond.send_response(head, false).expect("sent")
    }

    pub(crate) fn answer(mut self, text: &'static str) {
        self.begin(Response::new(())).send_data(text.into(), true).expect("sent");
    }

    /// The next piece of the upload with something in it.
    pub(crate) async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let piece = soon(self.body.data()).await?.expect("no reset");
            self.body.flow_control().release_capacity(piece.len()).expect("taken");
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }

    /// The next piece, if there is to be one.
    pub(crate) async fn piece_or_reset(&mut self) -> Option<Bytes> {
        soon(self.body.data()).await.and_then(Result::ok).filter(|piece| !piece.is_empty())
    }

    /// With what the request is given up before it is answered.
    pub(crate) async fn given_up(&mut self) -> Reason {
        soon(std::future::poll_fn(|cx| self.respond.poll_reset(cx))).await.expect("a reset")
    }
}

/// With what an answer is given up.
pub(crate) async fn given_up(answer: &mut SendStream<Bytes>) -> Reason {
    soon(std::future::poll_fn(|cx| answer.poll_reset(cx))).await.expect("a reset")
}

pub(crate) async fn ask(world: &World, target: &str) -> End {
    let mut client = world.client().await;
    client.say(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    client
}

#[tokio::test]
async fn a_request_arrives_as_one_in_http_2_and_its_answer_as_one_in_http_1_1() {
    let world = world().await;
    let mut client = world.client().await;
    client
        .say(
            "POST /known/a%2fb?c=%20d HTTP/1.1\r\nHost: Insights.example:8443\r\nConnection: keep-alive, X-Hop\r\n\
             X-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\nCookie: a=1;  b=\"2\"\r\nX-Vestibule-User: root\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        )
        .await;
    let mut dashboard = Dashboard::accept(&world).await;
    let mut asked = dashboard.asked().await;
    assert_eq!(asked.head.uri(), "http://Insights.example:8443/known/a%2fb?c=%20d");
    assert_eq!(asked.head.method(), "POST");
    let mut fields: Vec<_> =
        asked.head.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    fields.sort_unstable();
    let expected = [
        "cookie: a=1;  b=\"2\"",
        "te: trailers",
        "via: 1.1 vestibule",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: Insights.example:8443",
        "x-forwarded-proto: http",
        "x-vestibule-factor: none",
        "x-vestibule-organization: acme",
        "x-vestibule-user: 42",
        "x-vestibule-verified-at: ",
    ];
    assert_eq!(fields, expected);
    assert_eq!(asked.piece().await.expect("a piece"), "first");
    client.say("4\r\nlast\r\n0\r\n\r\n").await;
    assert_eq!(asked.piece().await.expect("a piece"), "last");
    assert_eq!(asked.piece().await, None);

    let head = Response::builder().status(207).header("set-cookie", "a=1").header("set-cookie", "b=2").body(());
    let mut body = asked.begin(head.expect("a head"));
    body.send_data("hi".into(), false).expect("sent");
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 207 Multi-Status\r\n"), "{head}");
    assert!(head.contains("set-cookie: a=1\r\nset-cookie: b=2\r\n"), "{head}");
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    assert_eq!(client.until("hi\r\n").await, "2\r\nhi\r\n");
    body.send_data(Bytes::new(), true).expect("sent");
    assert_eq!(client.until("0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn requests_of_all_clients_share_a_connection_and_do_not_wait_for_each_other() {
    let world = world().await;
    let mut alice = ask(&world, "/slow").await;
    let mut dashboard = Dashboard::accept(&world).await;
    let slow = dashboard.asked().await;
    let mut bob = ask(&world, "/quick").await;
    dashboard.asked().await.answer("quick");
    assert!(bob.until("quick\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    slow.answer("slow");
    alice.until("slow\r\n0\r\n\r\n").await;
    alice.say("GET /again HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(dashboard.asked().await.path(), "/again");
}

#[tokio::test]
async fn requests_that_come_at_once_wait_for_one_connection() {
    let world = world().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(ask(&world, "/").await);
    }
    let mut dashboard = Dashboard::accept(&world).await;
    for _ in 0..20 {
        dashboard.asked().await.answer("hi");
    }
    for mut client in clients {
        client.until("hi\r\n").await;
    }
}

#[tokio::test]
async fn there_are_as_many_connections_as_the_dashboard_asks_for_and_each_is_used_again() {
    let world = world().await;
    let one_at_a_time = Builder::new().max_concurrent_streams(1).clone();
    let mut alice = ask(&world, "/1").await;
    let mut first = Dashboard::accept_as(&world, &one_at_a_time).await;
    let one = first.asked().await;
    let mut bob = ask(&world, "/2").await;
    let mut second = Dashboard::accept_as(&world, &one_at_a_time).await;
    second.asked().await.answer("two");
    bob.until("two\r\n").await;
    let mut carol = ask(&world, "/3").await;
    let three = second.asked().await;
    one.answer("one");
    alice.until("one\r\n").await;
    let mut dave = ask(&world, "/4").await;
    first.asked().await.answer("four");
    dave.until("four\r\n").await;
    three.answer("three");
    carol.until("three\r\n").await;
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head_and_keep_their_length() {
    let world = world().await;
    let rows = [("HEAD", 200, Some("50")), ("GET", 204, None), ("GET", 304, None), ("GET", 200, Some("0"))];
    let mut client = world.client().await;
    let mut dashboard = None;
    for (method, code, length) in rows {
        client.say(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        if dashboard.is_none() {
            dashboard = Some(Dashboard::accept(&world).await);
        }
        let mut asked = dashboard.as_mut().expect("there by now").asked().await;
        assert!(asked.body.is_end_stream());
        let mut head = Response::builder().status(code);
        if let Some(length) = length {
            head = head.header("content-length", length);
        }
        asked.respond.send_response(head.body(()).expect("a head"), true).expect("sent");
        let head = client.head().await;
        assert_eq!((status(&head), field(&head, "content-length")), (code, length));
    }
}

#[tokio::test]
async fn trailers_arrive_but_for_those_that_mean_something_in_a_head() {
    let world = world().await;
    let mut client = world.client().await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: trailers\r\n\r\n").await;
    let mut asked = Dashboard::accept(&world).await.asked().await;
    let mut body = asked.begin(Response::builder().header("trailer", "grpc-status").body(()).expect("a head"));
    body.send_data("hi".into(), false).expect("sent");
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("set-cookie", HeaderValue::from_static("vestibule=x"));
    body.send_trailers(trailers).expect("sent");
    assert_eq!(status(&client.head().await), 200);
    assert_eq!(client.until("\r\n\r\n").await, "2\r\nhi\r\n0\r\ngrpc-status: 0\r\n\r\n");
}

#[tokio::test]
async fn interim_answers_are_dropped_and_none_of_them_switches() {
    let world = world().await;
    let mut client = ask(&world, "/").await;
    let mut asked = Dashboard::accept(&world).await.asked().await;
    for code in [100, 103, 101] {
        let interim = Response::builder().status(code).header("link", "</a>").body(()).expect("a head");
        // What a server's library does not let through is no interim answer.
        drop(asked.respond.send_informational(interim));
    }
    asked.answer("hi");
    let head = client.head().await;
    assert_eq!((status(&head), field(&head, "link")), (200, None));
}

#[tokio::test]
async fn a_client_that_goes_away_resets_its_stream_at_once_and_no_other() {
    let world = world().await;
    let mut other = ask(&world, "/other").await;
    let mut dashboard = Dashboard::accept(&world).await;
    let kept = dashboard.asked().await;

    let client = ask(&world, "/waited-for").await;
    let mut asked = dashboard.asked().await;
    drop(client);
    assert_eq!(asked.given_up().await, Reason::CANCEL);

    let mut client = ask(&world, "/long").await;
    let mut asked = dashboard.asked().await;
    let mut body = asked.begin(Response::new(()));
    body.send_data("first".into(), false).expect("sent");
    client.until("first\r\n").await;
    drop(client);
    assert_eq!(given_up(&mut body).await, Reason::CANCEL, "in the middle of the answer");

    let mut client = world.client().await;
    client.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
    let mut asked = dashboard.asked().await;
    assert_eq!(asked.piece().await.expect("a piece"), "beginning");
    drop(client);
    assert_eq!(asked.given_up().await, Reason::CANCEL, "in the middle of the upload");

    kept.answer("kept");
    other.until("kept\r\n").await;
}

#[tokio::test]
async fn an_upload_that_the_dashboard_does_not_read_ends_with_its_client_as_well() {
    let world = world().await;
    let mut client = world.client().await;
    client.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n").await;
    client.say(vec![b'x'; 200_000]).await;
    let mut asked = Dashboard::accept(&world).await.asked().await;
    let mut body = asked.begin(Response::new(()));
    body.send_data("first".into(), false).expect("sent");
    client.until("first\r\n").await;
    drop(client);
    // The rest of the upload is in the way of noticing that its client is gone, until something is said to it.
    let reason = soon(async {
        loop {
            body.send_data("more".into(), false).expect("sent");
            if let Ok(reason) = tokio::time::timeout(Duration::from_millis(20), given_up(&mut body)).await {
                return reason;
            }
        }
    });
    assert_eq!(reason.await, Reason::CANCEL);
}

#[tokio::test]
async fn an_answer_that_came_as_a_whole_ends_the_upload() {
    let world = world().await;
    let mut client = world.client().await;
    client.say("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
    let mut dashboard = Dashboard::accept(&world).await;
    let mut asked = dashboard.asked().await;
    asked.piece().await.expect("a piece");
    let head = Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE).header("content-length", "3").body(());
    asked.begin(head.expect("a head")).send_data("big".into(), true).expect("sent");
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (413, "big"));
    let ended = soon(asked.body.data()).await.expect("no clean end").expect_err("a reset");
    assert_eq!(ended.reason(), Some(Reason::CANCEL));
    let _next = ask(&world, "/next").await;
    assert_eq!(dashboard.asked().await.path(), "/next", "on the same connection");
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_the_dashboard_back_but_not_other_answers() {
    let world = world().await;
    let _idle: Vec<_> = [ask(&world, "/big").await, ask(&world, "/big").await, ask(&world, "/big").await].into();
    let mut dashboard = Dashboard::accept(&world).await;
    let mut written = 0;
    for _ in 0..3 {
        let mut asked = dashboard.asked().await;
        let mut body = asked.begin(Response::new(()));
        let piece = Bytes::from(vec![b'x'; 16 * 1024]);
        body.reserve_capacity(piece.len());
        // Until nothing more is taken: what is between both ends holds some, but nothing like all of it.
        while let Ok(Some(Ok(capacity))) =
            tokio::time::timeout(Duration::from_millis(500), std::future::poll_fn(|cx| body.poll_capacity(cx))).await
        {
            let part = piece.slice(..capacity.min(piece.len()));
            written += part.len();
            body.send_data(part, false).expect("sent");
            body.reserve_capacity(piece.len());
            assert!(written < 100 << 20, "is held back");
        }
        // The stream goes on.
        std::mem::forget(body);
    }
    let mut other = ask(&world, "/other").await;
    dashboard.asked().await.answer("other");
    other.until("other\r\n").await;
}

#[tokio::test]
async fn a_dashboard_that_reads_nothing_holds_an_upload_back_but_not_other_requests() {
    const ALL: usize = 50 << 20;
    let world = world().await;
    let mut client = world.client().await;
    client.say(format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {ALL}\r\n\r\n")).await;
    // A connection's window that one upload does not fill.
    let builder = Builder::new().initial_connection_window_size(1 << 20).clone();
    let mut dashboard = Dashboard::accept_as(&world, &builder).await;
    let _unread = dashboard.asked().await;
    let (mut written, piece) = (0, vec![b'x'; 64 * 1024]);
    let patience = Duration::from_millis(500);
    while let Ok(done) =
        tokio::time::timeout(patience, tokio::io::AsyncWriteExt::write(&mut client.stream, &piece)).await
    {
        written += done.expect("the gateway listens");
        assert!(written < ALL / 2, "is held back");
    }
    let mut other = ask(&world, "/other").await;
    dashboard.asked().await.answer("other");
    other.until("other\r\n").await;
}

#[tokio::test]
async fn an_unused_connection_is_closed_before_the_dashboard_would() {
    let world = World::with(Options { idle_timeout: Duration::from_millis(200), ..in_http2() }).await;
    let mut client = ask(&world, "/1").await;
    let mut dashboard = Dashboard::accept(&world).await;
    dashboard.asked().await.answer("one");
    client.until("one\r\n0\r\n\r\n").await;
    dashboard.ended().await;
    client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(Dashboard::accept(&world).await.asked().await.path(), "/2");
}

/// As much as may be sent on a connection, and on a stream of it, before anything was taken.
const WINDOW: usize = 65_535;

#[tokio::test]
async fn an_upload_that_pauses_takes_no_room_from_another() {
    let world = world().await;
    let post = |length: usize| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let mut pausing = world.client().await;
    pausing.say(post(2 * WINDOW) + &"x".repeat(WINDOW - 1)).await;
    let mut dashboard = Dashboard::accept(&world).await;
    let mut first = dashboard.asked().await;
    let mut came = 0;
    while came < WINDOW - 1 {
        came += soon(first.body.data()).await.expect("a piece").expect("no reset").len();
    }
    let mut other = world.client().await;
    other.say(post(1) + "y").await;
    let mut second = dashboard.asked().await;
    assert_eq!(soon(second.body.data()).await.expect("a piece").expect("no reset"), "y");
    second.answer("hi");
    assert_eq!(status(&other.head().await), 200);
}
