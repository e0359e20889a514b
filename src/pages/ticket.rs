//! The ticket that enrollment may take: asked for and tried before a key is shown.

use vestibule_templates::{EnrollmentTicket, enrollment_ticket};

use super::Handled;
use super::code::{Reply, Tried, try_ticket};
use super::enrollment::{new_pending, reason};
use super::form::Form;
use super::stop::with_next;
use super::view::{form_page, frame};
use crate::body::Body;
use crate::failure::Failure;
use crate::message::Response;
use crate::respond;
use crate::visit::{Visit, Visitor};

/// Asks for a ticket.
pub(super) async fn ask(visit: &Visit<'_>, visitor: &Visitor, next: &str, reply: Option<&Reply>) -> Handled {
    let waiting = visit.wait(visitor).await?;
    let mut response = page(visit, visitor, next, reply);
    respond::set_cookie(&mut response, waiting.cookie);
    Ok(response)
}

/// Takes a ticket. One that is good starts the enrollment, and is used up when that is confirmed.
pub(super) async fn take(visit: &Visit<'_>, visitor: &Visitor, form: &Form, next: &str) -> Handled {
    let waiting = visit.wait(visitor).await?;
    let pending = new_pending(visit, visitor, waiting.session.digest).await?;
    let mut response = match try_ticket(visit, visitor, form.typed("ticket"), pending).await? {
        Tried::Accepted(_) => respond::see_other(&with_next(&visit.own("enroll"), next)),
        Tried::Refused(failures) => page(visit, visitor, next, Some(&Reply::refused(visit, failures))),
        Tried::TooSoon(at) => page(visit, visitor, next, Some(&Reply::too_soon(visit, at))),
        Tried::Gone => return Err(Failure::Internal("a ticket is good or it is not").into()),
    };
    respond::set_cookie(&mut response, waiting.cookie);
    Ok(response)
}

fn page(visit: &Visit<'_>, visitor: &Visitor, next: &str, reply: Option<&Reply>) -> Response<Body> {
    let frame = frame(visit, visitor);
    let reason = reason(visitor);
    form_page(reply, |refusal| enrollment_ticket(&EnrollmentTicket { frame: &frame, next, reason, refusal }))
}
