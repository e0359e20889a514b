//! The page that asks for a ticket before it shows a key.

use maud::{Markup, html};

use crate::form::{Asked, refusal_alert, ticket_field};
use crate::frame::{Layout, Page, Place};
use crate::{EnrollmentReason, Frame, Refusal};

/// The ticket that enrollment takes: `GET` and `POST {prefix}/enroll`, where tickets are asked for.
#[derive(Debug, Clone, Copy)]
pub struct EnrollmentTicket<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// Where to go afterwards: a path on the site.
    pub next: &'a str,
    /// Why the person is here.
    pub reason: EnrollmentReason,
    /// What became of the last try. [`Refusal::Expired`]: the key that was shown can't be confirmed any more.
    pub refusal: Option<Refusal>,
}

/// Asks for a ticket. The form posts `ticket` and `next`.
pub fn enrollment_ticket(view: &EnrollmentTicket<'_>) -> Markup {
    let EnrollmentTicket { frame, next, reason, refusal } = *view;
    let heading = "Set up 2-factor authentication";
    let title = if refusal.is_some() { format!("Error: {heading}") } else { heading.to_owned() };
    let body = html! {
        div.card {
            h1 { (heading) }
            p.lead { (lead(reason)) }
            p {
                "For that you need a ticket, which makes sure that nobody does it in your place. "
                strong { "Ask your administrator for a ticket" } ", in person or by phone."
            }
            (refusal_alert("ticket", Asked::Ticket, refusal))
            form method="post" action=(frame.at("enroll")) {
                input type="hidden" name="next" value=(next);
                (ticket_field(refusal))
                button.primary.wide type="submit" { "Continue" }
            }
            p.aside { "Are you the administrator, and the first? Whoever operates this site can give you one." }
            @match reason {
                EnrollmentReason::RequiredByOrganization | EnrollmentReason::Reset { .. } => {}
                EnrollmentReason::OwnWish | EnrollmentReason::Replacement => {
                    p.aside { a href=(frame.at("profile")) { "Cancel, and change nothing" } }
                }
            }
        }
    };
    frame.page(&Page { title: &title, layout: Layout::Card, place: Place::Outside, body })
}

fn lead(reason: EnrollmentReason) -> Markup {
    html! {
        @match reason {
            EnrollmentReason::RequiredByOrganization => {
                "Your organization asks everybody for a second step at login: a code from an app on your phone."
            }
            EnrollmentReason::Reset { at } => {
                "An administrator reset your 2-factor authentication on " (at.shown()) ". Please set it up again. If you "
                "did not ask for that, tell your administrator."
            }
            EnrollmentReason::OwnWish | EnrollmentReason::Replacement => {
                "From now on a password alone will not be enough to get into your account: you will also be asked for a "
                "code from an app on your phone."
            }
        }
    }
}
