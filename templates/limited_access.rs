//! *Limited access*: what somebody sees who may not administer.

use maud::Markup;

use crate::Frame;

/// The *Limited access* popup, with status 403, for administrators' pages and actions.
#[derive(Debug, Clone, Copy)]
pub struct LimitedAccess<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// What is missing.
    pub limitation: Limitation,
}

/// Why somebody may not administer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limitation {
    /// They are no administrator of this organization.
    NotAnAdministrator,
    /// They are, but have no second factor of their own.
    SecondFactorMissing,
    /// They are, but came in with a recovery code.
    SignedInWithRecoveryCode,
}

/// The *Limited access* popup.
pub fn limited_access(view: &LimitedAccess<'_>) -> Markup {
    view.frame.stub("Limited access")
}
