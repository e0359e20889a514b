//! The engines that the contract is mounted on.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use vestibule::store::Store;
use vestibule::store::postgres::{Database, Host, PostgresClaim, PostgresStore, Server};
use vestibule::store::sqlite::{SqliteClaim, SqliteStore};
use vestibule::store::transfer::Claimed;

use crate::cluster::{Cluster, connect};
use crate::world::World;

/// Where a store is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(Database),
}

impl Place {
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(file) => sqlite(file),
            Self::Postgres(database) => {
                Arc::new(PostgresStore::open(database, None).await.expect("a store that opens"))
            }
        }
    }

    /// All to oneself.
    pub(crate) async fn claim(&self) -> Result<Box<dyn Claimed>, Box<dyn Error>> {
        Ok(match self {
            Self::Sqlite(file) => Box::new(SqliteClaim::new(file)?),
            Self::Postgres(database) => Box::new(PostgresClaim::new(database, None).await?),
        })
    }

    /// Does something to it past the store.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(file) => {
                let connection = rusqlite::Connection::open(file).expect("opened");
                connection.execute_batch(sql).expect("good SQL");
            }
            Self::Postgres(database) => connect(database).await.batch_execute(sql).await.expect("good SQL"),
        }
    }

    /// In one line, for another process.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite\t{}", file.display()),
            Self::Postgres(database) => {
                let (folder, port) = Cluster::shared().socket();
                format!("postgres\t{}\t{port}\t{}", folder.display(), database.name)
            }
        }
    }

    pub(crate) fn of_line(line: &str) -> Self {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["sqlite", file] => Self::Sqlite(file.into()),
            ["postgres", folder, port, name] => {
                let port = port.parse().expect("a number");
                Self::Postgres(Database {
                    servers: vec![Server { host: Host::Unix(folder.into()), port }],
                    name: name.into(),
                    user: "vestibule".into(),
                    password: None,
                    connections: 8,
                })
            }
            _ => panic!("{line:?}"),
        }
    }
}

/// Shows a promise to two gateways on one new SQLite file.
pub(crate) fn on_sqlite<F, P>(promise: P)
where
    P: FnOnce(World) -> F,
    F: Future<Output = ()>,
{
    let directory = TempDir::new().expect("a temporary directory");
    let place = Place::Sqlite(directory.path().join("vestibule.db"));
    runtime().block_on(async { promise(World::at(place).await).await });
}

/// Shows a promise to two gateways on one new PostgreSQL database.
pub(crate) fn on_postgres<F, P>(promise: P)
where
    P: FnOnce(World) -> F,
    F: Future<Output = ()>,
{
    let cluster = Cluster::shared();
    runtime().block_on(async {
        let database = cluster.store().await;
        promise(World::at(Place::Postgres(database.clone())).await).await;
        cluster.drop(&database).await;
    });
}

pub(crate) fn sqlite(file: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(file).expect("a store that opens"))
}

/// Four threads, so that callers really overlap.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime")
}
