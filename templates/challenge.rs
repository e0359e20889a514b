//! The page that asks for a code.

use maud::Markup;

use crate::{Frame, Refusal};

/// The challenge: `GET` and `POST {prefix}/verify`.
#[derive(Debug, Clone, Copy)]
pub struct Challenge<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// Where to go afterwards: a path on the site.
    pub next: &'a str,
    /// What became of the last try.
    pub refusal: Option<Refusal>,
}

/// Asks for a code. The form posts `code` and `next`.
pub fn challenge(view: &Challenge<'_>) -> Markup {
    view.frame.stub("Enter your code")
}
