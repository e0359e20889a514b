//! The page after logging out, at a site that has no logout address of its own.

use maud::{Markup, html};

use crate::Frame;
use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::outside::local;

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
    let body = html! {
        div.card {
            span.card-icon { (icon(Icon::Check)) }
            h1 { "You are logged out" }
            p.lead { "The next visit from this browser will ask for a code again." }
            p { "If others use this computer, close the browser as well: the dashboard itself may still know you." }
            @if let Some(login) = view.login {
                a.button.primary.wide href=(local(login)) { "Log in again" }
            }
        }
    };
    view.frame.page(&Page { title: "You are logged out", layout: Layout::Card, place: Place::Outside, body })
}
