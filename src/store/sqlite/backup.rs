//! Backups: made of a file in use, and marked, so that what is in one can't be used before it was made fit for that.
//!
//! The mark is in the header, in place of what says that the file is a store. It goes in the transaction that ends what may
//! have been used up since. Until then no journal but SQLite's first one is used: a write-ahead log beside a marked file is
//! another store's.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, hard_link, remove_file, rename};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::migrations::{self, APPLICATION_ID, BACKUP_ID};
use super::open::{self, Found, OpenError, close_to_others, existing, explain};
use super::restoring;
use crate::second_factor::event::Occasion;
use crate::store::Ended;

/// Why there is no backup. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store can't be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is something of that name.
    #[error("{path:?} is there already; name a file that is not, or move that away first")]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be made.
    #[error("the backup {path:?} can't be made; its directory must exist and be writable for whoever makes it")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The store can't be copied.
    #[error("the store can't be copied to {path:?}; is there room for it?")]
    Copy {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}

/// Makes a marked copy of the store, of one moment, in a new file that only its owner can read. It has that name once it is
/// whole and on disk. The store is not changed, and may be one that an earlier release wrote.
pub(super) fn make(store: &Path, to: &Path) -> Result<(), BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Taken { path: to.to_owned() });
    }
    let (connection, found) = existing(store)?;
    if found == Found::Backup {
        return Err(OpenError::Backup { path: store.to_owned() }.into());
    }
    let part = beside(to, ".part");
    // SQLite takes an empty file for none, and would give a new one the mode that everybody's files have.
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(|e| failed(&part, e))?);
    let told = |source| BackupError::Copy { path: to.to_owned(), source };
    let made = copy(&connection, &part).map_err(told).and_then(|()| keep(&part, to).map_err(|e| failed(to, e)));
    if made.is_err() {
        // Half a backup is none; if it can't be removed there is nothing more to say than what went wrong before.
        drop(remove_file(&part));
    }
    made
}

fn failed(path: &Path, source: io::Error) -> BackupError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Taken { path },
        _ => BackupError::Create { path, source },
    }
}

fn copy(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    let name = to.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(to.to_owned()))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?.pragma_update(None, "application_id", BACKUP_ID)
}

/// Has the whole file on disk under its name, unless another has that by now.
fn keep(part: &Path, to: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    match hard_link(part, to) {
        Ok(()) => remove_file(part)?,
        // Not every file system has links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !to.exists() => rename(part, to)?,
        Err(error) => return Err(error),
    }
    File::open(to.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Makes the file fit for use if it is a marked backup, all of it in one transaction; says what that ended. `None`, and
/// nothing done, for whatever else it is.
pub(super) fn take_in(path: &Path, occasion: &Occasion) -> Result<Option<Ended>, OpenError> {
    // In this order: whoever comes second may find a log that is right, but then the mark is gone.
    let has_log = beside(path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    if !is_marked(path) {
        return Ok(None);
    }
    if has_log {
        return Err(OpenError::LogOfAnother { path: path.to_owned() });
    }
    close_to_others(path)?;
    let (mut connection, _) = existing(path)?;
    restore(&mut connection, occasion).map_err(|failure| match failure {
        Failed::Database(source) => explain(path, source),
        Failed::Work(source) => OpenError::NotRestored { path: path.to_owned(), source },
    })
}

enum Failed {
    Database(rusqlite::Error),
    Work(super::job::Failure),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

fn restore(connection: &mut Connection, occasion: &Occasion) -> Result<Option<Ended>, Failed> {
    migrations::bring_up_to_date(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if open::application(&transaction)? != BACKUP_ID {
        // Another process was first.
        return Ok(None);
    }
    let ended = restoring::restored(&transaction, occasion).map_err(Failed::Work)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()?;
    Ok(Some(ended))
}

/// Whether the file itself has the mark, whatever is beside it. What can't be looked at has none: [`open::writer`] will say
/// what is wrong with it.
fn is_marked(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let looked = Connection::open_with_flags(as_it_lies(path), flags).and_then(|file| open::application(&file));
    looked.is_ok_and(|application| application == BACKUP_ID)
}

/// The address by which SQLite reads the file alone: no log, no journal, no locks.
fn as_it_lies(path: &Path) -> String {
    let mut address = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        let written = match byte {
            b'/' | b'.' | b'-' | b'_' => write!(address, "{}", char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => write!(address, "{}", char::from(*byte)),
            byte => write!(address, "%{byte:02X}"),
        };
        written.expect("a string takes it");
    }
    address + "?immutable=1"
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
