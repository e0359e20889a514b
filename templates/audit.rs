//! What happened in an organization.

use maud::Markup;

use crate::{EventKind, Frame, Moment, Paging};

/// The audit log: `GET {prefix}/settings/audit` (query `page`).
#[derive(Debug, Clone, Copy)]
pub struct Audit<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The organization, as people call it.
    pub organization: &'a str,
    /// The entries of this page, the newest first.
    pub entries: &'a [AuditEntry<'a>],
    /// Which page it is.
    pub paging: Paging,
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
    view.frame.stub("Audit log")
}
