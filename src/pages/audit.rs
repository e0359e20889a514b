//! What happened in the administrator's organization.

use http::StatusCode;
use vestibule_templates::{self as templates, Audit, Paging, audit};

use super::Handled;
use super::form::query_one;
use super::office::enter;
use super::view::{ROWS, event_kind, frame, moment, offset, page_asked, paging};
use crate::respond;
use crate::second_factor::event::Actor;
use crate::store::{AuditEntry, AuditQuery, Store, StoreError};
use crate::visit::Visit;

/// How many entries, the newest, are on pages with a number; to count further takes too long.
const NUMBERED: u64 = 400 * ROWS;

/// Entries of one page, and how it hangs together with others.
struct Part {
    entries: Vec<AuditEntry>,
    paging: Option<Paging>,
    older: Option<i64>,
}

/// Shows a page of the audit log.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let office = enter(visit).await?;
    let organization = &office.visitor.known.organization;
    let newest =
        AuditQuery { organization: Some(organization.id), subject: None, before: None, offset: 0, limit: ROWS };
    let store = visit.gateway.store.as_ref();
    let part = match query_one(visit.query(), "before").and_then(|number| number.parse().ok()) {
        Some(number) => before(store, AuditQuery { before: Some(number), ..newest }).await?,
        None => numbered(store, newest, page_asked(query_one(visit.query(), "page").as_deref())).await?,
    };
    let addresses: Vec<_> = part.entries.iter().map(|entry| entry.address.map(|a| a.to_string())).collect();
    let entries: Vec<_> = part.entries.iter().zip(&addresses).map(|(e, address)| row(e, address.as_deref())).collect();
    let frame = frame(visit, &office.visitor);
    let (paging, older) = (part.paging, part.older);
    let view = Audit { frame: &frame, organization: &organization.name, entries: &entries, paging, older };
    Ok(respond::page(StatusCode::OK, audit(&view)))
}

/// The page of that number, or the last that has one.
async fn numbered(store: &dyn Store, newest: AuditQuery, asked: u64) -> Result<Part, StoreError> {
    let asked = asked.min(NUMBERED / ROWS);
    let mut log = store.audit(AuditQuery { offset: offset(asked), ..newest.clone() }).await?;
    let paging = paging(asked, log.total.min(NUMBERED), log.extent);
    if paging.page != asked {
        log = store.audit(AuditQuery { offset: offset(paging.page), ..newest }).await?;
    }
    let is_last = paging.page == paging.pages && log.total > NUMBERED;
    let older = log.rows.last().filter(|_| is_last).map(|entry| entry.number);
    Ok(Part { entries: log.rows, paging: Some(paging), older })
}

/// Entries older than one.
async fn before(store: &dyn Store, query: AuditQuery) -> Result<Part, StoreError> {
    // One more tells whether there are others behind them.
    let mut entries = store.audit(AuditQuery { limit: ROWS + 1, ..query }).await?.rows;
    let goes_on = entries.len() as u64 > ROWS;
    if goes_on {
        entries.pop();
    }
    let older = entries.last().filter(|_| goes_on).map(|entry| entry.number);
    Ok(Part { entries, paging: None, older })
}

fn row<'a>(entry: &'a AuditEntry, address: Option<&'a str>) -> templates::AuditEntry<'a> {
    templates::AuditEntry {
        at: moment(entry.at),
        kind: event_kind(entry.kind),
        actor: match entry.actor {
            Actor::Account(_) => templates::Actor::Person(entry.actor_name.as_deref().unwrap_or_default()),
            Actor::Operator => templates::Actor::Operator,
            Actor::Gateway => templates::Actor::Gateway,
        },
        subject: entry.subject_name.as_deref(),
        address,
        request: entry.request.as_deref(),
    }
}
