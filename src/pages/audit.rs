//! What happened in the administrator's organization.

use http::StatusCode;
use vestibule_templates::{self as templates, Audit, audit};

use super::Handled;
use super::form::query_one;
use super::office::enter;
use super::view::{ROWS, event_kind, frame, moment, offset, page_asked, paging};
use crate::respond;
use crate::second_factor::event::Actor;
use crate::store::{AuditEntry, AuditQuery};
use crate::visit::Visit;

/// Shows a page of the audit log.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let office = enter(visit).await?;
    let page = page_asked(query_one(visit.query(), "page").as_deref());
    let organization = &office.visitor.known.organization;
    let query = AuditQuery { organization: Some(organization.id), subject: None, offset: offset(page), limit: ROWS };
    let mut log = visit.gateway.store.audit(query.clone()).await?;
    let paging = paging(page, log.total);
    if paging.page != page {
        log = visit.gateway.store.audit(AuditQuery { offset: offset(paging.page), ..query }).await?;
    }
    let addresses: Vec<_> = log.rows.iter().map(|entry| entry.address.map(|a| a.to_string())).collect();
    let entries: Vec<_> = log.rows.iter().zip(&addresses).map(|(e, address)| row(e, address.as_deref())).collect();
    let frame = frame(visit, &office.visitor);
    let view = Audit { frame: &frame, organization: &organization.name, entries: &entries, paging };
    Ok(respond::page(StatusCode::OK, audit(&view)))
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
