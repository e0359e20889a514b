//! Whom to believe that they are the dashboard.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// A connector that believes the authorities in this PEM file, or those of the system. There is no way to believe anybody.
pub(super) fn connector(authorities: Option<&Path>) -> io::Result<TlsConnector> {
    let roots = match authorities {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
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
        let missing = connector(Some(Path::new("/nonexistent/authorities.pem"))).err().expect("no connector");
        assert!(missing.to_string().starts_with("/nonexistent/authorities.pem: "), "{missing}");
        let empty = tempfile::NamedTempFile::new().expect("a file");
        let error = connector(Some(empty.path())).err().expect("no connector");
        assert!(error.to_string().ends_with("there is no certificate in it"), "{error}");
    }
}
