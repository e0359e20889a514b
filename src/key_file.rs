//! The file of the keys that seal secrets at rest: made on the first start, refused when others can read it.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::entropy;
use crate::second_factor::account::AccountKey;
use crate::second_factor::digests::DigestKeys;
use crate::second_factor::key_check::KeyCheck;
use crate::second_factor::sealing::{BadKeyFile, KeyMark, Keyring, Purpose, Sealed, Unsealable};
use crate::store::{Store, StoreError};
use crate::telemetry::causes;

/// Why the keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or made.
    #[error("the key file {path} can't be {what}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// `read`, `made`, `changed`.
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
    #[error("the key file {path} does not belong to this store")]
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

/// The keys of a store, as a gateway has them. They can change while it runs.
pub struct Keys {
    path: PathBuf,
    store: Arc<dyn Store>,
    digests: DigestKeys,
    ring: RwLock<Arc<Keyring>>,
}

impl Keys {
    /// Reads the keys from the file; it is made if neither it nor anything sealed exists yet. An error if a key is missing
    /// that something in the store may be sealed with.
    pub async fn open(path: &Path, store: Arc<dyn Store>) -> Result<Self, KeyError> {
        let Loaded { ring, check, .. } = load(path, store.as_ref()).await?;
        let (path, digests) = (path.to_owned(), check.digests);
        Ok(Self { path, store, digests, ring: RwLock::new(Arc::new(ring)) })
    }

    /// What recovery codes and bindings are digested with.
    pub const fn digests(&self) -> &DigestKeys {
        &self.digests
    }

    /// Opens what was sealed for this purpose of this account. For a key that came into the file only lately, the file is
    /// read again.
    pub async fn open_sealed(
        &self,
        purpose: Purpose,
        account: &AccountKey,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        match self.ring().open(purpose, account, sealed) {
            Err(Unsealable::AnotherKey) => {
                if let Err(error) = self.read_again().await {
                    tracing::error!(
                        error = causes(&error),
                        "a secret needs another key, and the keys can't be read again"
                    );
                }
                self.ring().open(purpose, account, sealed)
            }
            opened => opened,
        }
    }

    /// Seals `plain` for one purpose of one account, with the key that the store is at now.
    pub async fn seal(&self, purpose: Purpose, account: &AccountKey, plain: &[u8]) -> Result<Sealed, KeyError> {
        let current = self.store.key_check().await?.and_then(|check| check.mark());
        if current != Some(self.ring().seals_with()) {
            self.read_again().await?;
        }
        Ok(self.ring().seal(purpose, account, plain, entropy::random()))
    }

    /// Reads the file again, and returns the keys that are in it, the newest first. If it is no good, or lacks a key that
    /// may be needed, everything stays as it was.
    ///
    /// Keys that went are not forgotten before this process ends: some request may have read a secret just before it was
    /// sealed anew.
    pub async fn read_again(&self) -> Result<Vec<KeyMark>, KeyError> {
        let Loaded { ring, .. } = load(&self.path, self.store.as_ref()).await?;
        let marks = ring.marks();
        let mut known = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(ring.above(&known));
        Ok(marks)
    }

