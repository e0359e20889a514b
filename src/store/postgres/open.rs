//! Opening the store: which server and database it may be, and what to tell the operator if it can't be used.

use tokio_postgres::error::SqlState;

use super::connection::Connection;
use super::failure::{Failure, Outcome, state};
use super::migrations::{self, VERSION, Version};
use super::settings::Database;
use super::worker::{MIGRATION, Worker};

/// The oldest server that is known to do, as it numbers itself: 13.0.
const OLDEST_SERVER: i64 = 130_000;

/// How often two gateways that make the same store at the same moment may get into each other's way.
const TRIES: u32 = 10;

/// Why a store can't be opened. The texts are for the operator; neither they nor their causes have the password in them.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No server answers.
    #[error("the store {database} can't be reached; is the server running, and does it listen there?")]
    Unreachable {
        /// Which database, and where.
        database: String,
        /// What the driver says.
        #[source]
        source: Failure,
    },
    /// The connection can't be encrypted as it has to be.
    #[error(
        "the store {database} can't be reached over TLS: the server must offer it, with a certificate for that host \
         by an authority that is believed; see `sslmode` and `sslrootcert` in config/postgres.toml"
    )]
    Tls {
        /// Which database, and where.
        database: String,
        /// What the driver says.
        #[source]
        source: Failure,
    },
    /// The server does not let this user in.
    #[error(
        "the store {database} turned the user {user:?} away; are the name and the password right, and does the server's \
         pg_hba.conf let that user in from here?"
    )]
    Refused {
        /// Which database, and where.
        database: String,
        /// Who.
        user: String,
        /// What the server says.
        #[source]
        source: Failure,
    },
    /// The server has no such database.
    #[error(
        "the store {database} does not exist; make it with `createdb`, owned by the user that Vestibule logs in as"
    )]
    NoDatabase {
        /// Which database, and where.
        database: String,
        /// What the server says.
        #[source]
        source: Failure,
    },
    /// The user may not do what is needed.
    #[error(
        "the store {database} does not let the user {user:?} do what is needed; the user must own the database, or be \
         granted USAGE and CREATE on its schema"
    )]
    Forbidden {
        /// Which database, and where.
        database: String,
        /// Who.
        user: String,
        /// What the server says.
        #[source]
        source: Failure,
    },
    /// The server is too old, or is no PostgreSQL.
    #[error("the store {database} is on a server of version {found}; Vestibule needs PostgreSQL 13 or later")]
    OldServer {
        /// Which database, and where.
        database: String,
        /// What the server says of itself.
        found: String,
    },
    /// The database keeps text in another encoding.
    #[error("the store {database} keeps text as {found}; make a database with the encoding UTF8")]
    Encoding {
        /// Which database, and where.
        database: String,
        /// The encoding's name.
        found: String,
    },
    /// The database is used for something else.
    #[error(
        "the database {database} has tables in it that are not Vestibule's; it was left as it is, give Vestibule a \
         database of its own"
    )]
    NotAStore {
        /// Which database, and where.
        database: String,
        /// What the server says.
        #[source]
        source: Failure,
    },
    /// A later release has changed the store so that this one can't work with it, or not do what was asked.
    #[error(
        "the store {database} has version {found}, and this Vestibule knows version {known} at most; run the release \
         that changed it, or a later one"
    )]
    Newer {
        /// Which database, and where.
        database: String,
        /// Its version.
        found: i64,
        /// The last one known here.
        known: usize,
    },
    /// It has to be nobody else's for a while, and is not.
    #[error(
        "the store {database} is in use: {others} connections of Vestibule are open; stop every gateway and command that \
         works on it first"
    )]
    InUse {
        /// Which database, and where.
        database: String,
        /// How many others are there.
        others: i64,
    },
    /// Something else.
    #[error("the store {database} can't be used")]
    Unusable {
        /// Which database, and where.
        database: String,
        /// Why.
        #[source]
        source: Failure,
    },
}

/// Looks whether the server and the database can be used, and brings the database up to date.
pub(super) async fn open(worker: &Worker, database: &Database) -> Result<(), OpenError> {
    let told = |failure| explain(database, failure);
    if let Found::Store(version) = look(worker, database).await?
        && !version.is_behind()
    {
        return Ok(());
    }
    for tries in 1.. {
        match worker.transact_within(MIGRATION, migrations::bring_up_to_date).await {
            Err(failure) if tries < TRIES && migrations::lost_to_another(&failure) => {}
            done => return done.map_err(told),
        }
    }
    Ok(())
}

/// The same for whoever has to know all that is in the store, as a copy does.
pub(super) async fn open_known_in_full(worker: &Worker, database: &Database) -> Result<(), OpenError> {
    open(worker, database).await?;
    match look(worker, database).await? {
        Found::Store(version) if version.is_ahead() => Err(newer(database, version)),
        Found::Store(_) | Found::Nothing => Ok(()),
    }
}

/// What is in a database.
pub(super) enum Found {
    /// A store of this version, which this program can work with.
    Store(Version),
    /// No store yet.
    Nothing,
}

/// Looks whether the server and the database can be used, and changes nothing.
pub(super) async fn look(worker: &Worker, database: &Database) -> Result<Found, OpenError> {
    let told = |failure| explain(database, failure);
    // Once, without the patience that a gateway in service has: whoever starts it wants to know.
    worker.run(async |pool| pool.open().await.map(|connection| pool.keep(connection))).await.map_err(told)?;
    let (server, encoding, version) = worker.ask(survey).await.map_err(told)?;
    let name = database.to_string();
    if server.parse().is_ok_and(|number: i64| number < OLDEST_SERVER) {
        return Err(OpenError::OldServer { database: name, found: server });
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { database: name, found: encoding });
    }
    match version {
        None => Ok(Found::Nothing),
        Some(version) if usize::try_from(version.oldest).is_ok_and(|oldest| oldest <= VERSION) => {
            Ok(Found::Store(version))
        }
        Some(version) => Err(newer(database, version)),
    }
}

fn newer(database: &Database, version: Version) -> OpenError {
    OpenError::Newer { database: database.to_string(), found: version.number, known: VERSION }
}

/// The server's version, the encoding of the database, and the version of the store in it.
async fn survey(db: &Connection) -> Outcome<(String, String, Option<Version>)> {
    let sql = "SELECT current_setting('server_version_num'), current_setting('server_encoding')";
    let row = db.row(sql, &[]).await?.ok_or("settings are one row")?;
    Ok((row.try_get(0)?, row.try_get(1)?, migrations::version(db).await?))
}

pub(super) fn explain(at: &Database, source: Failure) -> OpenError {
    let (database, user) = (at.to_string(), at.user.clone());
    match state(&source) {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            OpenError::Refused { database, user, source }
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => OpenError::NoDatabase { database, source },
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => OpenError::Forbidden { database, user, source },
        Some(&SqlState::DUPLICATE_TABLE | &SqlState::UNDEFINED_COLUMN) => OpenError::NotAStore { database, source },
        Some(_) => OpenError::Unusable { database, source },
        None if is_about_tls(&source) => OpenError::Tls { database, source },
        None if is_about_passwords(&source) => OpenError::Refused { database, user, source },
        None => OpenError::Unreachable { database, source },
    }
}

/// The driver keeps its kinds of errors to itself, but words them.
fn is_about_tls(failure: &Failure) -> bool {
    failure.to_string().starts_with("error performing TLS handshake")
}

fn is_about_passwords(failure: &Failure) -> bool {
    failure.to_string().starts_with("authentication error") || failure.to_string() == "invalid configuration"
}
