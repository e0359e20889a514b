//! The form by which administrators issue tickets, on the page of the accounts.

use maud::{Markup, html};

use crate::form::{Asked, Focus, code_field, refusal_alert};
use crate::notice::alert;
use crate::outside::shown;
use crate::{CodeDemand, Frame, Refusal};

/// The form by which administrators issue tickets.
#[derive(Debug, Clone, Copy)]
pub struct TicketOffice<'a> {
    /// Whom the last request was about, as it was typed.
    pub user: &'a str,
    /// Whether the form asks for a code.
    pub code: CodeDemand,
    /// Why the last request was not granted.
    pub refusal: Option<TicketRefusal<'a>>,
}

/// Why no ticket was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketRefusal<'a> {
    /// The organization has nobody of that name.
    Nobody,
    /// It may have several.
    Several,
    /// They have an authenticator.
    Enrolled {
        /// What people call them.
        name: &'a str,
    },
    /// The code was not taken.
    Code(Refusal),
}

/// The form. It posts `user` and perhaps `code` to `settings/security/ticket`.
pub(crate) fn ticket_office(frame: &Frame<'_>, office: &TicketOffice<'_>) -> Markup {
    let code = match office.refusal {
        Some(TicketRefusal::Code(refusal)) => Some(refusal),
        Some(TicketRefusal::Nobody | TicketRefusal::Several | TicketRefusal::Enrolled { .. }) | None => None,
    };
    let not_found = office.refusal.is_some() && code.is_none();
    let described_by = if not_found { "ticket-user-error ticket-user-hint" } else { "ticket-user-hint" };
    let focus = if code.is_some() { Focus::Taken } else { Focus::Left };
    html! {
        section.panel aria-labelledby="tickets-title" {
            h2 #tickets-title { "Enrollment tickets" }
            p {
                "Whoever sets up 2-factor authentication for the first time, or after a reset, needs a ticket from you "
                "beside their password. Make sure that it is really they who ask."
            }
            (refused(office))
            (refusal_alert("ticket-code", Asked::ActionCode, code))
            form.stacked method="post" action=(frame.at("settings/security/ticket")) {
                div.field {
                    label for="ticket-user" { "Name, e-mail address or user ID" }
                    input #ticket-user name="user" type="text" value=(office.user) autocomplete="off" maxlength="400" required
                        autocapitalize="none" spellcheck="false" aria-describedby=(described_by)
                        aria-invalid=[not_found.then_some("true")] autofocus[not_found];
                    p.hint #ticket-user-hint { "All of it, as the dashboard has it. They must have logged in there once." }
                }
                @if office.code == CodeDemand::Needed { (code_field("ticket-code", Asked::ActionCode, code, focus)) }
                button type="submit" { "Issue a ticket" }
            }
        }
    }
}

fn refused(office: &TicketOffice<'_>) -> Markup {
    let user = html! { "“" bdi { (shown(office.user)) } "”" };
    let told = |title: &str, text: &Markup| alert("ticket-user-error", title, &html! { p { (text) } });
    match office.refusal {
        None | Some(TicketRefusal::Code(_)) => Markup::default(),
        Some(TicketRefusal::Nobody) => told(
            "Nobody of that name was found",
            &html! { "No ticket was issued. Nobody in your organization who has logged in here is called " (user) ": type all of the name, the e-mail address or the user ID." },
        ),
        Some(TicketRefusal::Several) => told(
            "That could be several people",
            &html! { "No ticket was issued. " (user) " does not name one person alone: type the e-mail address or the user ID." },
        ),
        Some(TicketRefusal::Enrolled { name }) => told(
            "They need no ticket",
            &html! { "No ticket was issued: " strong { bdi { (shown(name)) } } " has 2-factor authentication on. If they have lost their phone, reset it in the list." },
        ),
    }
}