    fn ring(&self) -> Arc<Keyring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What [`load`] finds.
pub(crate) struct Loaded {
    /// The keys in the file; the one seals that the store is at.
    pub(crate) ring: Keyring,
    /// What the store says of them.
    pub(crate) check: KeyCheck,
    /// The same, as the store has it.
    pub(crate) sealed: Sealed,
}

/// Reads the file and the store's key check; both are made if there is neither yet.
pub(crate) async fn load(path: &Path, store: &dyn Store) -> Result<Loaded, KeyError> {
    let mut sealed = store.key_check().await?;
    loop {
        match load_by(sealed.clone(), path, store).await {
            // They may be of two moments: a rotation went on between the look at the store and that at the file.
            Err(foreign @ KeyError::Foreign { .. }) => match store.key_check().await? {
                same if same == sealed => return Err(foreign),
                newer => sealed = newer,
            },
            loaded => return loaded,
        }
    }
}

/// The same by what the store has for a key check.
async fn load_by(sealed: Option<Sealed>, path: &Path, store: &dyn Store) -> Result<Loaded, KeyError> {
    let foreign = |source| KeyError::Foreign { path: path.to_owned(), source };
    let text = match (read_elsewhere(path).await?, &sealed) {
        (Some(text), _) => text,
        (None, Some(_)) => return Err(KeyError::Missing { path: path.to_owned() }),
        (None, None) => make(path)?,
    };
    let ring = parse(path, &text)?;
    let sealed = match sealed {
        Some(sealed) => sealed,
        None => store.set_key_check(seal_check(&ring, &KeyCheck::new(&ring))).await?,
    };
    let check = KeyCheck::open(&ring, &sealed).map_err(foreign)?;
    let ring = ring.seal_with(check.current).ok_or_else(|| foreign(Unsealable::AnotherKey))?;
    Ok(Loaded { ring, check, sealed })
}

/// # Panics
/// If the keyring seals with another key than the check says.
pub(crate) fn seal_check(ring: &Keyring, check: &KeyCheck) -> Sealed {
    check.seal(ring, entropy::random()).expect("it names the key that seals")
}

/// On a thread that may wait for the disk.
async fn read_elsewhere(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    let file = path.to_owned();
    let read = spawn_blocking(move || read(&file)).await;
    read.unwrap_or_else(|error| Err(KeyError::Io { path: path.to_owned(), what: "read", source: error.into() }))
}

/// The keys in a text of that file.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Keyring, KeyError> {
    Keyring::parse(text).map_err(|source| KeyError::Bad { path: path.to_owned(), source })
}

/// The text of the file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
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

/// Puts another text in the place of the file's, all of it or nothing, for the same owner.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), what: "changed", source };
    // The file itself, if what is named is a link to it.
    let path = std::fs::canonicalize(path).map_err(failed)?;
    let owner = std::fs::metadata(&path).map_err(failed)?;
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).map_err(failed)?;
    let replaced = fchown(&file, Some(owner.uid()), Some(owner.gid()))
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&fresh, &path))
        .and_then(|()| sync_folder(&path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    replaced.map_err(failed)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::unix::pipe;
    use tokio::task::yield_now;

    use super::*;
    use crate::clock::Clock;
    use crate::key_rotation::{Step, step};
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn keys_that_are_read_while_a_rotation_goes_on_are_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, slow] = ["store.key", "slow.key"].map(|name| folder.path().join(name));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("store.db")).expect("a new store"));
        drop(Keys::open(&file, Arc::clone(&store)).await.expect("a new key file"));
        std::fs::copy(&file, &slow).expect("copied");
        let keys = Keys::open(&slow, Arc::clone(&store)).await.expect("the same");
        std::fs::remove_file(&slow).expect("ours");
        // Whoever reads from a pipe waits for what is written into it.
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&slow).status().expect("coreutils").success());

        let rotation = async {
            let mut sender = loop {
                match pipe::OpenOptions::new().open_sender(&slow) {
                    Ok(sender) => break sender,
                    // Nobody reads yet.
                    Err(_) => yield_now().await,
                }
            };
            let clock = Clock::system();
            assert!(matches!(step(&file, store.as_ref(), &clock).await.expect("a step"), Step::Added { .. }));
            assert!(matches!(step(&file, store.as_ref(), &clock).await.expect("a step"), Step::Done { .. }));
            std::fs::rename(&file, &slow).expect("ours");
            let text = std::fs::read_to_string(&slow).expect("the new key");
            sender.write_all(text.as_bytes()).await.expect("it is read");
            parse(&slow, &text).expect("a key").marks()
        };
        let (read, newest) = tokio::join!(keys.read_again(), rotation);
        assert_eq!(read.expect("the keys of one moment"), newest);
    }
}
