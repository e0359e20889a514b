//! What goes along when a store is copied: which tables and columns, and what an engine does so that another can take them over.

use async_trait::async_trait;

use super::Result;
use crate::second_factor::event::Occasion;

/// What a column holds, on every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Integer,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// What is in one column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A row, in the order of its table's columns.
pub type Row = Vec<Value>;

/// A table that is copied.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, those of its primary key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many of them make the primary key.
    pub key: usize,
}

impl Table {
    /// The names of its columns.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|(name, _)| *name)
    }

    /// The columns of its primary key.
    pub fn key_columns(&self) -> &'static [(&'static str, Kind)] {
        &self.columns[..self.key]
    }
}

use Kind::{Bytes, Integer, Text};

/// What is copied, each table after those it refers to.
pub const COPIED: &[Table] = &[
    Table {
        name: "organizations",
        columns: &[("id", Integer), ("realm", Text), ("name", Text), ("requirement", Text)],
        key: 1,
    },
    Table {
        name: "accounts",
        columns: &[
            ("id", Integer),
            ("organization", Integer),
            ("user_id", Text),
            ("email", Text),
            ("name", Text),
            ("listing", Text),
            ("reset_at", Integer),
            ("key_number", Integer),
            ("secret", Bytes),
            ("enrolled_at", Integer),
            ("last_step", Integer),
            ("last_used", Integer),
        ],
        key: 1,
    },
    Table { name: "recovery_codes", columns: &[("account", Integer), ("digest", Bytes)], key: 2 },
    Table {
        name: "failures_in_a_row",
        columns: &[("account", Integer), ("bucket", Text), ("failures", Integer)],
        key: 2,
    },
    Table {
        name: "failed_tries",
        columns: &[("id", Integer), ("account", Integer), ("bucket", Text), ("at", Integer)],
        key: 1,
    },
    Table {
        name: "audit",
        columns: &[
            ("number", Integer),
            ("at", Integer),
            ("kind", Text),
            ("actor", Text),
            ("actor_account", Integer),
            ("actor_name", Text),
            ("subject", Integer),
            ("subject_name", Text),
            ("organization", Integer),
            ("organization_name", Text),
            ("address", Text),
            ("request", Text),
        ],
        key: 1,
    },
    Table { name: "audit_chain", columns: &[("place", Integer), ("entry", Integer), ("link", Bytes)], key: 1 },
    Table {
        name: "audit_chain_ends",
        columns: &[
            ("only_row", Integer),
            ("place", Integer),
            ("link", Bytes),
            ("settled", Integer),
            ("cut", Integer),
            ("cut_link", Bytes),
            ("cut_seal", Bytes),
        ],
        key: 1,
    },
    Table { name: "key_check", columns: &[("only_row", Integer), ("sealed", Bytes)], key: 1 },
];

/// What stays behind. Sessions and what hangs on them, and tickets, since one that was ended or used since must not come
/// back to life; and what is about one place alone.
pub const LEFT_BEHIND: &[&str] =
    &["sessions", "pending_sessions", "pending_enrollments", "tickets", "changes", "alarms", "readiness"];

/// A store that nobody else can change for as long as this lives. What is written is there once it is committed, and not at
/// all otherwise.
#[async_trait(?Send)]
pub trait Claimed {
    /// The rows of a table in the order of their keys, from the first behind that key on, at most as many.
    async fn rows(&mut self, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<Vec<Row>>;

    /// Adds rows to a table.
    async fn add(&mut self, table: &Table, rows: &[Row]) -> Result<()>;

    /// Makes what the engine derives from the rows, and notes in the audit log of each organization that all of it
    /// was copied.
    async fn settle(&mut self, occasion: &Occasion) -> Result<()>;

    /// Has everything that was written be there.
    async fn commit(&mut self) -> Result<()>;
}
