//! The page for those who can't reach their authenticator.

use maud::Markup;

use crate::{Frame, Refusal};

/// Using a recovery code: `GET` and `POST {prefix}/recover`.
#[derive(Debug, Clone, Copy)]
pub struct Recovery<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// Where to go afterwards: a path on the site.
    pub next: &'a str,
    /// What became of the last try.
    pub refusal: Option<Refusal>,
}

/// Asks for a recovery code. The form posts `recovery_code` and `next`.
pub fn recovery(view: &Recovery<'_>) -> Markup {
    view.frame.stub("Use a recovery code")
}
