//! What happened in an organization.

use maud::{Markup, html};

use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::outside::shown;
use crate::sections::{Section, beside, breadcrumb};
use crate::{EventKind, Frame, Moment, Paging};

/// The audit log: `GET {prefix}/settings/audit` (query `page`, or `before` with the number of an entry).
#[derive(Debug, Clone, Copy)]
pub struct Audit<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The organization, as people call it.
    pub organization: &'a str,
    /// The entries of this page, the newest first.
    pub entries: &'a [AuditEntry<'a>],
    /// Which page it is; `None` behind the last that has a number.
    pub paging: Option<Paging>,
    /// The number of the last entry here, if older ones follow that are on no page with a number.
    pub older: Option<i64>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, Copy)]
pub struct AuditEntry<'a> {
    /// When.
    pub at: Moment,
    /// What.
    pub kind: EventKind,
    /// Who did it.
    pub actor: Actor<'a>,
    /// What people call whom it was done to; `None` where it is the whole organization.
    pub subject: Option<&'a str>,
    /// From which address.
    pub address: Option<&'a str>,
    /// The id of the request, as in the gateway's own log.
    pub request: Option<&'a str>,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// A person, by what people call them.
    Person(&'a str),
    /// Whoever operates the gateway, at its command line.
    Operator,
    /// The gateway itself.
    Gateway,
}

/// The audit log.
pub fn audit(view: &Audit<'_>) -> Markup {
    let list = view.frame.at("settings/audit");
    let page = html! {
        (breadcrumb(view.frame, Section::Audit))
        h1 { "Audit log" }
        p.lead { "What happened to 2-factor authentication in " bdi { (shown(view.organization)) } ", the latest first. Times are UTC." }
        (table(view))
        @if let Some(paging) = view.paging {
            (paging.links(|page| if page == 1 { list.clone() } else { format!("{list}?page={page}") }))
        }
        (beyond(view, &list))
    };
    let body = beside(view.frame, Section::Audit, &page);
    view.frame.page(&Page { title: "Audit log", layout: Layout::Full, place: Place::Settings, body })
}

/// Links where pages have no numbers: counting millions of entries would have everybody wait.
fn beyond(view: &Audit<'_>, list: &str) -> Markup {
    if view.paging.is_some() && view.older.is_none() {
        return Markup::default();
    }
    html! {
        nav.paging aria-label="Older entries" {
            @if view.paging.is_none() { a.button href=(list) { "Newest" } }
            @if let Some(last) = view.older { a.button rel="next" href={ (list) "?before=" (last) } { "Older" } }
        }
    }
}

fn table(view: &Audit<'_>) -> Markup {
    if view.entries.is_empty() && view.paging.is_none() {
        return html! { div.panel.empty { (icon(Icon::Clock)) p { "Nothing is older." } } };
    }
    if view.entries.is_empty() {
        return html! { div.panel.empty { (icon(Icon::Clock)) p { "Nothing has happened yet." } } };
    }
    html! {
        // The roles say again what the elements are: as cards on a narrow screen they would lose it.
        table.cards role="table" {
            caption.unseen { "Audit log" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "What" }
                    th scope="col" role="columnheader" { "When" }
                    th scope="col" role="columnheader" { "Who" }
                    th scope="col" role="columnheader" { "Whom" }
                    th scope="col" role="columnheader" { "From" }
                }
            }
            tbody role="rowgroup" { @for entry in view.entries { (row(entry)) } }
        }
    }
}

fn row(entry: &AuditEntry<'_>) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { span class=(entry.kind.weight().class()) { (entry.kind.in_the_log()) } }
            td role="cell" data-label="When" { (entry.at.shown_in_utc()) }
            td role="cell" data-label="Who" {
                @match entry.actor {
                    Actor::Person(name) => bdi { (shown(name)) },
                    Actor::Operator => "The operator",
                    Actor::Gateway => "Automatic",
                }
            }
            td role="cell" data-label="Whom" {
                @if let Some(subject) = entry.subject { bdi { (shown(subject)) } } @else { "Everybody" }
            }
            td role="cell" data-label="From" {
                bdi { (entry.address.map_or_else(|| "–".to_owned(), shown)) }
                @if let Some(request) = entry.request { span.request-id { "Request " code { (shown(request)) } } }
            }
        }
    }
}
