//! One database, all to oneself: read and written row by row when a store is copied.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::connection::Connection;
use super::failure::{Outcome, waited_too_long};
use super::pool::Pool;
use super::settings::Database;
use super::tls::Tls;
use super::{OpenError, audit, open, start, tallies};
use crate::second_factor::event::{EventKind, Occasion};
use crate::store::transfer::{COPIED, Claimed, Kind, LEFT_BEHIND, Row, Table, Value};
use crate::store::{Result, StoreError};

/// How long those may take to leave who are just ending.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Nothing of it takes as little time as what gateways ask for.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL lock_timeout = '3s';
";

/// A database that nobody else can write to.
pub struct PostgresClaim {
    connection: Connection,
}

impl PostgresClaim {
    /// Claims the store in that database, and makes it if there is none. It has to be called, and used, in a
    /// [`tokio::task::LocalSet`].
    pub async fn new(database: &Database, tls: Option<Arc<ClientConfig>>) -> std::result::Result<Self, OpenError> {
        open::open_known_in_full(&start(database, tls.clone())?, database).await?;
        let pool = Pool::new(database, tls.map(Tls::new));
        let told = |failure| open::explain(database, failure);
        let connection = pool.open().await.map_err(told)?;
        let in_use = |others| OpenError::InUse { database: database.to_string(), others };
        match others(&connection).await.map_err(told)? {
            0 => {}
            others => return Err(in_use(others)),
        }
        match lock(&connection).await {
            Ok(()) => Ok(Self { connection }),
            Err(failure) if waited_too_long(&failure) => Err(in_use(1)),
            Err(failure) => Err(told(failure)),
        }
    }
}

/// How many other connections of Vestibule stay, gateways' and commands'.
async fn others(db: &Connection) -> Outcome<i64> {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'vestibule' AND pid <> pg_backend_pid()";
    let deadline = Instant::now() + PATIENCE;
    loop {
        let others = db.row(sql, &[]).await?.ok_or("a count is one row")?.try_get(0)?;
        if others == 0 || Instant::now() >= deadline {
            return Ok(others);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Keeps everybody else from writing, and from whatever is read in order to write.
async fn lock(db: &Connection) -> Outcome<()> {
    let all = COPIED.iter().map(|table| table.name).chain(LEFT_BEHIND.iter().copied());
    db.batch(BEGIN).await?;
    db.batch(&format!("LOCK TABLE {} IN EXCLUSIVE MODE", tables(all))).await
}

/// Names in a list.
fn tables(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[async_trait(?Send)]
impl Claimed for PostgresClaim {
    async fn rows(&mut self, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<Vec<Row>> {
        told("read what is to be copied", rows(&self.connection, table, after, limit).await)
    }

    async fn add(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        told("take what is copied", add(&self.connection, table, rows).await)
    }

    async fn settle(&mut self, occasion: &Occasion) -> Result<()> {
        told("note a copy", settle(&self.connection, occasion).await)
    }

    async fn commit(&mut self) -> Result<()> {
        told("keep what was copied", self.connection.batch("COMMIT").await)
    }
}

fn told<T>(what: &'static str, outcome: Outcome<T>) -> Result<T> {
    outcome.map_err(|source| StoreError { what, source })
}

async fn rows(db: &Connection, table: &Table, after: Option<&[Value]>, limit: usize) -> Outcome<Vec<Row>> {
    let names = table.names().collect::<Vec<_>>().join(", ");
    let key = table.key_columns().iter().map(by_bytes).collect::<Vec<_>>().join(", ");
    let places = (1..=table.key).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    let behind = after.map_or(String::new(), |_| format!("WHERE ({key}) > ({places})"));
    let sql = format!("SELECT {names} FROM {} {behind} ORDER BY {key} LIMIT {limit}", table.name);
    let params: Vec<_> = after.unwrap_or_default().iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    let read = db.rows(&sql, &params).await?;
    let row = |row: &tokio_postgres::Row| (0..table.columns.len()).map(|column| Ok(row.try_get(column)?)).collect();
    read.iter().map(row).collect()
}

/// A column, ordered as SQLite orders it.
fn by_bytes((name, kind): &(&str, Kind)) -> String {
    match kind {
        Kind::Text => format!("{name} COLLATE \"C\""),
        Kind::Integer | Kind::Bytes => (*name).to_owned(),
    }
}

async fn add(tx: &Connection, table: &Table, rows: &[Row]) -> Outcome<()> {
    let names = table.names().collect::<Vec<_>>().join(", ");
    let arrays = table.columns.iter().zip(1..).map(|((_, kind), place)| match kind {
        Kind::Integer => format!("${place}::BIGINT[]"),
        Kind::Text => format!("${place}::TEXT[]"),
        Kind::Bytes => format!("${place}::BYTEA[]"),
    });
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO {} ({names}) SELECT * FROM unnest({arrays})", table.name);
    let columns: Vec<Vec<&Value>> =
        (0..table.columns.len()).map(|column| rows.iter().map(|row| &row[column]).collect()).collect();
    let params: Vec<_> = columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
    tx.execute(&sql, &params).await?;
    Ok(())
}

async fn settle(tx: &Connection, occasion: &Occasion) -> Outcome<()> {
    tallies::count_anew(tx).await?;
    for table in COPIED {
        go_on_numbering(tx, table).await?;
    }
    audit::of_each_organization(tx, EventKind::StoreCopied, occasion).await?;
    // So that the first questions need not be answered by looking at everything.
    tx.batch(&format!("ANALYZE listings, {}", tables(COPIED.iter().map(|table| table.name)))).await
}

/// Has the next row of a table that numbers its rows get the next number.
async fn go_on_numbering(tx: &Connection, table: &Table) -> Outcome<()> {
    let [(column, Kind::Integer)] = table.key_columns() else { return Ok(()) };
    let sql = format!(
        "SELECT setval(pg_get_serial_sequence('{0}', '{column}'), max({column})) FROM {0}
         HAVING max({column}) IS NOT NULL AND pg_get_serial_sequence('{0}', '{column}') IS NOT NULL",
        table.name
    );
    tx.row(&sql, &[]).await.map(drop)
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(ty, out),
            Self::Text(text) => text.as_str().to_sql(ty, out),
            Self::Bytes(bytes) => bytes.as_slice().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        <Self as FromSql<'_>>::accepts(ty)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Self::Integer(i64::from_sql(ty, raw)?),
            Type::TEXT => Self::Text(String::from_sql(ty, raw)?),
            _ => Self::Bytes(Vec::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT | Type::BYTEA)
    }
}
