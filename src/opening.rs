//! From a configuration to an open store.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::authorities;
use crate::config::{Config, Postgres, PostgresTls, StoreUrl};
use crate::second_factor::event::{EventKind, Occasion};
use crate::store::postgres::{PostgresClaim, PostgresStore};
use crate::store::sqlite::{SqliteClaim, SqliteStore};
use crate::store::transfer::Claimed;
use crate::store::{Ended, Store, postgres, sqlite};

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can't be used.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// The database can't be used.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// The authorities that vouch for the server can't be read.
    #[error("the authorities of the store's server can't be read")]
    Authorities(#[source] io::Error),
}

/// Opens the store of a configuration, and makes it if there is none yet. If a backup was put there, what may have been
/// used up since is ended first, at this occasion ([`take_in`]).
pub async fn open_store(config: &Config, occasion: &Occasion) -> Result<Arc<dyn Store>, OpenError> {
    take_in(&config.store.url, occasion)?;
    match &config.store.url {
        StoreUrl::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path)?)),
        StoreUrl::Postgres(Postgres { database, tls }) => {
            Ok(Arc::new(PostgresStore::open(database, client(tls)?).await?))
        }
    }
}

/// Makes a backup fit for use that Vestibule made and that was put in the place of a store, and says what that ended
/// ([`Store::restored`]). `None`, and nothing done, for whatever else is there.
pub fn take_in(url: &StoreUrl, occasion: &Occasion) -> Result<Option<Ended>, OpenError> {
    let ended = match url {
        StoreUrl::Sqlite(path) => SqliteStore::take_in(path, occasion)?,
        // A server's own backups look like what they are of.
        StoreUrl::Postgres(_) => None,
    };
    if let Some(Ended { sessions, recovery_codes }) = ended {
        let event = EventKind::StoreRestored.as_str();
        tracing::warn!(event, sessions, recovery_codes, "the store is a backup that was put back: these were ended");
    }
    Ok(ended)
}

/// Opens a store that nobody else uses, and keeps it so. It has to be called, and used, in a [`tokio::task::LocalSet`].
pub async fn claim_store(url: &StoreUrl) -> Result<Box<dyn Claimed>, OpenError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Box::new(SqliteClaim::new(path)?)),
        StoreUrl::Postgres(Postgres { database, tls }) => {
            Ok(Box::new(PostgresClaim::new(database, client(tls)?).await?))
        }
    }
}

/// Why the server of the configuration's store can't be used, if it has one and that can't. Nothing is made or changed.
pub async fn try_out_server(config: &Config) -> Result<(), OpenError> {
    match &config.store.url {
        StoreUrl::Sqlite(_) => Ok(()),
        StoreUrl::Postgres(Postgres { database, tls }) => Ok(PostgresStore::try_out(database, client(tls)?).await?),
    }
}

fn client(tls: &PostgresTls) -> Result<Option<Arc<ClientConfig>>, OpenError> {
    let config = match tls {
        PostgresTls::Off => return Ok(None),
        PostgresTls::Unverified => authorities::client_of_anybody(),
        PostgresTls::Verified { authorities } => authorities::client(authorities.as_deref()),
    };
    config.map(|config| Some(Arc::new(config))).map_err(OpenError::Authorities)
}
