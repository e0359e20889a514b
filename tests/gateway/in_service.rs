//! The built program while clients are at it: told to reload, told to stop, and followed by another on its sockets.

use std::net::TcpListener;

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::Request;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{block_in_place, yield_now};
use tokio_rustls::client::TlsStream;

use super::clients::{Clients, Connections, Entrance, ask_http2};
use super::program::Program;
use super::support::{
    Dashboard, EVENT, Written, answer, ask, believing, certificate, folder, soon, upload, with_tls, write,
};

/// How many bytes go out with each part of an upload.
const PART: usize = 1000;

/// An upload in HTTP/1.1, and one in HTTP/2, a part at a time.
struct Uploads {
    http1: TlsStream<TcpStream>,
    http2: SendStream<Bytes>,
    answer: ResponseFuture,
    parts: usize,
    sent: usize,
}

impl Uploads {
    async fn begin(entrance: &Entrance, parts: usize) -> Self {
        let length = parts * PART;
        let mut http1 = entrance.connect().await;
        let head = format!("POST /open/upload HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n");
        http1.write_all(head.as_bytes()).await.expect("written");
        let request = Request::post("https://a.example/open/upload").header("content-length", length);
        let request = request.body(()).expect("a request");
        let (answer, http2) = entrance.http2().await.send_request(request, false).expect("sent");
        Self { http1, http2, answer, parts, sent: 0 }
    }

    /// Sends the next part of both, and waits until the dashboard has it.
    async fn go_on(&mut self, dashboard: &Dashboard) {
        let part = &upload((self.sent + 1) * PART)[self.sent * PART..];
        self.sent += 1;
        self.http1.write_all(part).await.expect("written");
        self.http1.flush().await.expect("written");
        self.http2.send_data(part.to_vec().into(), self.sent == self.parts).expect("sent");
        let both = u32::try_from(2 * PART).expect("a few");
        soon(dashboard.uploaded.acquire_many(both)).await.expect("never closed").forget();
    }

    /// Sends the rest, of which nothing may be missing at the dashboard.
    async fn end(mut self, dashboard: &Dashboard) {
        while self.sent < self.parts {
            self.go_on(dashboard).await;
        }
        assert_eq!(answer(&mut self.http1).await.expect("an answer"), (200, "whole".to_owned()));
        let (head, mut body) = soon(self.answer).await.expect("an answer").into_parts();
        assert_eq!(head.status, 200);
        assert_eq!(soon(body.data()).await.expect("a body").expect("all of it"), "whole");
    }
}

