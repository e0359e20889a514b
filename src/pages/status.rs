//! The visitor's standing as JSON, for programs and for the dashboard's own pages.

use http::StatusCode;
use serde_json::json;

use super::{Handled, stop};
use crate::failure::Failure;
use crate::identity::probe::Freshness;
use crate::respond;
use crate::second_factor::account::Factor;
use crate::second_factor::policy::Decision;
use crate::visit::{Place, Seen, Visit};

/// Who the visitor is and what is asked of them. Programs that hold no login get 401, as anywhere.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let visitor = match visit.look(&visit.credentials(), Place::OwnPages, Freshness::Cached).await? {
        Seen::Somebody(visitor) => visitor,
        Seen::Nobody => return Ok(stop::login_required()),
        Seen::Unsaid(unknown) => return Err(Failure::IdentityUnknown(unknown).into()),
    };
    let account = &visitor.known.account;
    let decision = visitor.decide();
    let verified = match &decision {
        Decision::Pass(passage) => passage.traveler().and_then(|traveler| traveler.verified),
        Decision::Challenge | Decision::Enroll => None,
    };
    let page = match &decision {
        Decision::Enroll => "enroll",
        Decision::Pass(_) | Decision::Challenge => "verify",
    };
    let cookie = match &decision {
        Decision::Challenge | Decision::Enroll => visit.wait(&visitor).await?.cookie,
        Decision::Pass(_) => None,
    };
    let status = json!({
        "user": account.key.user,
        "email": account.email,
        "name": account.name,
        "organization": visitor.known.organization.name,
        "requirement": visitor.requirement.as_str(),
        "enrolled": matches!(account.factor, Factor::Enrolled { .. }),
        "verified": verified.is_some(),
        "verify_url": visit.own(page),
        "profile_url": visit.own("profile"),
    });
    let mut response = respond::json(StatusCode::OK, &status);
    respond::set_cookie(&mut response, cookie);
    Ok(response)
}
