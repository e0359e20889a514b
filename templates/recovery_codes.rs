//! The page that shows new recovery codes, once.

use maud::Markup;

use crate::{Frame, Moment};

/// New recovery codes: the answer to the `POST` that made them, never to a `GET`. Holds secrets, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct RecoveryCodes<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The codes, as people read them.
    pub codes: &'a [String],
    /// What made them.
    pub after: CodesAfter,
    /// When they were made.
    pub made: Moment,
    /// Where "I have saved them" leads: a path on the site.
    pub next: &'a str,
}

/// What made new recovery codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodesAfter {
    /// The first authenticator was enrolled, or one after a reset.
    Enrollment,
    /// The authenticator was replaced.
    Replacement,
    /// They were asked for on the profile page.
    Regeneration,
}

/// Shows recovery codes to be saved.
pub fn recovery_codes(view: &RecoveryCodes<'_>) -> Markup {
    view.frame.stub("Save your recovery codes")
}
