//! TLS for visitors: the certificate for the name they ask for, TLS 1.2 and 1.3, sessions that can be resumed.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;
pub use super::certificate::TlsError;
use crate::config;
use crate::second_factor::Timestamp;

/// How HTTP/2 over TLS is called in a handshake (RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// TLS, ready for handshakes. Cheap to clone; all clones show the same certificates and resume each other's sessions.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

impl Tls {
    /// Shows these certificates from now on.
    pub fn new(certificates: Certificates) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(certificates)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        config.ticketer = Ticketer::new().map_err(TlsError::Setup)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown })
    }

    /// Reads these certificates, and shows them from now on.
    pub fn load(files: &config::Tls) -> Result<Self, TlsError> {
        Self::new(Certificates::read(files)?)
    }

    /// Shows other certificates from the next handshake on. Sessions that began with those before can still be resumed.
    pub fn show(&self, certificates: Certificates) {
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// Shakes hands with a client. The stream is boxed, for it is large and goes through many hands, each of which would have
    /// room for it.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<Box<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await.map(Box::new)
    }
}

/// Certificates with their keys, by the names in them.
#[derive(Debug)]
pub struct Certificates {
    all: Vec<Certificate>,
    by_name: HashMap<String, usize>,
}

impl Certificates {
    /// Reads them, and checks that each key belongs to its certificate.
    pub fn read(files: &config::Tls) -> Result<Self, TlsError> {
        let all = files.certificates.iter().map(Certificate::read).collect::<Result<Vec<_>, _>>()?;
        let mut by_name = HashMap::new();
        for (index, certificate) in all.iter().enumerate() {
            for name in &certificate.names {
                by_name.entry(name.clone()).or_insert(index);
            }
        }
        Ok(Self { all, by_name })
    }

    /// Tells which of them visitors will not believe anymore, each in a sentence.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = String> {
        self.all.iter().filter_map(move |certificate| {
            let end = certificate.expires.filter(|end| *end <= now)?;
            Some(format!("the certificate in {} has expired on {}", certificate.file.display(), end.rfc3339()))
        })
    }

    /// The first that has this name in it; else the first with a wildcard for it; else the first of all.
    fn for_name(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.by_name.get(&format!("*.{parent}")));
        let index = self.by_name.get(&name).or_else(wildcard).copied().unwrap_or_default();
        self.all.get(index).map(|certificate| &certificate.certified)
    }
}

/// What is shown in handshakes.
#[derive(Debug)]
struct Shown(RwLock<Certificates>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).for_name(hello.server_name()).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion, version};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_rustls::{TlsConnector, client};

    use super::*;

    /// TLS with a certificate for `localhost`, and a visitor's for each of these versions.
    fn both(versions: &[&'static SupportedProtocolVersion]) -> (Tls, Vec<TlsConnector>) {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let mut roots = RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(&certificate).expect("read")).expect("a root");
        let connector = |version| {
            let provider = Arc::new(aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
            let config = config.expect("a version").with_root_certificates(roots.clone()).with_no_client_auth();
            TlsConnector::from(Arc::new(config))
        };
        let connectors = versions.iter().copied().map(connector).collect();
        let files = config::Tls { certificates: vec![config::CertificateFiles { certificate, key }] };
        (Tls::load(&files).expect("a certificate with its key"), connectors)
    }

    type Ends = (client::TlsStream<DuplexStream>, Box<TlsStream<DuplexStream>>);

    async fn shake_hands(visitor: &TlsConnector, tls: &Tls) -> Ends {
        let (near, far) = duplex(1 << 14);
        let name = ServerName::try_from("localhost").expect("a name");
        let (near, far) = tokio::join!(visitor.connect(name, near), tls.accept(far));
        (near.expect("a handshake"), far.expect("a handshake"))
    }

    #[tokio::test]
    async fn sessions_are_resumed_in_either_version() {
        let (tls, visitors) = both(&[&version::TLS12, &version::TLS13]);
        for visitor in visitors {
            for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
                let (mut near, mut far) = shake_hands(&visitor, &tls).await;
                assert_eq!(near.get_ref().1.handshake_kind(), Some(expected));
                far.write_all(b"hello").await.expect("written");
                far.flush().await.expect("flushed");
                let mut answer = [0; 5];
                near.read_exact(&mut answer).await.expect("an answer");
                assert_eq!(&answer, b"hello");
            }
        }
    }

    #[tokio::test]
    async fn a_client_with_which_no_hands_can_be_shaken_is_told_why() {
        let (tls, _) = both(&[]);
        let (mut near, far) = duplex(1 << 14);
        near.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
        tls.accept(far).await.expect_err("this is no handshake");
        let mut told = Vec::new();
        near.read_to_end(&mut told).await.expect("an end");
        assert!(told.starts_with(&[21, 3, 3, 0, 2, 2]), "a fatal alert (RFC 8446, section 6): {told:?}");
    }
}
