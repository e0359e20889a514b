//! Whom to believe that they are the dashboard.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is offered to a dashboard in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    Http2OrHttp1,
}

/// What it chose. Whoever says nothing speaks HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    Http1,
    Http2,
}

impl Agreement {
    pub(super) fn of<S>(stream: &TlsStream<S>) -> Self {
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) { Self::Http2 } else { Self::Http1 }
    }
}

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// A connector for each offer.
pub(super) struct Connectors {
    http1: TlsConnector,
    http2_or_http1: TlsConnector,
}

impl Connectors {
    /// Believes the authorities in this PEM file, or those of the system. There is no way to believe anybody.
    pub(super) fn new(authorities: Option<&Path>) -> io::Result<Self> {
        let roots = match authorities {
            Some(path) => from_file(path)?,
            None => from_system()?,
        };
        let mut http1 = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        http1.alpn_protocols = vec![HTTP1.to_vec()];
        let mut both = http1.clone();
        both.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Self { http1: Arc::new(http1).into(), http2_or_http1: Arc::new(both).into() })
    }

    pub(super) const fn of(&self, offer: Offer) -> &TlsConnector {
        match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2OrHttp1 => &self.http2_or_http1,
        }
    }
}

fn from_file(path: &Path) -> io::Result<RootCertStore> {
    let unusable = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() { Err(unusable(&"there is no certificate in it")) } else { Ok(roots) }
}

fn from_system() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(io::Error::other("the system has no certificate authorities to believe; name a file of them"));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_cannot_be_read_are_an_error_that_names_the_file() {
        let missing = Connectors::new(Some(Path::new("/nonexistent/authorities.pem"))).err().expect("no connector");
        assert!(missing.to_string().starts_with("/nonexistent/authorities.pem: "), "{missing}");
        let empty = tempfile::NamedTempFile::new().expect("a file");
        let error = Connectors::new(Some(empty.path())).err().expect("no connector");
        assert!(error.to_string().ends_with("there is no certificate in it"), "{error}");
    }
}
