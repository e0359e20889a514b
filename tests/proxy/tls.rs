//! TLS on both sides, and Unix sockets.

use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use vestibule::config::{self, CertificateFiles, Listen, UpstreamAddress};
use vestibule::listener::tls::{Tls, TlsError};

use super::support::{End, Options, World, field, soon, status, write};

pub(crate) const NAME: &str = "insights.acme.example";
const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

pub(crate) fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([NAME.to_owned()]).expect("a certificate")
}

pub(crate) fn files(directory: &TempDir, certified: &CertifiedKey<KeyPair>) -> CertificateFiles {
    CertificateFiles {
        certificate: write(directory, "fullchain.pem", &certified.cert.pem()),
        key: write(directory, "key.pem", &certified.signing_key.serialize_pem()),
    }
}

pub(crate) fn only(files: CertificateFiles) -> config::Tls {
    config::Tls { certificates: vec![files] }
}

/// A client that believes this certificate, and speaks these protocols.
pub(crate) fn connector(certified: &CertifiedKey<KeyPair>, protocols: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).expect("an authority");
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

pub(crate) async fn handshake(
    connector: &TlsConnector,
    stream: TcpStream,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let name = ServerName::try_from(NAME).expect("a name");
    soon(connector.connect(name, stream)).await.expect("a handshake")
}

#[tokio::test]
async fn a_visitor_comes_in_by_tls_and_a_second_handshake_is_a_short_one() {
    let (directory, certified) = (tempfile::tempdir().expect("a directory"), certificate());
    let world = World::with(Options { tls: Some(only(files(&directory, &certified))), ..Options::default() }).await;
    let connector = connector(&certified, &["http/1.1"]);

    let stream = handshake(&connector, world.connect().await).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    let mut client = End::of(stream);
    client.say("GET / HTTP/1.1\r\nHost: insights.acme.example\r\n\r\n").await;
    let mut origin = world.origin.accept().await;
    assert_eq!(field(&origin.head().await, "x-forwarded-proto"), Some("https"));
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");

    let stream = handshake(&connector, world.connect().await).await;
    assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn plain_http_gets_nothing_on_a_tls_port() {
    let (directory, certified) = (tempfile::tempdir().expect("a directory"), certificate());
    let world = World::with(Options { tls: Some(only(files(&directory, &certified))), ..Options::default() }).await;
    let mut client = world.client().await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut rest = Vec::new();
    // A TLS alert at most.
    drop(soon(tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest)).await);
    assert!(rest.len() < 10 && !rest.starts_with(b"HTTP"), "{rest:?}");
}

#[tokio::test]
async fn files_that_do_not_fit_are_errors_that_name_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = files(&directory, &certificate());
    assert!(Tls::load(&only(good.clone())).is_ok());

    let other = write(&directory, "other.pem", &certificate().signing_key.serialize_pem());
    let mismatch = Tls::load(&only(CertificateFiles { key: other, ..good.clone() })).err();
    assert!(matches!(mismatch, Some(TlsError::Mismatch { .. })), "{mismatch:?}");

    let missing = Tls::load(&only(CertificateFiles { certificate: "/nonexistent.pem".into(), ..good.clone() })).err();
    assert!(matches!(missing, Some(TlsError::Unreadable { .. })), "{missing:?}");
    assert!(missing.is_some_and(|error| error.to_string().contains("/nonexistent.pem")));

    let empty =
        Tls::load(&only(CertificateFiles { certificate: write(&directory, "empty.pem", ""), ..good.clone() })).err();
    assert!(matches!(empty, Some(TlsError::NoCertificate(_))), "{empty:?}");

    let no_key = Tls::load(&only(CertificateFiles { key: good.certificate.clone(), ..good.clone() })).err();
    assert!(matches!(no_key, Some(TlsError::Unreadable { .. })), "{no_key:?}");
}

/// A world whose dashboard has a certificate for [`NAME`], and an acceptor for it.
async fn behind_tls(
    name: Option<&str>,
    believed: &CertifiedKey<KeyPair>,
    shown: &CertifiedKey<KeyPair>,
) -> (World, TlsAcceptor, tokio::net::TcpListener) {
    behind(name, believed, (shown, &[]), Options::default()).await
}

