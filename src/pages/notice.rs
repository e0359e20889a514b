//! What was done a moment ago, told on the page that the browser is sent to afterwards.
//!
//! The address only says what to look for (`?done=reset`); the audit log says whether it is true.

use std::time::Duration;

use super::form::query_one;
use crate::second_factor::event::{Actor, EventKind};
use crate::store::{AuditEntry, AuditQuery, StoreError};
use crate::visit::{Visit, Visitor};

/// How long something counts as done a moment ago.
const MOMENT: Duration = Duration::from_mins(1);

/// The address of a page that tells what was done.
pub(super) fn told(page: &str, kind: EventKind) -> String {
    let separator = if page.contains('?') { '&' } else { '?' };
    format!("{page}{separator}done={}", kind.as_str())
}

/// The entry of what this visitor did a moment ago, if the address asks for it and it is true.
pub(super) async fn done(visit: &Visit<'_>, visitor: &Visitor) -> Result<Option<AuditEntry>, StoreError> {
    let Some(kind) = query_one(visit.query(), "done").and_then(|word| EventKind::parse(&word)) else {
        return Ok(None);
    };
    let organization = visitor.known.organization.id;
    let query = AuditQuery { organization: Some(organization), subject: None, before: None, offset: 0, limit: 20 };
    let own = Actor::Account(visitor.known.account.id);
    let entries = visit.gateway.store.audit(query).await?.rows;
    Ok(entries.into_iter().find(|e| e.kind == kind && e.actor == own && visit.now.since(e.at) < MOMENT))
}
