//! Balancers that name their clients before those say anything.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{
    Dashboard, House, Written, ask, believing, certificate, folder, handshake, plain, soon, with_tls,
};

const LINE: &str = "PROXY TCP4 127.0.0.9 127.0.0.1 56324 443\r\n";

fn behind(written: &Written, trusted: &str) -> Written {
    let (first, rest) = written.server.split_once('\n').expect("two lines");
    let server = format!("{first}\nproxy_protocol = true\ntrusted_proxies = [\"{trusted}\"]\n{rest}");
    Written { server, ..written.clone() }
}

/// Whom the dashboard is told the client is.
async fn forwarded(mut stream: TcpStream, header: &[u8], fields: &str) -> String {
    stream.write_all(header).await.expect("written");
    ask(&mut stream, &format!("/open/forwarded HTTP/1.1\r\n{fields}X: ")).await.expect("an answer").1
}

/// Whether a connection is closed without a word.
async fn is_refused(mut stream: TcpStream, says: &[u8]) -> bool {
    // It may be closed before all is written.
    let _ = stream.write_all(says).await;
    let mut read = Vec::new();
    let _ = soon(stream.read_to_end(&mut read)).await;
    read.is_empty()
}

#[tokio::test]
async fn the_client_is_whom_the_header_names_and_is_believed_only_if_it_is_trusted_itself() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &behind(&plain(&dashboard), "127.0.0.1")).await;
    let claims = "X-Forwarded-For: 127.0.0.8\r\n";
    let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    version_2.extend([127, 0, 0, 9, 127, 0, 0, 1, 0xdc, 4, 1, 0xbb]);
    assert_eq!(forwarded(house.connect().await, LINE.as_bytes(), claims).await, "127.0.0.9");
    assert_eq!(forwarded(house.connect().await, &version_2, claims).await, "127.0.0.9");
    let trusted = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n";
    assert_eq!(forwarded(house.connect().await, trusted, claims).await, "127.0.0.8, 127.0.0.1");
}

#[tokio::test]
async fn a_balancer_that_names_nobody_is_not_believed_about_anybody() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &behind(&plain(&dashboard), "127.0.0.1")).await;
    let claims = "X-Forwarded-For: 127.0.0.8\r\n";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let mut unspecified = b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\x04".to_vec();
    unspecified.extend([1, 2, 3, 4]);
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN 127.0.0.7 127.0.0.1 1 2\r\n", local, &unspecified] {
        assert_eq!(forwarded(house.connect().await, header, claims).await, "127.0.0.1", "{}", header.escape_ascii());
    }
}

#[tokio::test]
async fn a_client_elsewhere_is_one_even_if_the_balancer_is_on_this_machine() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &behind(&plain(&dashboard), "127.0.0.1")).await;
    let mut stream = house.connect().await;
    stream.write_all(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n").await.expect("written");
    let (status, _) = ask(&mut stream, "/open/x").await.expect("an answer");
    assert_ne!(status, 200, "it came without TLS");
}

#[tokio::test]
async fn the_header_comes_before_the_handshake() {
    let dashboard = Dashboard::new("first").await;
    let folder = folder();
    let certified = certificate(&folder, "", &["a.example"]);
    let house = House::new(folder, &behind(&with_tls(&dashboard), "127.0.0.1")).await;
    let mut stream = house.connect().await;
    stream.write_all(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n").await.expect("written");
    let mut stream = handshake(&believing(&[&certified]), "a.example", stream).await.expect("a handshake");
    assert_eq!(ask(&mut stream, "/open/forwarded").await.expect("an answer"), (200, "192.0.2.1".to_owned()));

    let without = handshake(&believing(&[&certified]), "a.example", house.connect().await).await;
    assert!(without.is_err(), "without a header nobody comes in");
}

#[tokio::test]
async fn who_sends_no_header_or_may_not_send_one_is_refused_and_a_reload_says_who_may() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &behind(&plain(&dashboard), "127.0.0.1")).await;
    let request = "GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n";
    let with_header = format!("{LINE}{request}");
    assert!(is_refused(house.connect().await, request.as_bytes()).await);
    assert!(is_refused(house.connect().await, format!("PROXY TCP4 x y 1 2\r\n{request}").as_bytes()).await);

    house.running.take_in(house.parse(&behind(&plain(&dashboard), "192.0.2.1"))).expect("taken in");
    assert!(is_refused(house.connect().await, with_header.as_bytes()).await);

    let without = house.running.take_in(house.parse(&plain(&dashboard))).expect_err("connections have begun with one");
    assert!(without.to_string().starts_with("server.proxy_protocol can't change"), "{without}");
    let house = House::new(folder(), &plain(&dashboard)).await;
    let mut stream = house.connect().await;
    assert_eq!(ask(&mut stream, "/open/x").await.expect("an answer").0, 200);
    let mut stream = house.connect().await;
    stream.write_all(LINE.as_bytes()).await.expect("written");
    let (status, _) = ask(&mut stream, "/open/x").await.expect("an answer");
    assert_eq!(status, 400, "never optional: here it is no HTTP");
}
