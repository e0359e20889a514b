//! Files that the configuration names: where they are, and whether they hold what they should.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::finding::Form;
use crate::config::Secret;
use crate::config::problem::Wrong;

/// As many bits as the shortest hash of an HMAC has (RFC 7518, section 3.2), in bytes.
const SHORTEST_SECRET: usize = 32;

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

/// A file with a secret, which is all that is in it but for a line break at its end. Its owner alone may read it.
pub(super) fn secret(text: &str, folder: &Path) -> Form<Secret> {
    let path = file_path(text, folder)?;
    let mut bytes = contents(&path)?;
    let mode = std::fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let what = format!("{} is open to others (mode {mode:03o})", path.display());
        return Err(Wrong::new(what, format!("readable by its owner alone: chmod 600 {}", path.display())));
    }
    for end in [b'\n', b'\r'] {
        bytes.pop_if(|last| *last == end);
    }
    if bytes.len() < SHORTEST_SECRET {
        let what = format!("the secret in {} is shorter than 32 bytes: it could be guessed", path.display());
        return Err(Wrong::new(what, "32 random bytes or more, as `openssl rand -hex 32` makes them"));
    }
    Ok(Secret::new(bytes))
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
