//! The page for those who can't reach their authenticator.

use maud::{Markup, html};

use crate::form::{Asked, recovery_code_field, refusal_alert};
use crate::frame::{Layout, Page, Place};
use crate::outside::query_value;
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
    let Recovery { frame, next, refusal } = *view;
    let title = if refusal.is_some() { "Error: Use a recovery code" } else { "Use a recovery code" };
    let body = html! {
        div.card {
            h1 { "Use a recovery code" }
            p.lead { "You were given ten of them when you set up 2-factor authentication. Any unused one will do." }
            (refusal_alert("recovery-code", Asked::RecoveryCode, refusal))
            form method="post" action=(frame.at("recover")) {
                input type="hidden" name="next" value=(next);
                (recovery_code_field(refusal))
                button.primary.wide type="submit" { "Continue" }
            }
            p.aside {
                a href=(format!("{}?next={}", frame.at("verify"), query_value(next))) { "Use your authenticator app instead" }
            }
            p.aside { "No codes either? An administrator of your organization can reset your 2-factor authentication." }
        }
    };
    frame.page(&Page { title, layout: Layout::Card, place: Place::Outside, body })
}
