//! The end of the gateway's own session.

use http::StatusCode;
use vestibule_templates::{Navigation, SignedOut, signed_out};

use super::Handled;
use crate::config::PathPattern;
use crate::respond;
use crate::session_cookie;
use crate::visit::Visit;

/// Ends the session, and sends the browser on to the dashboard's own logout, if one is configured.
pub(super) async fn take(visit: &Visit<'_>) -> Handled {
    visit.end_presented().await?;
    let site = &visit.dashboard.site;
    let logout = site.logout.iter().find_map(|pattern| match pattern {
        PathPattern::Path(address) | PathPattern::Target(address) => Some(address.as_str()),
        PathPattern::Below(_) => None,
    });
    let mut response = if let Some(address) = site.after_logout.as_deref().or(logout) {
        respond::see_other(address)
    } else {
        let frame = visit.dashboard.appearance.frame(None, Navigation::Hidden);
        respond::page(StatusCode::OK, signed_out(&SignedOut { frame: &frame, login: site.login.as_deref() }))
    };
    respond::set_cookie(&mut response, Some(session_cookie::clear(visit.client.scheme)));
    Ok(response)
}