/// The same, with these protocols for the acceptor to choose from.
pub(crate) async fn behind(
    name: Option<&str>,
    believed: &CertifiedKey<KeyPair>,
    (shown, protocols): (&CertifiedKey<KeyPair>, &[&str]),
    options: Options,
) -> (World, TlsAcceptor, tokio::net::TcpListener) {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = UpstreamAddress::Https {
        host: "127.0.0.1".into(),
        port: listener.local_addr().expect("bound").port(),
        name: name.map(Into::into),
        authorities: Some(write(&directory, "authorities.pem", &believed.cert.pem())),
    };
    let world = World::with(Options { upstream: Some(upstream), ..options }).await;
    let key = PrivateKeyDer::try_from(shown.signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![shown.cert.der().clone()], key)
        .expect("a certificate with its key");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    (world, TlsAcceptor::from(Arc::new(config)), listener)
}

#[tokio::test]
async fn a_dashboard_is_reached_by_tls_under_the_name_it_must_have() {
    let certified = certificate();
    let (world, acceptor, listener) = behind_tls(Some(NAME), &certified, &certified).await;
    let mut client = world.client().await;
    client.say("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (stream, _) = soon(listener.accept()).await.expect("a connection");
    let mut origin = End::of(soon(acceptor.accept(stream)).await.expect("a handshake"));
    assert!(origin.head().await.starts_with("GET /x "));
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole_only_if_the_dashboard_says_that_it_ends() {
    let certified = certificate();
    for says_so in [true, false] {
        let (world, acceptor, listener) = behind_tls(Some(NAME), &certified, &certified).await;
        let mut client = world.client().await;
        client.say("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (stream, _) = soon(listener.accept()).await.expect("a connection");
        let mut origin = End::of(soon(acceptor.accept(stream)).await.expect("a handshake"));
        origin.head().await;
        origin.say("HTTP/1.1 200 OK\r\n\r\nall there is").await;
        client.until("all there is").await;
        if says_so {
            soon(origin.stream.shutdown()).await.expect("said");
            client.until("0\r\n\r\n").await;
        } else {
            drop(origin);
            assert!(!client.rest().await.contains("0\r\n\r\n"), "anybody on the way can cut it off");
        }
    }
}

#[tokio::test]
async fn a_dashboard_that_can_not_prove_its_name_gets_nothing() {
    let certified = certificate();
    let cases = [(None, &certified), (Some("other.example"), &certified), (Some(NAME), &certificate())];
    for (name, shown) in cases {
        let (world, acceptor, listener) = behind_tls(name, &certified, shown).await;
        let mut client = world.client().await;
        client.say("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (stream, _) = soon(listener.accept()).await.expect("a connection");
        assert!(soon(acceptor.accept(stream)).await.is_err(), "the handshake is broken off");
        assert_eq!(status(&client.answer().await.0), 502);
    }
}

#[tokio::test]
async fn both_ways_can_be_unix_sockets() {
    let directory = tempfile::tempdir().expect("a directory");
    let (inside, outside) = (directory.path().join("dashboard.sock"), directory.path().join("vestibule.sock"));
    let dashboard = UnixListener::bind(&inside).expect("a socket");
    let world = World::with(Options {
        upstream: Some(UpstreamAddress::Unix(inside)),
        listen: Listen::Unix(outside.clone()),
        ..Options::default()
    })
    .await;
    let mut client = End::of(soon(UnixStream::connect(&outside)).await.expect("the gateway listens"));
    client.say("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n").await;
    let mut origin = End::of(soon(dashboard.accept()).await.expect("a connection").0);
    let head = origin.head().await;
    assert_eq!(field(&head, "x-forwarded-for"), None);
    origin.say(HI).await;
    assert_eq!(client.answer().await.1, "hi");
    assert_eq!(world.address.to_string(), format!("unix:{}", outside.display()));
}
