//! My profile: one's own switch, authenticator, recovery codes and sessions.

use http::StatusCode;
use vestibule_templates::{
    Activity, CodesAfter, EnrolledFactor, OwnFactor, OwnSession, Profile, ProfileForm, ProfileNotice, Replacing,
    SessionPlace, Switch, profile,
};

use super::code::{Reply, Tried, new_recovery_codes, try_code};
use super::enrollment::{codes_page, new_pending};
use super::form::Form;
use super::notice::{done, told};
use super::stop::with_next;
use super::view::{event_kind, form_page, frame, moment, verified_with};
use super::{Halt, Handled, passenger};
use crate::body::Body;
use crate::failure::Failure;
use crate::identity::probe::Freshness;
use crate::message::Response;
use crate::respond;
use crate::second_factor::account::{Factor, Requirement};
use crate::second_factor::event::EventKind;
use crate::second_factor::policy::is_fresh;
use crate::second_factor::session::{FRESH, SessionId, VerifiedBy, VerifiedSession};
use crate::session_cookie;
use crate::store::{AuditQuery, Effect, SessionRecord};
use crate::visit::{Visit, Visitor};

/// How many of the latest events the page shows.
const EVENTS: u64 = 10;

/// Shows the profile.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let (visitor, _) = passenger(visit, Freshness::Cached).await?;
    let notice = done(visit, &visitor).await?.and_then(|entry| match entry.kind {
        EventKind::Enrolled => Some(ProfileNotice::Enabled),
        EventKind::Replaced => Some(ProfileNotice::Replaced),
        EventKind::Disabled => Some(ProfileNotice::Disabled),
        EventKind::RecoveryCodesRegenerated => Some(ProfileNotice::RecoveryCodesRegenerated),
        EventKind::SessionEnded => Some(ProfileNotice::SessionEnded),
        _ => None,
    });
    page(visit, &visitor, notice).await
}

/// Switches the second factor on: by enrolling an authenticator.
pub(super) async fn enable(visit: &Visit<'_>) -> Handled {
    let (visitor, _) = passenger(visit, Freshness::Cached).await?;
    if let Some(locked) = locked(visit, &visitor).await? {
        return Ok(locked);
    }
    Ok(respond::see_other(&match visitor.known.account.factor {
        Factor::Enrolled { .. } => visit.own("profile"),
        Factor::NotEnrolled | Factor::Reset { .. } => enrollment_page(visit),
    }))
}

/// Enrollment, and back here.
fn enrollment_page(visit: &Visit<'_>) -> String {
    with_next(&visit.own("enroll"), &visit.own("profile"))
}

/// Switches it off, with a code.
pub(super) async fn disable(visit: &Visit<'_>, form: &Form) -> Handled {
    let (visitor, _) = passenger(visit, Freshness::Cached).await?;
    if let Some(locked) = locked(visit, &visitor).await? {
        return Ok(locked);
    }
    own_session(visit, &visitor)?;
    match try_code(visit, &visitor, form.typed("code"), Effect::Disable).await? {
        Tried::Accepted(_) => {
            let mut response = respond::see_other(&told(&visit.own("profile"), EventKind::Disabled));
            respond::set_cookie(&mut response, Some(session_cookie::clear(visit.client.scheme)));
            Ok(response)
        }
        other => refused(visit, &visitor, ProfileForm::Disable, other).await,
    }
}

/// Leads to a new authenticator in place of the old one: with a code of that, or minutes after a recovery code.
pub(super) async fn replace(visit: &Visit<'_>, form: &Form) -> Handled {
    let (visitor, _) = passenger(visit, Freshness::Cached).await?;
    let session = own_session(visit, &visitor)?;
    let pending = new_pending(visit, &visitor, session.digest).await?;
    if replacing(session, visit) == Replacing::WithoutCode && !form.has("code") {
        let since = visit.now.minus(FRESH);
        let started = visit.gateway.store.start_replacement(pending, since).await?;
        return Ok(respond::see_other(&match started {
            Some(_) => enrollment_page(visit),
            None => visit.own("profile"),
        }));
    }
    match try_code(visit, &visitor, form.typed("code"), Effect::StartReplacement(pending)).await? {
        Tried::Accepted(_) => Ok(respond::see_other(&format!("{}?next={}", visit.own("enroll"), visit.own("profile")))),
        other => refused(visit, &visitor, ProfileForm::Replace, other).await,
    }
}

/// Makes new recovery codes in place of the old ones, with a code.
pub(super) async fn regenerate(visit: &Visit<'_>, form: &Form) -> Handled {
    let (visitor, _) = passenger(visit, Freshness::Cached).await?;
    own_session(visit, &visitor)?;
    let (shown, kept) = new_recovery_codes(visit, &visitor);
    match try_code(visit, &visitor, form.typed("code"), Effect::RegenerateRecoveryCodes(kept)).await? {
        Tried::Accepted(_) => Ok(codes_page(visit, &visitor, &shown, CodesAfter::Regeneration, &visit.own("profile"))),
        other => refused(visit, &visitor, ProfileForm::RecoveryCodes, other).await,
    }
}

