//! The organization's switch.

use maud::Markup;

use crate::{CodeDemand, Frame, Refusal};

/// The organization's settings: `GET {prefix}/settings`, and the answer where its form was refused.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The organization, as people call it.
    pub organization: &'a str,
    /// What it asks of its users now.
    pub requirement: Requirement,
    /// Who may change that.
    pub authority: Authority,
    /// How many accounts were ever seen.
    pub accounts: u64,
    /// How many of them have a second factor.
    pub enrolled: u64,
    /// Whether the form asks for a code.
    pub code: CodeDemand,
    /// What became of the last request.
    pub notice: Option<SettingsNotice>,
}

/// What an organization asks of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Everybody needs a second factor.
    Required,
    /// Each user decides.
    Optional,
}

/// Who may change what an organization asks of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Its administrators.
    Administrators,
    /// The operator alone, in the gateway's configuration.
    Operator,
}

/// What became of a request on the settings page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsNotice {
    /// The requirement was set to what the page shows.
    Saved,
    /// It was that already.
    Unchanged,
    /// The operator has fixed it.
    LockedByOperator,
    /// The form was not taken.
    Refused(Refusal),
}

/// The organization's settings. The form posts `requirement` (`required` or `optional`) and perhaps `code` to
/// `settings/requirement`.
pub fn settings(view: &Settings<'_>) -> Markup {
    view.frame.stub("Settings")
}
