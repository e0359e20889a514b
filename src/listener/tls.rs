//! TLS for visitors: the certificate for the name they ask for, TLS 1.2 and 1.3, sessions that can be resumed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

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

    pub(super) const fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
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
