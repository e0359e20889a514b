//! One connection to the server: what is asked over it, each statement prepared once.

use std::cell::RefCell;
use std::collections::HashMap;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use super::failure::Outcome;

/// The values of a statement's parameters.
pub(super) type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

/// A connection.
///
/// What is asked without waiting for the answer to what was asked before goes out together. It is done in that order if
/// all of it is prepared; a statement that is new to the connection takes a turn more.
pub(super) struct Connection {
    client: Client,
    statements: RefCell<HashMap<Box<str>, Statement>>,
}

impl Connection {
    pub(super) fn new(client: Client) -> Self {
        Self { client, statements: RefCell::default() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Statements without parameters, one after the other.
    pub(super) async fn batch(&self, sql: &str) -> Outcome<()> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Outcome<u64> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.execute(&statement, params).await?)
    }

    pub(super) async fn rows(&self, sql: &str, params: Params<'_>) -> Outcome<Vec<Row>> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    /// The only row; an error if there are several.
    pub(super) async fn row(&self, sql: &str, params: Params<'_>) -> Outcome<Option<Row>> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query_opt(&statement, params).await?)
    }

    /// The rows of a statement that the server plans anew for these values: where they tell which index is the right one.
    pub(super) async fn planned_rows(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Outcome<Vec<Row>> {
        Ok(self.client.query_typed(sql, params).await?)
    }

    pub(super) async fn prepare(&self, sql: &str) -> Outcome<()> {
        self.prepared(sql).await.map(drop)
    }

    async fn prepared(&self, sql: &str) -> Outcome<Statement> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.borrow_mut().insert(sql.into(), statement.clone());
        Ok(statement)
    }
}