/// Ends one of the visitor's own sessions.
pub(super) async fn end_session(visit: &Visit<'_>, form: &Form) -> Handled {
    let (visitor, _) = passenger(visit, Freshness::Cached).await?;
    let session = form.one("session").and_then(|number| number.parse().ok()).map(SessionId);
    let session = session.ok_or(Failure::BadForm("session is no number"))?;
    let account = &visitor.known.account;
    let ended = visit.gateway.store.end_own_session(account.id, session, visit.occasion(visitor.actor())).await?;
    if !ended {
        let mut response = page(visit, &visitor, Some(ProfileNotice::SessionGone)).await?;
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    }
    visit.done(EventKind::SessionEnded, account).await?;
    if visitor.session.as_ref().is_some_and(|own| own.id == session) {
        let mut response = respond::see_other("/");
        respond::set_cookie(&mut response, Some(session_cookie::clear(visit.client.scheme)));
        return Ok(response);
    }
    Ok(respond::see_other(&told(&visit.own("profile"), EventKind::SessionEnded)))
}

/// The page that says so, if the organization has taken the switch from its users.
async fn locked(visit: &Visit<'_>, visitor: &Visitor) -> Result<Option<Response<Body>>, Halt> {
    match visitor.requirement {
        Requirement::Optional => Ok(None),
        Requirement::Required => {
            let mut response = page(visit, visitor, Some(ProfileNotice::SwitchLocked)).await?;
            *response.status_mut() = StatusCode::FORBIDDEN;
            Ok(Some(response))
        }
    }
}

/// The visitor's verified session; without one there is nothing to switch off or replace.
fn own_session<'a>(visit: &Visit<'_>, visitor: &'a Visitor) -> Result<&'a VerifiedSession, Halt> {
    let enrolled = matches!(visitor.known.account.factor, Factor::Enrolled { .. });
    visitor.session.as_ref().filter(|_| enrolled).ok_or_else(|| Halt::answer(respond::see_other(&visit.own("profile"))))
}

async fn refused(visit: &Visit<'_>, visitor: &Visitor, form: ProfileForm, tried: Tried) -> Handled {
    let reply = match tried {
        Tried::Refused(failures) => Reply::refused(visit, failures),
        Tried::TooSoon(at) => Reply::too_soon(visit, at),
        Tried::Gone | Tried::Accepted(_) => return Ok(respond::see_other(&visit.own("profile"))),
    };
    let notice = reply.refusal.map(|refusal| ProfileNotice::Refused { form, refusal });
    Ok(reply.stamp(page(visit, visitor, notice).await?))
}

fn replacing(session: &VerifiedSession, visit: &Visit<'_>) -> Replacing {
    match session.by {
        VerifiedBy::RecoveryCode if is_fresh(session.code_at, visit.now) => Replacing::WithoutCode,
        VerifiedBy::RecoveryCode | VerifiedBy::Totp => Replacing::WithCode,
    }
}

async fn page(visit: &Visit<'_>, visitor: &Visitor, notice: Option<ProfileNotice>) -> Handled {
    let account = &visitor.known.account;
    let store = &visit.gateway.store;
    let records = store.sessions_of(account.id).await?;
    let query = AuditQuery { organization: None, subject: Some(account.id), before: None, offset: 0, limit: EVENTS };
    let events = store.audit(query).await?.rows;
    let factor = factor(visit, visitor).await?;
    let text = |address: Option<std::net::IpAddr>| address.map(|address| address.to_string());
    let from: Vec<_> = records.iter().map(|record| text(record.address)).collect();
    let sessions: Vec<_> =
        records.iter().zip(&from).map(|(record, from)| own(record, from.as_deref(), visitor)).collect();
    let from: Vec<_> = events.iter().map(|event| text(event.address)).collect();
    let activity: Vec<_> = events
        .iter()
        .zip(&from)
        .map(|(e, from)| Activity { at: moment(e.at), kind: event_kind(e.kind), address: from.as_deref() })
        .collect();
    let frame = frame(visit, visitor);
    let switch = match visitor.requirement {
        Requirement::Optional => Switch::Free,
        Requirement::Required => Switch::LockedByOrganization,
    };
    let view = Profile { frame: &frame, factor, switch, sessions: &sessions, activity: &activity, notice };
    Ok(form_page(None, |_| profile(&view)))
}

async fn factor(visit: &Visit<'_>, visitor: &Visitor) -> Result<OwnFactor, Halt> {
    let account = &visitor.known.account;
    let (Factor::Enrolled { since, last_used }, Some(session)) = (account.factor, &visitor.session) else {
        return Ok(OwnFactor::Off);
    };
    Ok(OwnFactor::On(EnrolledFactor {
        since: moment(since),
        last_used: last_used.map(moment),
        recovery_codes_left: visit.gateway.store.recovery_codes_left(account.id).await?,
        verified_with: verified_with(session.by),
        verified_at: moment(session.verified_at),
        replacing: replacing(session, visit),
    }))
}

fn own<'a>(record: &'a SessionRecord, address: Option<&'a str>, visitor: &Visitor) -> OwnSession<'a> {
    let session = &record.session;
    let here = visitor.session.as_ref().is_some_and(|own| own.id == session.id);
    OwnSession {
        id: session.id.0,
        place: if here { SessionPlace::Here } else { SessionPlace::Elsewhere },
        address,
        browser: &record.browser,
        verified_with: verified_with(session.by),
        opened: moment(session.verified_at),
        last_used: moment(session.last_seen),
    }
}
