//! The store's contract, kept by every engine; and what is each engine's own.
//!
//! A promise is an `async fn(World)` whose name says it. The chapters mount theirs on every engine with
//! [`on_every_engine!`]; a promise that is not mounted is dead code, which the compiler tells.

/// Makes a test of each promise for each engine.
macro_rules! on_every_engine {
    ($($promise:ident,)*) => {
        mod sqlite {
            $(#[test]
            fn $promise() {
                crate::engines::on_sqlite(super::$promise);
            })*
        }

        mod postgres {
            $(#[test]
            fn $promise() {
                crate::engines::on_postgres(super::$promise);
            })*
        }
    };
}

mod accounts;
mod administration;
mod audit;
mod audit_chain;
mod changes;
mod child;
#[expect(dead_code, reason = "what a server in trouble does to gateways is told elsewhere")]
mod cluster;
mod codes;
mod copies;
mod engines;
mod enrollment;
mod guessing;
mod keys;
mod long_lists;
mod postgres_changes;
mod postgres_server;
mod postgres_trouble;
mod processes;
mod pruning;
mod races;
mod recovery;
mod restoring;
mod schema;
mod sessions;
mod sqlite_backup;
mod sqlite_file;
mod tickets;
mod world;
