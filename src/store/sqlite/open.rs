//! Opening the file: which one it may be, how it is kept, and what to tell the operator if it can't be used.

use std::fs::{OpenOptions, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::job::Failure;
use super::migrations::{self, APPLICATION_ID, BACKUP_ID, VERSION, Version};

/// Why a store can't be opened. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such file, and none can be made.
    #[error(
        "the store {path:?} can't be created; its directory must exist and be writable for the user Vestibule runs as"
    )]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is there and can't be opened.
    #[error(
        "the store {path:?} can't be opened; the file and its directory must be readable and writable for the user Vestibule runs as"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file can be read only.
    #[error(
        "the store {path:?} is read-only; the file and its directory must be writable for the user Vestibule runs as"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be made unreadable for others.
    #[error(
        "the store {path:?} is open to other users and can't be closed to them; it must belong to the user Vestibule runs as, with mode 0600"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path:?} is not a Vestibule store; it was left as it is, name another file in `[store] url`")]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file is a backup, as it was made.
    #[error(
        "{path:?} is a backup: sessions and codes in it may have been used up since; name it in `[store] url`, where \
         `vestibule store restored` or the start of a gateway ends them"
    )]
    Backup {
        /// The file.
        path: PathBuf,
    },
    /// Beside a backup lies what another store had not written into its own file yet.
    #[error(
        "beside the backup {path:?} lies the write-ahead log of another store, which would spoil it; move the files \
         that end in -wal and -shm away"
    )]
    LogOfAnother {
        /// The file.
        path: PathBuf,
    },
    /// What has to be done to a backup failed. It is as it was.
    #[error("the backup {path:?} can't be made fit for use; it was left as it is")]
    NotRestored {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Failure,
    },
    /// A later release has changed the file so that this one can't work with it, or not do what was asked.
    #[error(
        "the store {path:?} has version {found}, and this Vestibule knows version {known} at most; \
         run the release that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The last one known here.
        known: usize,
    },
    /// The file is broken.
    #[error("the store {path:?} is damaged; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file's place can't hold a database that several processes use.
    #[error(
        "the store {path:?} can't keep a write-ahead log; put it on a local file system, network file systems can't do that"
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
    },
    /// It has to be nobody else's for a while, and is not.
    #[error("the store {path:?} is in use; stop the gateway and every command that works on it first")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The threads that work on the store can't be started.
    #[error("the threads of the store can't be started")]
    Threads {
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// How long one process waits for another that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `trusted_schema`: nothing in the file is to be run as code. `temp_store`: no copies in other files.
const PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";

/// Statements that a connection keeps prepared: all there are, with some room.
const STATEMENTS: usize = 128;

/// The writing connection. Makes the file if there is none, and brings it up to date.
pub(super) fn writer(path: &Path) -> Result<Connection, OpenError> {
    create_if_missing(path)?;
    let told = |source| explain(path, source);
    let (mut connection, found) = existing(path)?;
    if found == Found::Backup {
        return Err(OpenError::Backup { path: path.to_owned() });
    }
    close_to_others(path)?;
    keep_a_log(&connection, path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    migrations::bring_up_to_date(&mut connection).map_err(told)?;
    Ok(connection)
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A store, or one to be.
    Store,
    /// A backup, as it was made.
    Backup,
}

/// A connection to a file that is there, which it changes nothing of, and what the file is.
pub(super) fn existing(path: &Path) -> Result<(Connection, Found), OpenError> {
    let told = |source| explain(path, source);
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(told)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(told)?;
    if connection.is_readonly("main").map_err(told)? {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    // Before anything is written: it may be somebody else's file.
    let found = recognize(&connection, path)?;
    connection.execute_batch(PRAGMAS).map_err(told)?;
    Ok((connection, found))
}

/// A reading connection to a file that [`writer`] has opened.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let told = |source| explain(path, source);
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY)).map_err(told)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(told)?;
    connection.execute_batch(PRAGMAS).map_err(told)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// A connection to a file that [`writer`] has opened before, in a transaction. For as long as it is open nobody else can
/// read or write the file.
pub(super) fn alone(path: &Path) -> Result<Connection, OpenError> {
    let told = |source| explain(path, source);
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(told)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(told)?;
    // Before anything is read: only then does SQLite keep out those, too, who have the file open and do nothing.
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE").map_err(told)?;
    let claimed = connection.execute_batch(PRAGMAS).and_then(|()| connection.execute_batch("BEGIN EXCLUSIVE"));
    match claimed {
        Ok(()) => Ok(connection),
        Err(busy) if busy.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Err(OpenError::InUse { path: path.to_owned() })
        }
        Err(error) => Err(told(error)),
    }
}

/// Each connection stays on its own thread, so SQLite need not lock it.
fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Makes an empty file with mode 0600, which SQLite gives to the log beside it too.
///
/// A file that is there is not opened: closing it again would take away the locks that this process holds on it
/// through SQLite (POSIX: a process's locks on a file end when it closes any descriptor of it).
fn create_if_missing(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(exists) if exists.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::Create { path: path.to_owned(), source }),
    }
}

fn recognize(connection: &Connection, path: &Path) -> Result<Found, OpenError> {
    let (application, version, tables) = header(connection).map_err(|source| explain(path, source))?;
    let found = match application {
        APPLICATION_ID => Found::Store,
        BACKUP_ID => Found::Backup,
        0 if version.number == 0 && tables == 0 => Found::Store,
        _ => return Err(OpenError::NotAStore { path: path.to_owned() }),
    };
    // One that knows less must not make anything of what it finds; one that knows more brings it up to date.
    if usize::try_from(version.oldest).is_ok_and(|oldest| oldest <= VERSION) {
        return Ok(found);
    }
    Err(OpenError::Newer { path: path.to_owned(), found: version.number, known: VERSION })
}

/// Fails unless the store in a file has the version that this program writes: whoever copies has to know all of it.
pub(super) fn is_known_in_full(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = migrations::version(connection).map_err(|source| explain(path, source))?.number;
    if usize::try_from(found).is_ok_and(|found| found <= VERSION) {
        return Ok(());
    }
    Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION })
}

/// Application, version and number of tables, all of one moment: another process may be making the store.
fn header(connection: &Connection) -> rusqlite::Result<(i32, Version, i64)> {
    let moment = connection.unchecked_transaction()?;
    let tables = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((application(&moment)?, migrations::version(&moment)?, tables))
}

/// What the header says that the file is.
pub(super) fn application(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "application_id", |row| row.get(0))
}

pub(super) fn close_to_others(path: &Path) -> Result<(), OpenError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let Ok(metadata) = Path::new(&file).metadata() else { continue };
        if metadata.permissions().mode() & 0o077 != 0 {
            set_permissions(&file, Permissions::from_mode(0o600))
                .map_err(|source| OpenError::Permissions { path: file.into(), source })?;
        }
    }
    Ok(())
}

fn keep_a_log(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let mode = switch_to_log(connection).map_err(|source| explain(path, source))?;
    if mode == "wal" { Ok(()) } else { Err(OpenError::NoWriteAheadLog { path: path.to_owned() }) }
}

/// For this one change SQLite does not wait by itself while another process looks at a file that is still new.
fn switch_to_log(connection: &Connection) -> rusqlite::Result<String> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(busy) if busy.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waited < BUSY_TIMEOUT => {
                thread::sleep(PAUSE);
                waited += PAUSE;
            }
            settled => return settled,
        }
    }
}

pub(super) fn explain(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotAStore { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, source },
        Some(ErrorCode::ReadOnly) => OpenError::ReadOnly { path },
        _ => OpenError::Open { path, source },
    }
}
