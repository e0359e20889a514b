//! Vestibule's pages: views in, HTML out.
//!
//! A page is a function from a view to [`Markup`]. The gateway says *what* is the case (a [`Refusal`], an
//! [`EventKind`], a [`FailureKind`]); only this crate says it in words. What comes from outside (names, addresses,
//! browsers) may be any text: it is escaped, stripped of control characters and cut to a sensible length here.
//!
//! Every page works without JavaScript and under this policy, which allows nothing inline:
//! `default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self';
//! frame-ancestors 'none'; base-uri 'none'`.
//!
//! | page | view | function |
//! |---|---|---|
//! | the challenge | [`Challenge`] | [`challenge()`] |
//! | enrollment | [`Enrollment`] | [`enrollment()`] |
//! | the ticket that enrollment may take | [`EnrollmentTicket`] | [`enrollment_ticket()`] |
//! | new recovery codes | [`RecoveryCodes`] | [`recovery_codes()`] |
//! | use a recovery code | [`Recovery`] | [`recovery()`] |
//! | my profile | [`Profile`] | [`profile()`] |
//! | the organization's settings | [`Settings`] | [`settings()`] |
//! | accounts with 2-factor authentication, reset, and tickets | [`Security`] | [`security()`] |
//! | a new ticket | [`IssuedTicket`] | [`issued_ticket()`] |
//! | the audit log | [`Audit`] | [`audit()`] |
//! | *Limited access* | [`LimitedAccess`] | [`limited_access()`] |
//! | logged out | [`SignedOut`] | [`signed_out()`] |
//! | anything that went wrong | [`Failure`] | [`failure()`] |
//!
//! [`samples`] has every page in every state.

mod accent;
mod assets;
mod audit;
mod challenge;
mod enrollment;
mod enrollment_ticket;
mod event;
mod failure;
mod form;
mod frame;
mod icon;
mod issued_ticket;
mod limited_access;
mod moment;
mod notice;
mod outside;
mod paging;
mod profile;
mod recovery;
mod recovery_codes;
mod refusal;
pub mod samples;
mod sections;
mod security;
mod settings;
mod signed_out;
mod ticket_office;

pub use accent::Accent;
pub use assets::{Asset, assets};
pub use audit::{Actor, Audit, AuditEntry, audit};
pub use challenge::{Challenge, challenge};
pub use enrollment::{Enrollment, EnrollmentReason, Qr, enrollment};
pub use enrollment_ticket::{EnrollmentTicket, enrollment_ticket};
pub use event::EventKind;
pub use failure::{Failure, FailureKind, failure};
pub use frame::{Frame, Navigation, Person};
pub use issued_ticket::{IssuedTicket, TicketAfter, issued_ticket};
pub use limited_access::{Limitation, LimitedAccess, limited_access};
pub use maud::Markup;
pub use moment::Moment;
pub use paging::{Extent, Paging};
pub use profile::{
    Activity, EnrolledFactor, OwnFactor, OwnSession, Profile, ProfileForm, ProfileNotice, Replacing, SessionPlace,
    Switch, VerifiedWith, profile,
};
pub use recovery::{Recovery, recovery};
pub use recovery_codes::{CodesAfter, RecoveryCodes, recovery_codes};
pub use refusal::{CodeDemand, Refusal};
pub use security::{KeyState, ResetAction, ResetDialog, Security, SecurityNotice, SecurityRow, security};
pub use settings::{Authority, Requirement, Settings, SettingsNotice, settings};
pub use signed_out::{SignedOut, signed_out};
pub use ticket_office::{TicketOffice, TicketRefusal};
