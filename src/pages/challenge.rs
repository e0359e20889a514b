//! The challenge: a code between the password and the dashboard.

use vestibule_templates::{Challenge, challenge};

use super::code::{Reply, Tried, sign_in_or_step_up, try_code};
use super::form::Form;
use super::stop::with_next;
use super::view::{form_page, frame};
use super::{Halt, Handled, visitor};
use crate::body::Body;
use crate::identity::probe::Freshness;
use crate::message::Response;
use crate::respond;
use crate::second_factor::policy::{Decision, is_fresh};
use crate::second_factor::session::SessionToken;
use crate::session_cookie;
use crate::visit::{Visit, Visitor};

/// Shows the challenge to whoever has to pass it, and sends everybody else on.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let next = visit.next();
    let visitor = visitor(visit, Freshness::Cached).await?;
    match visitor.decide() {
        Decision::Challenge => page(visit, &visitor, &next, None).await,
        Decision::Enroll => Ok(respond::see_other(&with_next(&visit.own("enroll"), &next))),
        Decision::Pass(_) => Ok(respond::see_other(&next)),
    }
}

/// Takes a code: of somebody who is challenged, or in a verified session, which it makes fresh again.
pub(super) async fn take(visit: &Visit<'_>, form: &Form) -> Handled {
    let next = visit.safe_next(form.one("next"));
    let visitor = visitor(visit, Freshness::Cached).await?;
    match visitor.decide() {
        Decision::Challenge => {}
        Decision::Enroll => return Ok(respond::see_other(&with_next(&visit.own("enroll"), &next))),
        Decision::Pass(_) => match &visitor.session {
            Some(session) if !is_fresh(session.code_at, visit.now) => {}
            // Sent twice: the first one was taken.
            Some(_) | None => return Ok(respond::see_other(&next)),
        },
    }
    let Some((token, effect)) = sign_in_or_step_up(visit, &visitor).await? else {
        return page(visit, &visitor, &next, Some(&Reply::EXPIRED)).await;
    };
    match try_code(visit, &visitor, form.typed("code"), effect).await? {
        Tried::Accepted(_) => Ok(signed_in(visit, &token, &next)),
        Tried::Refused(failures) => page(visit, &visitor, &next, Some(&Reply::refused(visit, failures))).await,
        Tried::TooSoon(at) => page(visit, &visitor, &next, Some(&Reply::too_soon(visit, at))).await,
        Tried::Gone => Ok(respond::see_other(&with_next(&visit.own("verify"), &next))),
    }
}

/// Sends a browser on with its new token.
pub(super) fn signed_in(visit: &Visit<'_>, token: &SessionToken, next: &str) -> Response<Body> {
    let mut response = respond::see_other(next);
    respond::set_cookie(&mut response, Some(session_cookie::set(token, visit.client.scheme)));
    response
}

async fn page(visit: &Visit<'_>, visitor: &Visitor, next: &str, reply: Option<&Reply>) -> Handled {
    let cookie = match visitor.session {
        Some(_) => None,
        None => visit.wait(visitor).await.map_err(Halt::from)?.cookie,
    };
    let frame = frame(visit, visitor);
    let mut response = form_page(reply, |refusal| challenge(&Challenge { frame: &frame, next, refusal }));
    respond::set_cookie(&mut response, cookie);
    Ok(response)
}
