//! The file of the keys that seal secrets at rest: made on the first start, refused when others can read it.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::entropy;
use crate::second_factor::account::AccountKey;
use crate::second_factor::sealing::{BadKeyFile, Keyring, Purpose, Sealed, Unsealable};
use crate::store::{Store, StoreError};

/// Why the keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or made.
    #[error("the key file {path} can't be {what}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// `read`, `made`.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner can read or change it.
    #[error(
        "the key file {path} is open to others (mode {mode:03o}): make it readable by its owner alone, with `chmod 600 {path}`"
    )]
    OpenToOthers {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is in it is no key file.
    #[error("the key file {path} is not one")]
    Bad {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BadKeyFile,
    },
    /// It is missing, and the store holds secrets that were sealed with it.
    #[error(
        "the key file {path} is missing, and the store was sealed with it: put it back from a backup; without it no second factor in this store can be checked, and only a new store can take its place"
    )]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// The store was sealed with another key.
    #[error("the key file {path} does not belong to this store: {source}")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What opening a sealed value said.
        source: Unsealable,
    },
    /// The store can't be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of a store: read from the file, or made if neither the file nor anything sealed exists yet.
pub async fn keyring(path: &Path, store: &dyn Store) -> Result<Keyring, KeyError> {
    let check = store.key_check().await?;
    let text = match (read(path)?, &check) {
        (Some(text), _) => text,
        (None, Some(_)) => return Err(KeyError::Missing { path: path.to_owned() }),
        (None, None) => make(path)?,
    };
    let keyring = Keyring::parse(&text).map_err(|source| KeyError::Bad { path: path.to_owned(), source })?;
    let check = match check {
        Some(check) => check,
        None => store.set_key_check(seal_check(&keyring)).await?,
    };
    match keyring.open(Purpose::KeyCheck, &nobody(), &check) {
        Ok(_) => Ok(keyring),
        Err(source) => Err(KeyError::Foreign { path: path.to_owned(), source }),
    }
}

fn seal_check(keyring: &Keyring) -> Sealed {
    keyring.seal(Purpose::KeyCheck, &nobody(), b"vestibule", entropy::random())
}

/// The check belongs to no account.
fn nobody() -> AccountKey {
    AccountKey { realm: String::new(), organization: String::new(), user: String::new() }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), what: "read", source };
    let mut file = match OpenOptions::new().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::OpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// Makes a new file, or reads the one that another process made just now.
fn make(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), what: "made", source };
    let text = Keyring::new_file(&entropy::random());
    // Written under another name and linked into place, so that a half-written file is never taken for the key.
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&fresh, path));
    let _ = std::fs::remove_file(&fresh);
    match linked {
        Ok(()) => {
            sync_folder(path).map_err(failed)?;
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
        }
        Err(error) => Err(failed(error)),
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
