//! `vestibule audit export`: every entry as a line of JSON, for other programs to keep.

use std::process::ExitCode;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::commands::Failed;
use crate::commands::output::JsonLines;
use crate::second_factor::Timestamp;
use crate::store::{AuditRow, Place, Store};

/// How many entries are read from the store at a time. No more are kept in memory.
const BATCH: u64 = 500;

pub(super) async fn run(store: &dyn Store) -> Result<ExitCode, Failed> {
    let mut lines = JsonLines::new();
    let mut last = i64::MIN;
    loop {
        let part = store.audit_rows(last, BATCH).await?;
        let Some((newest, _)) = part.last() else { break };
        last = newest.number;
        for (row, place) in &part {
            lines.write(&document(row, *place)).map_err(|error| format!("the export can't be written: {error}"))?;
        }
    }
    lines.end().map_err(|error| format!("the export can't be written: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The names are told in docs/operations.md: what reads them must not break.
fn document(row: &AuditRow, place: Option<Place>) -> Value {
    let actor = match row.actor_account {
        Some(account) => json!({ "account": account, "name": row.actor_name }),
        None => json!(row.actor),
    };
    json!({
        "number": row.number,
        "time": Timestamp::from_millis(row.at).rfc3339(),
        "milliseconds": row.at,
        "event": row.kind,
        "actor": actor,
        "account": row.subject,
        "name": row.subject_name,
        "organization": row.organization_name,
        "organization_number": row.organization,
        "address": row.address,
        "request": row.request,
        "place": place.map(|place| place.number),
        "link": place.map(|place| HEXLOWER.encode(&place.link.0)),
    })
}
