//! A store is copied to another place: everything of it that goes along, compared when it has arrived, or nothing.
//!
//! What was over stays over. Sessions stay behind, so whoever was signed in gives a code. No code of the moment of the copy
//! or before is good at the new place, whatever the old one knew of it. Neither helps where the old place goes on being
//! used: then each of the two accepts every code once.

use aws_lc_rs::digest::{Context, Digest, SHA256};

use crate::second_factor::Timestamp;
use crate::second_factor::event::Occasion;
use crate::second_factor::totp::Step;
use crate::store::StoreError;
use crate::store::transfer::{COPIED, Claimed, Row, Table, Value};

/// How many rows are read and written at a time.
const BATCH: usize = 1000;

/// Why a store was not copied. Nothing has changed at either place.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing in the old place.
    #[error("there is nothing in the store that could be copied")]
    NothingThere,
    /// The new place has been used.
    #[error("the store to copy to has something in it already; it was left as it is, name one that was never used")]
    NotEmpty,
    /// A table arrived as something else.
    #[error("the table {table} did not arrive as it was sent; nothing was copied")]
    Differs {
        /// Which.
        table: &'static str,
    },
    /// One of the stores failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What arrived of a table.
#[derive(Debug)]
pub struct Arrived {
    /// Which.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    /// The digest (SHA-256) of all of them, in the order of their keys.
    pub digest: Digest,
}

/// Copies everything that goes along, and compares it: what was written is read again before it is committed. `occasion` is what
/// the audit log of each organization says at the new place.
pub async fn copy(
    from: &mut dyn Claimed,
    to: &mut dyn Claimed,
    occasion: &Occasion,
) -> Result<Vec<Arrived>, CopyError> {
    if is_empty(from).await? {
        return Err(CopyError::NothingThere);
    }
    if !is_empty(to).await? {
        return Err(CopyError::NotEmpty);
    }
    let mut all = Vec::new();
    for table in COPIED {
        let sent = carry(from, to, table, occasion.at).await?;
        let arrived = look_at(to, table).await?;
        if (sent.rows, sent.digest.as_ref()) != (arrived.rows, arrived.digest.as_ref()) {
            return Err(CopyError::Differs { table: table.name });
        }
        all.push(arrived);
    }
    to.settle(occasion).await?;
    to.commit().await?;
    Ok(all)
}

async fn is_empty(store: &mut dyn Claimed) -> Result<bool, StoreError> {
    for table in COPIED {
        if !store.rows(table, None, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn carry(
    from: &mut dyn Claimed,
    to: &mut dyn Claimed,
    table: &'static Table,
    now: Timestamp,
) -> Result<Arrived, StoreError> {
    let (mut tally, mut key) = (Tally::of(table), None);
    loop {
        let mut rows = from.rows(table, key.as_deref(), BATCH).await?;
        let Some(last) = rows.last() else { return Ok(tally.end()) };
        key = Some(last[..table.key].to_vec());
        for row in &mut rows {
            use_up_codes(table, row, now);
            tally.count(row);
        }
        to.add(table, &rows).await?;
    }
}

async fn look_at(store: &mut dyn Claimed, table: &'static Table) -> Result<Arrived, StoreError> {
    let (mut tally, mut key) = (Tally::of(table), None);
    loop {
        let rows = store.rows(table, key.as_deref(), BATCH).await?;
        let Some(last) = rows.last() else { return Ok(tally.end()) };
        key = Some(last[..table.key].to_vec());
        for row in &rows {
            tally.count(row);
        }
    }
}

/// Counts as used what an authenticator shows now, and what it shows next: that is accepted early, so it may have been used
/// after a backup was made that is copied now.
fn use_up_codes(table: &Table, row: &mut Row, now: Timestamp) {
    for ((name, _), value) in table.columns.iter().zip(row) {
        if *name == "last_step"
            && let Value::Integer(step) = value
        {
            *step = (*step).max(Step::latest_good(now).0);
        }
    }
}

/// Rows as they pass.
struct Tally {
    table: &'static str,
    rows: u64,
    digest: Context,
}

impl Tally {
    fn of(table: &Table) -> Self {
        Self { table: table.name, rows: 0, digest: Context::new(&SHA256) }
    }

    /// Each value with what it is and how long, so that no two rows are the same bytes.
    fn count(&mut self, row: &Row) {
        self.rows += 1;
        for value in row {
            let (kind, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Integer(number) => (1, &number.to_be_bytes()),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, bytes),
            };
            self.digest.update(&[kind]);
            self.digest.update(&(bytes.len() as u64).to_be_bytes());
            self.digest.update(bytes);
        }
    }

    fn end(self) -> Arrived {
        Arrived { table: self.table, rows: self.rows, digest: self.digest.finish() }
    }
}
