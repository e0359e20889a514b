//! The engines that the contract is mounted on.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use vestibule::store::Store;
use vestibule::store::sqlite::SqliteStore;

use crate::world::World;

/// Shows a promise to two gateways on one new SQLite file.
pub(crate) fn on_sqlite<F, P>(promise: P)
where
    P: FnOnce(World) -> F,
    F: Future<Output = ()>,
{
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("vestibule.db");
    runtime().block_on(promise(World::of(sqlite(&file), sqlite(&file))));
}

pub(crate) fn sqlite(file: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(file).expect("a store that opens"))
}

/// Four threads, so that callers really overlap.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime")
}
