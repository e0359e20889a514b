//! An https dashboard that is asked for HTTP/2: what it chooses, and what goes by HTTP/1.1 all the same.

use h2::server::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::support::{End, World, field, soon, status};
use super::tls::{NAME, behind, certificate};
use super::tunnels::{AGREE, ASK};
use super::upstream_http2::{Dashboard, ask, in_http2};

const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

struct Https {
    world: World,
    acceptor: TlsAcceptor,
    listener: TcpListener,
}

impl Https {
    async fn that_speaks(protocols: &[&str]) -> Self {
        let certified = certificate();
        let (world, acceptor, listener) = behind(Some(NAME), &certified, (&certified, protocols), in_http2()).await;
        Self { world, acceptor, listener }
    }

    async fn accept(&self) -> TlsStream<TcpStream> {
        let (stream, _) = soon(self.listener.accept()).await.expect("a connection");
        soon(self.acceptor.accept(stream)).await.expect("a handshake")
    }

    /// A connection on which HTTP/1.1 was agreed on.
    async fn accept_http1(&self) -> End {
        let stream = self.accept().await;
        assert_ne!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        End::of(stream)
    }

    async fn accept_http2(&self, builder: &Builder) -> Dashboard {
        let stream = self.accept().await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Dashboard::at(stream, builder).await
    }
}

#[tokio::test]
async fn http_2_is_spoken_where_the_dashboard_chooses_it() {
    let https = Https::that_speaks(&["h2", "http/1.1"]).await;
    let mut client = ask(&https.world, "/x").await;
    let mut dashboard = https.accept_http2(&Builder::new()).await;
    let asked = dashboard.asked().await;
    assert_eq!(asked.head.uri(), "https://a/x");
    asked.answer("hi");
    client.until("hi\r\n").await;
}

#[tokio::test]
async fn http_1_1_is_spoken_where_the_dashboard_chooses_that_or_says_nothing() {
    for protocols in [&["http/1.1"][..], &[]] {
        let https = Https::that_speaks(protocols).await;
        let (mut alice, mut bob) = (ask(&https.world, "/1").await, ask(&https.world, "/2").await);
        let (mut first, mut second) = (https.accept_http1().await, https.accept_http1().await);
        for origin in [&mut first, &mut second] {
            assert!(origin.head().await.ends_with("\r\n\r\n"));
            origin.say(HI).await;
        }
        assert_eq!((alice.answer().await.1, bob.answer().await.1), ("hi".to_owned(), "hi".to_owned()));
        alice.say("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = tokio::select! { head = first.head() => head, head = second.head() => head };
        assert!(head.starts_with("GET /3 "), "on a connection that was used before");
    }
}

#[tokio::test]
async fn http_2_does_not_open_the_door_to_a_dashboard_that_can_not_prove_its_name() {
    let certified = certificate();
    let cases = [(None, &certified), (Some("other.example"), &certified), (Some(NAME), &certificate())];
    for (name, shown) in cases {
        let (world, acceptor, listener) = behind(name, &certified, (shown, &["h2"]), in_http2()).await;
        let mut client = ask(&world, "/x").await;
        let (stream, _) = soon(listener.accept()).await.expect("a connection");
        assert!(soon(acceptor.accept(stream)).await.is_err(), "the handshake is broken off");
        assert_eq!(status(&client.answer().await.0), 502);
    }
}

#[tokio::test]
async fn a_login_of_a_connection_gets_one_in_http_1_1_that_is_nobody_elses() {
    let https = Https::that_speaks(&["h2", "http/1.1"]).await;
    let mut alice = https.world.client().await;
    alice.say("GET /1 HTTP/1.1\r\nHost: a\r\nAuthorization: Negotiate YIIF\r\n\r\n").await;
    let mut origin = https.accept_http1().await;
    assert_eq!(field(&origin.head().await, "authorization"), Some("Negotiate YIIF"));
    origin.say(HI).await;
    assert_eq!(alice.answer().await.1, "hi");
    assert_eq!(origin.rest().await, "", "closed");
    let _bob = ask(&https.world, "/2").await;
    assert_eq!(https.accept_http2(&Builder::new()).await.asked().await.path(), "/2");
}

#[tokio::test]
async fn a_websocket_gets_a_connection_in_http_1_1_where_http_2_takes_none() {
    let https = Https::that_speaks(&["h2", "http/1.1"]).await;
    let mut client = https.world.client().await;
    client.say(format!("{ASK}\r\n")).await;
    let mut dashboard = https.accept_http2(&Builder::new()).await;
    let mut origin = https.accept_http1().await;
    let head = origin.head().await;
    assert!(head.starts_with("GET /known/ws HTTP/1.1\r\n"), "{head}");
    origin.say(format!("{AGREE}welcome")).await;
    assert_eq!(status(&client.head().await), 101);
    assert_eq!(client.exactly(7).await, "welcome");
    let _other = ask(&https.world, "/other").await;
    assert_eq!(dashboard.asked().await.path(), "/other", "the other connection is as good as before");
}
