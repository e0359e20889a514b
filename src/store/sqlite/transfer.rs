//! One file, all to oneself: read and written row by row when a store is copied.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::job::Outcome;
use super::{OpenError, absolute, audit, open};
use crate::second_factor::event::{EventKind, Occasion};
use crate::store::transfer::{Claimed, Row, Table, Value};
use crate::store::{Result, StoreError};

/// A file that no other process can read or write.
pub struct SqliteClaim {
    connection: Connection,
}

impl SqliteClaim {
    /// Claims the store in that file, and makes it if there is none. Waits for the disk.
    pub fn new(path: &Path) -> std::result::Result<Self, OpenError> {
        let path = absolute(path)?;
        open::is_known_in_full(&open::writer(&path)?, &path)?;
        Ok(Self { connection: open::alone(&path)? })
    }
}

#[async_trait(?Send)]
impl Claimed for SqliteClaim {
    async fn rows(&mut self, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<Vec<Row>> {
        told("read what is to be copied", rows(&self.connection, table, after, limit))
    }

    async fn add(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        told("take what is copied", add(&self.connection, table, rows))
    }

    async fn settle(&mut self, occasion: &Occasion) -> Result<()> {
        let noted = audit::of_each_organization(&self.connection, EventKind::StoreCopied, occasion);
        told("note a copy", noted)
    }

    async fn commit(&mut self) -> Result<()> {
        told("keep what was copied", self.connection.execute_batch("COMMIT").map_err(Into::into))
    }
}

fn told<T>(what: &'static str, outcome: Outcome<T>) -> Result<T> {
    outcome.map_err(|source| StoreError { what, source })
}

fn rows(db: &Connection, table: &Table, after: Option<&[Value]>, limit: usize) -> Outcome<Vec<Row>> {
    let names = table.names().collect::<Vec<_>>().join(", ");
    let key = table.names().take(table.key).collect::<Vec<_>>().join(", ");
    let behind = after.map_or(String::new(), |_| format!("WHERE ({key}) > ({})", places(table.key)));
    let sql = format!("SELECT {names} FROM {} {behind} ORDER BY {key} LIMIT {limit}", table.name);
    let mut select = db.prepare_cached(&sql)?;
    let read = select.query_map(params_from_iter(after.unwrap_or_default()), |row| {
        (0..table.columns.len()).map(|column| value(row.get_ref(column)?)).collect()
    })?;
    Ok(read.collect::<rusqlite::Result<_>>()?)
}

fn add(tx: &Connection, table: &Table, rows: &[Row]) -> Outcome<()> {
    let names = table.names().collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO {} ({names}) VALUES ({})", table.name, places(table.columns.len()));
    let mut insert = tx.prepare_cached(&sql)?;
    for row in rows {
        insert.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// That many places for values.
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn value(stored: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(_) => Value::Text(stored.as_str()?.to_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        // The tables are STRICT, and have no such columns.
        ValueRef::Real(_) => return Err(rusqlite::types::FromSqlError::InvalidType.into()),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
