//! From what the rules and the store know to what a page shows.

use http::StatusCode;
use vestibule_templates::{self as templates, Frame, Markup, Moment, Navigation, Paging, Person, Refusal};

use super::code::Reply;
use crate::body::Body;
use crate::config::Value;
use crate::message::Response;
use crate::respond;
use crate::second_factor::Timestamp;
use crate::second_factor::event::EventKind;
use crate::second_factor::policy::Decision;
use crate::second_factor::session::VerifiedBy;
use crate::store::Extent;
use crate::visit::{Visit, Visitor};

/// Rows on a page of a list.
pub(super) const ROWS: u64 = 25;

pub(super) fn moment(at: Timestamp) -> Moment {
    Moment::from_unix(at.as_millis().div_euclid(1000))
}

/// The frame of a visitor's page.
pub(super) fn frame<'a>(visit: &'a Visit<'_>, visitor: &'a Visitor) -> Frame<'a> {
    let account = &visitor.known.account;
    let one_for_all = matches!(visit.dashboard.site.identity.organization, Value::Fixed(_));
    let person = Person {
        name: account.display_name(),
        organization: (!one_for_all).then_some(visitor.known.organization.name.as_str()),
    };
    let navigation = match visitor.decide() {
        Decision::Pass(_) if visitor.is_marked_admin(&visit.dashboard.site) => Navigation::ProfileAndSettings,
        Decision::Pass(_) => Navigation::Profile,
        Decision::Challenge | Decision::Enroll => Navigation::Hidden,
    };
    visit.dashboard.appearance.frame(Some(person), navigation)
}

/// A page that is shown for the first time or, with `reply`, after what was sent was not taken.
pub(super) fn form_page(reply: Option<&Reply>, page: impl FnOnce(Option<Refusal>) -> Markup) -> Response<Body> {
    let response = respond::page(StatusCode::OK, page(reply.and_then(|r| r.refusal)));
    match reply {
        Some(reply) => reply.stamp(response),
        None => response,
    }
}

pub(super) fn verified_with(by: VerifiedBy) -> templates::VerifiedWith {
    match by {
        VerifiedBy::Totp => templates::VerifiedWith::Authenticator,
        VerifiedBy::RecoveryCode => templates::VerifiedWith::RecoveryCode,
    }
}

/// Which page of a list a query asks for, and how many rows to pass over.
pub(super) fn page_asked(asked: Option<&str>) -> u64 {
    asked.and_then(|page| page.parse().ok()).filter(|page| (1..=1_000_000).contains(page)).unwrap_or(1)
}

/// Where a page of a list is, brought into range: rows may have gone since the address was written.
pub(super) const fn paging(page: u64, total: u64, extent: Extent) -> Paging {
    let paging = Paging::of(total, ROWS, page);
    match extent {
        Extent::Exact => paging,
        Extent::AtLeast => paging.at_least(),
    }
}

/// How many rows come before a page.
pub(super) const fn offset(page: u64) -> u64 {
    (page - 1) * ROWS
}

pub(super) fn event_kind(kind: EventKind) -> templates::EventKind {
    use templates::EventKind as T;
    match kind {
        EventKind::Enrolled => T::Enrolled,
        EventKind::Replaced => T::Replaced,
        EventKind::Disabled => T::Disabled,
        EventKind::Reset => T::Reset,
        EventKind::Verified => T::Verified,
        EventKind::RecoveryCodeUsed => T::RecoveryCodeUsed,
        EventKind::CodeRefused => T::CodeRefused,
        EventKind::CodeReused => T::CodeReused,
        EventKind::RecoveryCodeRefused => T::RecoveryCodeRefused,
        EventKind::TicketIssued => T::TicketIssued,
        EventKind::TicketUsed => T::TicketUsed,
        EventKind::TicketRefused => T::TicketRefused,
        EventKind::FactorLocked => T::FactorLocked,
        EventKind::GuessingAtAccount => T::GuessingAtAccount,
        EventKind::GuessingAtOrganization => T::GuessingAtOrganization,
        EventKind::RecoveryCodesRegenerated => T::RecoveryCodesRegenerated,
        EventKind::RequirementTurnedOn => T::RequirementTurnedOn,
        EventKind::RequirementTurnedOff => T::RequirementTurnedOff,
        EventKind::SessionEnded => T::SessionEnded,
        EventKind::LoggedOut => T::LoggedOut,
        EventKind::StoreCopied => T::StoreCopied,
        EventKind::StoreRestored => T::StoreRestored,
        EventKind::KeyAdded | EventKind::KeyRotated | EventKind::KeyRetired => T::Maintenance,
        EventKind::Later => T::Later,
    }
}
