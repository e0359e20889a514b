//! Where the store is: a file, or a server that is started for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use rusqlite::Connection;
use tempfile::TempDir;
use vestibule::store::Store;
use vestibule::store::postgres::{Database, PostgresClaim, PostgresStore};
use vestibule::store::sqlite::{SqliteClaim, SqliteStore};
use vestibule::store::transfer::Claimed;

use crate::Outcome;
use crate::cluster::{Cluster, connect};

/// What keeps the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

pub(crate) enum Place {
    Sqlite { file: PathBuf, _folder: Option<TempDir> },
    Postgres { database: Database, cluster: Cluster },
}

/// As an operator of a small machine sets the server up; what was committed is on disk.
const SERVER: [&str; 4] =
    ["shared_buffers = 1GB", "max_wal_size = 2GB", "effective_cache_size = 4GB", "max_connections = 100"];

impl Place {
    pub(crate) fn new(engine: Engine, keep: Option<&Path>) -> Outcome<Self> {
        match (engine, keep) {
            (Engine::Sqlite, Some(folder)) => {
                std::fs::create_dir_all(folder)?;
                Ok(Self::Sqlite { file: folder.join("vestibule.db"), _folder: None })
            }
            (Engine::Sqlite, None) => {
                let folder = TempDir::with_prefix_in("vestibule-scale-", "/tmp")?;
                Ok(Self::Sqlite { file: folder.path().join("vestibule.db"), _folder: Some(folder) })
            }
            (Engine::Postgres, keep) => {
                let cluster = match keep {
                    Some(folder) => Cluster::kept(folder, 5432, &SERVER),
                    None => Cluster::start(5432, &SERVER, |_| {}),
                };
                Ok(Self::Postgres { database: Database { connections: 16, ..cluster.at("postgres") }, cluster })
            }
        }
    }

    pub(crate) async fn open(&self) -> Outcome<Arc<dyn Store>> {
        Ok(match self {
            Self::Sqlite { file, .. } => Arc::new(SqliteStore::open(file)?),
            Self::Postgres { database, .. } => Arc::new(PostgresStore::open(database, None).await?),
        })
    }

    pub(crate) async fn claim(&self) -> Outcome<Box<dyn Claimed>> {
        Ok(match self {
            Self::Sqlite { file, .. } => Box::new(SqliteClaim::new(file)?),
            Self::Postgres { database, .. } => Box::new(PostgresClaim::new(database, None).await?),
        })
    }

    /// Runs a statement past the store.
    pub(crate) async fn run(&self, sql: &str) -> Outcome<()> {
        match self {
            Self::Sqlite { file, .. } => Connection::open(file)?.execute_batch(sql)?,
            Self::Postgres { database, .. } => connect(database).await.batch_execute(sql).await?,
        }
        Ok(())
    }

    /// Does what a server does by itself some minutes after so much was written.
    pub(crate) async fn tidy(&self) -> Outcome<()> {
        match self {
            Self::Sqlite { .. } => Ok(()),
            Self::Postgres { .. } => self.run("VACUUM ANALYZE").await,
        }
    }

    /// A statement's own words for a series of numbers `n` from 1 on.
    pub(crate) fn numbers(&self, last: i64) -> String {
        match self {
            Self::Sqlite { .. } => format!(
                "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})
                  SELECT n FROM numbers)"
            ),
            Self::Postgres { .. } => format!("(SELECT n FROM generate_series(1, {last}) AS numbers (n)) AS numbers"),
        }
    }

    /// A digest of 32 bytes, of which none is the same, made of `n`.
    pub(crate) const fn digest(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "CAST(printf('%032d', n) AS BLOB)",
            Self::Postgres { .. } => "convert_to(lpad(n::TEXT, 32, '0'), 'UTF8')",
        }
    }

    /// As the configuration names it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite { file, .. } => format!("sqlite:{}", file.display()),
            Self::Postgres { cluster, .. } => {
                let (folder, port) = cluster.socket();
                format!("postgres://vestibule@:{port}/postgres?host={}", folder.display())
            }
        }
    }
}
