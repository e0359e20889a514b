//! The page that asks for a code.

use maud::{Markup, html};

use crate::form::{Asked, Focus, code_field, refusal_alert};
use crate::frame::{Layout, Page, Place};
use crate::outside::query_value;
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
    let Challenge { frame, next, refusal } = *view;
    let title = if refusal.is_some() { "Error: Enter your code" } else { "Enter your code" };
    let body = html! {
        div.card {
            h1 { "Enter your code" }
            p.lead { "Open your authenticator app and type the code that it shows for this site." }
            (refusal_alert("code", Asked::Code, refusal))
            form method="post" action=(frame.at("verify")) data-auto-submit {
                input type="hidden" name="next" value=(next);
                (code_field("code", Asked::Code, refusal, Focus::Taken))
                button.primary.wide type="submit" { "Continue" }
            }
            p.aside {
                "No access to your app? "
                a href=(format!("{}?next={}", frame.at("recover"), query_value(next))) { "Use a recovery code" }
            }
        }
    };
    frame.page(&Page { title, layout: Layout::Card, place: Place::Outside, body })
}
