//! Settings > Security > 2-factor authentication: who has it, and the reset.

use maud::Markup;

use crate::{CodeDemand, Frame, Moment, Paging, Refusal};

/// The accounts with 2-factor authentication: `GET {prefix}/settings/security`.
///
/// `?reset=ID` (with `q` and `page`) asks for the same page with a [`ResetDialog`].
#[derive(Debug, Clone, Copy)]
pub struct Security<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The organization, as people call it.
    pub organization: &'a str,
    /// What was searched for; empty for everybody.
    pub search: &'a str,
    /// The accounts on this page.
    pub rows: &'a [SecurityRow<'a>],
    /// Which page it is.
    pub paging: Paging,
    /// The question whether to reset one of them.
    pub dialog: Option<ResetDialog<'a>>,
    /// What became of the last request.
    pub notice: Option<SecurityNotice<'a>>,
}

/// An account with 2-factor authentication.
#[derive(Debug, Clone, Copy)]
pub struct SecurityRow<'a> {
    /// Its number, sent back as `account` to reset it.
    pub account: i64,
    /// What people call its owner.
    pub name: &'a str,
    /// Their e-mail address.
    pub email: Option<&'a str>,
    /// When it was enrolled.
    pub enabled_since: Moment,
    /// When one of its codes was last accepted.
    pub last_used: Option<Moment>,
    /// Whether its key works.
    pub key: KeyState,
    /// Whether it can be reset here.
    pub reset: ResetAction,
}

/// Whether an account's key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Working,
    /// Too many failed tries have locked it.
    Locked,
}

/// Whether an account can be reset on this page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetAction {
    /// It can.
    Allowed,
    /// It is the administrator's own, which the profile page replaces.
    OwnAccount,
}

/// The question whether to reset an account, and what became of the last answer.
#[derive(Debug, Clone, Copy)]
pub struct ResetDialog<'a> {
    /// The account's number.
    pub account: i64,
    /// What people call its owner.
    pub name: &'a str,
    /// Their e-mail address.
    pub email: Option<&'a str>,
    /// Whether the form asks for a code.
    pub code: CodeDemand,
    /// Why the form was not taken.
    pub refusal: Option<Refusal>,
}

/// What became of a request on this page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityNotice<'a> {
    /// The account was reset.
    Reset {
        /// What people call its owner.
        name: &'a str,
    },
    /// The account had no key any more.
    AlreadyReset {
        /// What people call its owner.
        name: &'a str,
    },
    /// It is the administrator's own, which the profile page replaces.
    OwnAccount,
}

/// The accounts with 2-factor authentication. The dialog posts `account`, `q`, `page` and perhaps `code` to
/// `settings/security/reset`.
pub fn security(view: &Security<'_>) -> Markup {
    view.frame.stub("2-factor authentication")
}
