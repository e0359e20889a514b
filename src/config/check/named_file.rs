//! Files that the configuration names: where they are, and whether they hold what they should.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::finding::Form;
use crate::config::problem::Wrong;

/// A path, from the folder of the configuration.
pub(super) fn file_path(text: &str, folder: &Path) -> Form<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new(format!("{text:?} names no file"), "a path, from the folder of this file"));
    }
    Ok(folder.join(text))
}

/// A PEM file with at least one certificate.
pub(super) fn certificates(text: &str, folder: &Path) -> Form<PathBuf> {
    let path = file_path(text, folder)?;
    let pem = contents(&path)?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(path),
        _ => Err(Wrong::new(format!("{} has no certificate in it", path.display()), "a PEM file: BEGIN CERTIFICATE")),
    }
}

/// A PEM file with a private key.
pub(super) fn private_key(text: &str, folder: &Path) -> Form<PathBuf> {
    let path = file_path(text, folder)?;
    let pem = contents(&path)?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(_) => Ok(path),
        Err(_) => {
            Err(Wrong::new(format!("{} has no private key in it", path.display()), "a PEM file: BEGIN PRIVATE KEY"))
        }
    }
}

/// What is in a file.
pub(super) fn contents(path: &Path) -> Form<Vec<u8>> {
    std::fs::read(path).map_err(|error: io::Error| {
        Wrong::new(
            format!("{} can't be read: {error}", path.display()),
            "a file that the gateway may read; relative paths count from the folder of this file",
        )
    })
}
