//! The page after logging out, at a site that has no logout address of its own.

use maud::Markup;

use crate::Frame;

/// Logged out: the answer to `POST {prefix}/logout` where no logout address of the dashboard is configured.
#[derive(Debug, Clone, Copy)]
pub struct SignedOut<'a> {
    /// The frame; nobody is known in it.
    pub frame: &'a Frame<'a>,
    /// The dashboard's login page: a path on the site.
    pub login: Option<&'a str>,
}

/// Says that the session has ended, and that the dashboard's own may not have.
pub fn signed_out(view: &SignedOut<'_>) -> Markup {
    view.frame.stub("You are logged out")
}
