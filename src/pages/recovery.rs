//! Recovery codes, for those who can't reach their authenticator.

use vestibule_templates::{Recovery, recovery};

use super::challenge::signed_in;
use super::code::{Reply, Tried, sign_in_or_step_up, try_recovery_code};
use super::form::Form;
use super::stop::with_next;
use super::view::{form_page, frame};
use super::{Handled, visitor};
use crate::body::Body;
use crate::identity::probe::Freshness;
use crate::message::Response;
use crate::respond;
use crate::second_factor::policy::Decision;
use crate::visit::{Visit, Visitor};

/// Shows the page to whoever is asked for a second factor, or was and wants to prove it again.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let next = visit.next();
    let visitor = visitor(visit, Freshness::Cached).await?;
    if let Some(elsewhere) = elsewhere(visit, &visitor, &next) {
        return Ok(elsewhere);
    }
    page(visit, &visitor, &next, None).await
}

/// Takes a recovery code.
pub(super) async fn take(visit: &Visit<'_>, form: &Form) -> Handled {
    let next = visit.safe_next(form.one("next"));
    let visitor = visitor(visit, Freshness::Cached).await?;
    if let Some(elsewhere) = elsewhere(visit, &visitor, &next) {
        return Ok(elsewhere);
    }
    let Some((token, effect)) = sign_in_or_step_up(visit, &visitor).await? else {
        return page(visit, &visitor, &next, Some(&Reply::EXPIRED)).await;
    };
    match try_recovery_code(visit, &visitor, form.typed("recovery_code"), effect).await? {
        Tried::Accepted(_) => Ok(signed_in(visit, &token, &next)),
        Tried::Refused(failures) => page(visit, &visitor, &next, Some(&Reply::refused(visit, failures))).await,
        Tried::TooSoon(at) => page(visit, &visitor, &next, Some(&Reply::too_soon(visit, at))).await,
        Tried::Gone => Ok(respond::see_other(&with_next(&visit.own("verify"), &next))),
    }
}

fn elsewhere(visit: &Visit<'_>, visitor: &Visitor, next: &str) -> Option<Response<Body>> {
    match visitor.decide() {
        Decision::Challenge => None,
        Decision::Pass(passage) => {
            let verified = passage.traveler().is_some_and(|traveler| traveler.verified.is_some());
            (!verified).then(|| respond::see_other(next))
        }
        Decision::Enroll => Some(respond::see_other(&with_next(&visit.own("enroll"), next))),
    }
}

async fn page(visit: &Visit<'_>, visitor: &Visitor, next: &str, reply: Option<&Reply>) -> Handled {
    let cookie = match visitor.session {
        Some(_) => None,
        None => visit.wait(visitor).await?.cookie,
    };
    let frame = frame(visit, visitor);
    let mut response = form_page(reply, |refusal| recovery(&Recovery { frame: &frame, next, refusal }));
    respond::set_cookie(&mut response, cookie);
    Ok(response)
}
