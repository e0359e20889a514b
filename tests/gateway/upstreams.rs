//! A dashboard that runs at several addresses, speaks HTTP/2, has another certificate by now, or gives hints.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::support::{Dashboard, House, Written, answer, ask, certificate, folder, plain, soon, write};

fn at(urls: &[&str], dashboard: &Dashboard) -> Written {
    Written { upstream: format!("{urls:?}"), ..plain(dashboard) }
}

#[tokio::test]
async fn a_browser_hears_a_dashboards_hints_while_that_works_on_its_answer() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &plain(&dashboard)).await;
    let mut browser = house.connect().await;
    let request = b"GET /slow HTTP/1.1\r\nHost: a.example\r\nSec-Fetch-Mode: navigate\r\n\r\n";
    browser.write_all(request).await.expect("written");
    let mut hint = [0; 47];
    soon(browser.read_exact(&mut hint)).await.expect("a hint");
    assert_eq!(hint.escape_ascii().to_string(), r"HTTP/1.1 103 Early Hints\r\nlink: </slow.css>\r\n\r\n");
    dashboard.slow.add_permits(1);
    assert_eq!(answer(&mut browser).await.expect("an answer"), (200, "first".to_owned()));
}

#[tokio::test]
async fn a_dead_address_costs_no_request_and_the_first_live_one_gets_them_all() {
    let held = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let dead = format!("http://{}", held.local_addr().expect("bound"));
    drop(held);
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let house = House::new(folder(), &at(&[&dead, &first.url(), &second.url()], &first)).await;
    for _ in 0..4 {
        let mut visitor = house.connect().await;
        for target in ["/open/x", "/protected"] {
            assert_eq!(ask(&mut visitor, target).await.expect("an answer"), (200, "first".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again_elsewhere() {
    let breaks_off = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", breaks_off.local_addr().expect("bound"));
    let second = Dashboard::new("second").await;
    let house = House::new(folder(), &at(&[&url, &second.url()], &second)).await;
    let mut visitor = house.connect().await;
    let dashboard = async {
        let (mut stream, _) = soon(breaks_off.accept()).await.expect("a connection");
        soon(stream.read(&mut [0; 16])).await.expect("a request");
    };
    let (answer, ()) = tokio::join!(ask(&mut visitor, "/open/x"), dashboard);
    assert_eq!(answer.expect("an answer").0, 502);
}

/// A dashboard in HTTP/2 without TLS, and what it was asked for on how many connections.
struct Http2 {
    url: String,
    connections: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Http2 {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, note) = (Arc::clone(&connections), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(converse(stream, Arc::clone(&note)));
            }
        });
        Self { url, connections, asked }
    }
}

async fn converse(stream: TcpStream, note: Arc<Mutex<Vec<String>>>) {
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let path = request.uri().path();
        let (kind, body) =
            if path == "/api/me" { ("application/json", r#"{"id":7}"#) } else { ("text/plain", "in HTTP/2") };
        note.lock().expect("no panic").push(format!("{path} {:?}", request.headers().get("cookie").expect("a cookie")));
        let head = http::Response::builder().header("content-type", kind).header("content-length", body.len());
        let mut sending = respond.send_response(head.body(()).expect("a head"), false).expect("sent");
        sending.send_data(body.into(), true).expect("sent");
    }
}

#[tokio::test]
async fn a_dashboard_in_http_2_is_asked_who_it_is_on_the_connection_that_requests_go_by() {
    // What speaks HTTP/1.1 alone can't be reached in HTTP/2, as little as what is not there.
    let (other, dashboard) = (Dashboard::new("in HTTP/1.1").await, Http2::new().await);
    let mut written = at(&[&other.url(), &dashboard.url], &other);
    written.server = "listen = [\"127.0.0.1:0\"]\nworkers = 1".to_owned();
    written.upstream.push_str("\nupstream_http = \"2\"");
    let house = House::new(folder(), &written).await;
    let mut visitor = house.connect().await;
    for target in ["/protected", "/open/x"] {
        assert_eq!(ask(&mut visitor, target).await.expect("an answer"), (200, "in HTTP/2".to_owned()));
    }
    let asked = dashboard.asked.lock().expect("no panic").clone();
    assert_eq!(asked, ["/api/me", "/protected", "/open/x"].map(|path| format!("{path} \"session=1\"")));
    assert_eq!(dashboard.connections.load(Ordering::Relaxed), 1);
}

fn acceptor(certified: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("a certificate with its key");
    TlsAcceptor::from(Arc::new(config))
}

/// Answers one request by TLS, if the gateway believes this certificate.
async fn attend(listener: &TcpListener, certified: &CertifiedKey<KeyPair>) {
    let (stream, _) = soon(listener.accept()).await.expect("a connection");
    if let Ok(mut stream) = soon(acceptor(certified).accept(stream)).await {
        soon(stream.read(&mut [0; 1024])).await.expect("a request");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
            .await
            .expect("written");
        stream.shutdown().await.expect("an end");
    }
}

#[tokio::test]
async fn a_reload_believes_the_authorities_that_are_in_the_file_by_then() {
    let dashboard = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = dashboard.local_addr().expect("bound").port();
    let folder = folder();
    let (old, new) =
        (certificate(&folder, "old-", &["insights.internal"]), certificate(&folder, "new-", &["insights.internal"]));
    write(&folder, "authorities.pem", &old.cert.pem());
    let upstream = format!(
        "\"https://127.0.0.1:{port}\"\nupstream_name = \"insights.internal\"\nupstream_authorities = \"authorities.pem\""
    );
    let written = Written { upstream, ..plain(&Dashboard::new("unused").await) };
    let house = House::new(folder, &written).await;
    write(&house.folder, "authorities.pem", &new.cert.pem());
    for (shown, is_reloaded, status) in [(&old, false, 200), (&new, false, 502), (&new, true, 200), (&old, true, 502)] {
        if is_reloaded {
            house.running.take_in(house.parse(&written)).expect("taken in");
        }
        let mut visitor = house.connect().await;
        let (answer, ()) = tokio::join!(ask(&mut visitor, "/open/x"), attend(&dashboard, shown));
        assert_eq!(answer.expect("an answer").0, status, "reloaded: {is_reloaded}");
    }
}

/// Where everything leads to the gateway itself, and how many connections went that way.
async fn a_way_back(listener: TcpListener, gateway: std::net::SocketAddr, count: Arc<AtomicUsize>) {
    while let Ok((mut from, _)) = listener.accept().await {
        count.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut to = TcpStream::connect(gateway).await.expect("the gateway listens");
            // Whoever ends it first has said all there is.
            drop(tokio::io::copy_bidirectional(&mut from, &mut to).await);
        });
    }
}

#[tokio::test]
async fn an_upstream_that_leads_back_to_the_gateway_is_a_loop_of_a_few_rounds() {
    for trusted in ["", "trusted_proxies = [\"127.0.0.1\"]"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let dashboard = Dashboard::new("never asked").await;
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let mut written = at(&[&url], &dashboard);
        written.server = format!("{}\n{trusted}", written.server);
        let house = House::new(folder(), &written).await;
        let count = Arc::new(AtomicUsize::new(0));
        tokio::spawn(a_way_back(listener, house.address, Arc::clone(&count)));
        for (target, expected) in [("/open/x", 508), ("/protected", 502)] {
            let (status, _) = ask(&mut house.connect().await, target).await.expect("an answer");
            assert_eq!(status, expected, "{target}, {trusted}");
        }
        assert!(count.load(Ordering::Relaxed) <= 20, "{count:?} connections");
    }
}
