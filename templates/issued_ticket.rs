//! The page that shows a new ticket, once.

use maud::{Markup, html};

use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::outside::{local, shown};
use crate::{Frame, Moment};

/// A new ticket: the answer to the `POST` that issued it, never to a `GET`. Holds a secret, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct IssuedTicket<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The ticket, as people read it.
    pub ticket: &'a str,
    /// What people call its owner.
    pub name: &'a str,
    /// Their e-mail address.
    pub email: Option<&'a str>,
    /// Their user id.
    pub user: &'a str,
    /// When it is good no more.
    pub expires: Moment,
    /// What it was issued after.
    pub after: TicketAfter,
    /// Where "done" leads: a path on the site.
    pub back: &'a str,
}

/// What a ticket was issued after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketAfter {
    /// The administrator asked for it.
    Request,
    /// The account was reset.
    Reset,
}

/// Shows a ticket to be handed over.
pub fn issued_ticket(view: &IssuedTicket<'_>) -> Markup {
    let name = html! { strong { bdi { (shown(view.name)) } } };
    let body = html! {
        div.card {
            h1 { "Enrollment ticket" }
            p.lead {
                @match view.after {
                    TicketAfter::Request => { "With this ticket and their password, " (name) " sets up 2-factor authentication." }
                    TicketAfter::Reset => {
                        "2-factor authentication of " (name) " was reset. To set it up again they need this ticket."
                    }
                }
            }
            dl.facts {
                @if let Some(email) = view.email { div { dt { "E-mail" } dd { bdi { (shown(email)) } } } }
                div { dt { "User ID" } dd { bdi { (shown(view.user)) } } }
                div { dt { "Good until" } dd { (view.expires.shown()) } }
            }
            p.ticket { code #ticket { (view.ticket) } }
            p {
                "It works once, and replaces every ticket that they had before. "
                strong { "It is shown only this once." }
            }
            p {
                "Hand it over in person or by phone, when you are sure that it is they: not to the address that a "
                "forgotten password is sent to."
            }
            div.actions data-with-script hidden {
                button type="button" data-copy="#ticket" { (icon(Icon::Copy)) span { "Copy" } }
                button type="button" data-print { (icon(Icon::Print)) span { "Print" } }
            }
            a.button.primary.wide href=(local(view.back)) { "Done" }
        }
    };
    view.frame.page(&Page { title: "Enrollment ticket", layout: Layout::Card, place: Place::Settings, body })
}