/// Asks for what does not end by itself, and reads the head of the answer.
async fn opened(entrance: &Entrance, request: &str, status: &str) -> TlsStream<TcpStream> {
    let mut stream = entrance.connect().await;
    stream.write_all(format!("{request}\r\nHost: a.example\r\n\r\n").as_bytes()).await.expect("written");
    let head = says(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{}", head.escape_ascii());
    stream
}

/// Reads on until this has come, and no further.
async fn says(stream: &mut TlsStream<TcpStream>, expected: &str) -> Vec<u8> {
    let mut said = Vec::new();
    while !said.ends_with(expected.as_bytes()) {
        said.push(soon(stream.read_u8()).await.expect("it stays open"));
    }
    said
}

/// Puts the certificate with that beginning in the place of the one that is shown.
fn put(folder: &TempDir, beginning: &str) {
    for name in ["certificate.pem", "key.pem"] {
        let file = |name: &str| folder.path().join(name);
        std::fs::copy(file(&format!("{beginning}{name}")), file(name)).expect("copied");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_reloads_of_certificate_and_configuration_are_noticed_by_nobody_who_is_connected() {
    const RELOADS: usize = 20;
    let dashboards = [Dashboard::new("first").await, Dashboard::new("second").await];
    let folder = folder();
    let certified = ["one-", "two-"].map(|beginning| certificate(&folder, beginning, &["a.example"]));
    put(&folder, "one-");
    let mut written = dashboards.each_ref().map(with_tls);
    written[1].rest = "[session]\nidle = \"2h\"\n[totp]\nissuer = \"Acme\"\n";
    write(&folder, "vestibule.toml", &written[0].text());
    let program = Program::serve(&folder);
    let address = block_in_place(|| program.listens());
    let entrance = Entrance { address, connector: believing(&[&certified[0], &certified[1]]) };

    let mut clients = Clients::come(&entrance, Connections::Stay);
    let mut uploads = Uploads::begin(&entrance, RELOADS + 1).await;
    let mut events = opened(&entrance, "GET /open/events HTTP/1.1", "200").await;
    let upgrade = "GET /open/socket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let mut socket = opened(&entrance, upgrade, "101").await;
    uploads.go_on(&dashboards[0]).await;
    for reload in 1..=RELOADS {
        let (now, beginning) = (reload % 2, ["one-", "two-"][reload % 2]);
        put(&folder, beginning);
        write(&folder, "vestibule.toml", &written[now].text());
        program.hang_up();
        block_in_place(|| program.logged("reloaded the configuration"));

        let newcomer = Entrance { address, connector: believing(&[&certified[now]]) };
        assert_eq!(newcomer.ask("/open/x").await, ["first", "second"][now], "with the certificate of now");
        clients.go_on(8).await;
        // What was begun goes on where it began.
        uploads.go_on(&dashboards[0]).await;
        dashboards[0].events.add_permits(1);
        says(&mut events, EVENT).await;
        let word = format!("still there after {reload}?");
        socket.write_all(word.as_bytes()).await.expect("written");
        says(&mut socket, &word).await;
    }
    uploads.end(&dashboards[0]).await;
    clients.go().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_when_it_is_told_to_stop_ends_whole_and_nobody_else_is_let_in() {
    let dashboard = Dashboard::new("first").await;
    let folder = folder();
    let certified = certificate(&folder, "", &["a.example"]);
    write(&folder, "vestibule.toml", &with_tls(&dashboard).text());
    let program = Program::serve(&folder);
    let address = block_in_place(|| program.listens());
    let entrance = Entrance { address, connector: believing(&[&certified]) };

    let mut uploads = Uploads::begin(&entrance, 3).await;
    uploads.go_on(&dashboard).await;
    let [plain, http2] = [(); 2].map(|()| entrance.clone());
    let plain = tokio::spawn(async move { ask(&mut plain.connect().await, "/slow").await });
    let http2 = tokio::spawn(async move { ask_http2(&mut http2.http2().await, "/slow").await });
    soon(dashboard.asked_slow.acquire_many(2)).await.expect("never closed").forget();

    program.signal("-TERM");
    block_in_place(|| program.logged("stopping"));
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            yield_now().await;
        }
    };
    soon(closed).await;
    uploads.go_on(&dashboard).await;
    dashboard.slow.add_permits(2);
    assert_eq!(soon(plain).await.expect("no panic").expect("an answer"), (200, "first".to_owned()));
    assert_eq!(soon(http2).await.expect("no panic").expect("an answer"), (200, "first".to_owned()));
    uploads.end(&dashboard).await;
    stopped_in_order(program);
}

fn stopped_in_order(program: Program) {
    let (status, log) = block_in_place(|| program.ends());
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("stopped")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("unfinished") || line.contains("panic")), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_takes_over_the_sockets_under_load_and_no_request_fails() {
    let dashboards = [Dashboard::new("first").await, Dashboard::new("second").await];
    let folder = folder();
    let certified = certificate(&folder, "", &["a.example"]);
    let [visitors, operations] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = visitors.local_addr().expect("bound");
    let operated = operations.local_addr().expect("bound");
    let configure = |dashboard: &Dashboard| {
        let written = with_tls(dashboard);
        let server = written.server.replace("127.0.0.1:0", &address.to_string());
        let text = Written { server, ..written }.text();
        write(&folder, "vestibule.toml", &text.replace("127.0.0.1:0", &operated.to_string()));
    };
    configure(&dashboards[0]);
    let mut serving = Program::serve_on(&folder, &visitors, &operations);
    let entrance = Entrance { address, connector: believing(&[&certified]) };
    let mut clients = Clients::come(&entrance, Connections::End);
    clients.go_on(8).await;
    for turn in 1..=4 {
        let (before, now) = (&dashboards[(turn + 1) % 2], &dashboards[turn % 2]);
        let mut uploads = Uploads::begin(&entrance, 2).await;
        uploads.go_on(before).await;
        configure(now);
        let next = Program::serve_on(&folder, &visitors, &operations);
        block_in_place(|| next.logged("operations address="));
        // Both are there.
        clients.go_on(8).await;
        let mut health = TcpStream::connect(operated).await.expect("one of them listens");
        assert_eq!(ask(&mut health, "/readyz").await.expect("an answer").1, "ready\n");

        serving.signal("-TERM");
        block_in_place(|| serving.logged("stopping"));
        clients.go_on(8).await;
        uploads.end(before).await;
        stopped_in_order(serving);
        assert_eq!(entrance.ask("/open/x").await, ["first", "second"][turn % 2], "by the other alone");
        clients.go_on(8).await;
        serving = next;
    }
    clients.go().await;
}
