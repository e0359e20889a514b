//! Enrollment: a new key on the screen, and the code that confirms it. Before that, where they are wanted, a ticket.

use http::StatusCode;
use qrcodegen::{QrCode, QrCodeEcc};
use vestibule_templates::{CodesAfter, Enrollment, EnrollmentReason, Qr, RecoveryCodes, enrollment, recovery_codes};

use super::code::{Reply, Tried, Waiting, new_recovery_codes, new_session, open_secret, try_confirmation};
use super::form::Form;
use super::stop::with_next;
use super::view::{form_page, frame, moment};
use super::{Handled, ticket, visitor};
use crate::body::Body;
use crate::entropy;
use crate::failure::Failure;
use crate::identity::probe::Freshness;
use crate::message::Response;
use crate::respond;
use crate::second_factor::account::{Factor, Requirement};
use crate::second_factor::enrollment::{PendingEnrollment, label, otpauth_uri, without_colon};
use crate::second_factor::event::EventKind;
use crate::second_factor::policy::Decision;
use crate::second_factor::sealing::Purpose;
use crate::second_factor::session::{Binding, TokenDigest};
use crate::second_factor::ticket::Guard;
use crate::second_factor::totp::Secret;
use crate::session_cookie;
use crate::store::{Acceptance, Confirmation, StoreError};
use crate::visit::{Visit, Visitor};

/// The session that an enrollment belongs to, and what it may do.
struct Ceremony {
    session: TokenDigest,
    binding: Option<Binding>,
    /// The cookie of a session that was opened for it just now.
    cookie: Option<http::HeaderValue>,
    pending: PendingEnrollment,
}

/// How far somebody is who comes to enroll.
enum Stage {
    /// There is a key to show.
    Key(Box<Ceremony>),
    /// Not before they have given a ticket.
    Ticket,
    /// They have a key, and did not ask on the profile page for another.
    Enrolled,
}

/// Shows the visitor's new key: the same one on every reload, until it expires.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let next = visit.next();
    let visitor = visitor(visit, Freshness::Cached).await?;
    match begin(visit, &visitor).await? {
        Stage::Key(ceremony) => page(visit, &visitor, &ceremony, &next, None).await,
        Stage::Ticket => ticket::ask(visit, &visitor, &next, None).await,
        Stage::Enrolled => Ok(elsewhere(visit, &visitor, &next)),
    }
}

/// Takes the code that confirms the key, or the ticket that comes before.
pub(super) async fn take(visit: &Visit<'_>, form: &Form) -> Handled {
    let next = visit.safe_next(form.one("next"));
    let visitor = visitor(visit, Freshness::Cached).await?;
    let Some(ceremony) = underway(visit, &visitor).await? else {
        return match begin(visit, &visitor).await? {
            Stage::Key(ceremony) => page(visit, &visitor, &ceremony, &next, Some(&Reply::EXPIRED)).await,
            Stage::Ticket if form.has("code") => ticket::ask(visit, &visitor, &next, Some(&Reply::EXPIRED)).await,
            Stage::Ticket => ticket::take(visit, &visitor, form, &next).await,
            Stage::Enrolled => Ok(elsewhere(visit, &visitor, &next)),
        };
    };
    if form.has("ticket") {
        // Sent twice: the first one was taken.
        return Ok(respond::see_other(&with_next(&visit.own("enroll"), &next)));
    }
    confirm(visit, &visitor, form, &ceremony, &next).await
}

async fn confirm(visit: &Visit<'_>, visitor: &Visitor, form: &Form, ceremony: &Ceremony, next: &str) -> Handled {
    let secret = open_secret(visit, visitor, Purpose::PendingSecret, &ceremony.pending.secret).await?;
    let refused = async |reply: Reply| page(visit, visitor, ceremony, next, Some(&reply)).await;
    match try_confirmation(visit, visitor, form.typed("code"), &secret).await? {
        Ok(step) => {
            let waiting = Waiting { digest: ceremony.session, binding: ceremony.binding };
            let (token, session) = new_session(visit, visitor, &waiting);
            let (shown, kept) = new_recovery_codes(visit, visitor);
            let key = &visitor.known.account.key;
            let confirmation = Confirmation {
                pending: ceremony.pending.clone(),
                secret: visit.gateway.keys.seal(Purpose::TotpSecret, key, secret.bytes()).await?,
                step,
                recovery_codes: kept,
                session,
            };
            let occasion = visit.occasion(visitor.actor());
            match visit.gateway.store.confirm_enrollment(confirmation, occasion).await? {
                Acceptance::Accepted(_) => {
                    if ceremony.pending.ticket.is_some() {
                        visit.tell(EventKind::TicketUsed, &visitor.known.account);
                    }
                    visit.done(event(visitor), &visitor.known.account).await?;
                    let mut response = codes_page(visit, visitor, &shown, after(visitor), next);
                    respond::set_cookie(&mut response, Some(session_cookie::set(&token, visit.client.scheme)));
                    Ok(response)
                }
                Acceptance::AlreadyUsed | Acceptance::Gone => {
                    Ok(respond::see_other(&with_next(&visit.own("enroll"), next)))
                }
            }
        }
        Err(Tried::Refused(failures)) => refused(Reply::refused(visit, failures)).await,
        Err(Tried::TooSoon(at)) => refused(Reply::too_soon(visit, at)).await,
        Err(Tried::Accepted(_) | Tried::Gone) => Err(Failure::Internal("a confirmation is only compared").into()),
    }
}

/// New recovery codes, on the one page that ever shows them.
pub(super) fn codes_page(
    visit: &Visit<'_>,
    visitor: &Visitor,
    codes: &[String],
    after: CodesAfter,
    next: &str,
) -> Response<Body> {
    let frame = frame(visit, visitor);
    let view = RecoveryCodes { frame: &frame, codes, after, made: moment(visit.now), next };
    respond::page(StatusCode::OK, recovery_codes(&view))
}

fn event(visitor: &Visitor) -> EventKind {
    match after(visitor) {
        CodesAfter::Replacement => EventKind::Replaced,
        CodesAfter::Enrollment | CodesAfter::Regeneration => EventKind::Enrolled,
    }
}

fn after(visitor: &Visitor) -> CodesAfter {
    match visitor.known.account.factor {
        Factor::Enrolled { .. } => CodesAfter::Replacement,
        Factor::NotEnrolled | Factor::Reset { .. } => CodesAfter::Enrollment,
    }
}

/// The enrollment of this visitor's session, started if they may enroll without more ado and have none.
async fn begin(visit: &Visit<'_>, visitor: &Visitor) -> Result<Stage, Failure> {
    if let Some(ceremony) = underway(visit, visitor).await? {
        return Ok(Stage::Key(Box::new(ceremony)));
    }
    match visitor.known.account.factor {
        Factor::Enrolled { .. } => return Ok(Stage::Enrolled),
        Factor::NotEnrolled | Factor::Reset { .. } => {}
    }
    match visit.dashboard.site.enrollment {
        Guard::None => {}
        Guard::Ticket { .. } => return Ok(Stage::Ticket),
    }
    let waiting = visit.wait(visitor).await?;
    let new = new_pending(visit, visitor, waiting.session.digest).await?;
    let started = visit.gateway.store.start_enrollment(new).await?;
    Ok(started.map_or(Stage::Enrolled, |pending| {
        Stage::Key(Box::new(Ceremony {
            session: waiting.session.digest,
            binding: waiting.session.binding,
            cookie: waiting.cookie,
            pending,
        }))
    }))
}

/// A new secret for this visitor, sealed.
pub(super) async fn new_pending(
    visit: &Visit<'_>,
    visitor: &Visitor,
    session: TokenDigest,
) -> Result<PendingEnrollment, Failure> {
    let account = &visitor.known.account;
    let secret = Secret::new(entropy::random());
    Ok(PendingEnrollment {
        session,
        account: account.id,
        secret: visit.gateway.keys.seal(Purpose::PendingSecret, &account.key, secret.bytes()).await?,
        started: visit.now,
        ticket: None,
    })
}

/// The enrollment that this visitor's own session has under way, with what that takes at this site.
async fn underway(visit: &Visit<'_>, visitor: &Visitor) -> Result<Option<Ceremony>, StoreError> {
    let (session, binding) = match &visitor.session {
        Some(session) => (session.digest, session.binding),
        None => match visit.pending(visitor).await? {
            Some(pending) => (pending.digest, pending.binding),
            None => return Ok(None),
        },
    };
    let pending = visit.gateway.store.pending_enrollment(session, visit.now).await?;
    let (account, guard) = (&visitor.known.account, visit.dashboard.site.enrollment);
    let theirs = pending.filter(|pending| pending.account == account.id && guard.admits(account.factor, pending));
    Ok(theirs.map(|pending| Ceremony { session, binding, cookie: None, pending }))
}

/// Where somebody belongs who has nothing to enroll.
fn elsewhere(visit: &Visit<'_>, visitor: &Visitor, next: &str) -> Response<Body> {
    match visitor.decide() {
        Decision::Pass(_) => respond::see_other(&visit.own("profile")),
        Decision::Challenge | Decision::Enroll => respond::see_other(&with_next(&visit.own("verify"), next)),
    }
}

async fn page(visit: &Visit<'_>, visitor: &Visitor, ceremony: &Ceremony, next: &str, reply: Option<&Reply>) -> Handled {
    let account = &visitor.known.account;
    let secret = open_secret(visit, visitor, Purpose::PendingSecret, &ceremony.pending.secret).await?;
    let label = label(account);
    let uri = otpauth_uri(&secret, &without_colon(&visit.gateway.config.totp.issuer), &label);
    let qr = qr(&uri)?;
    let base32 = secret.base32();
    let reason = reason(visitor);
    let frame = frame(visit, visitor);
    let mut response = form_page(reply, |refusal| {
        enrollment(&Enrollment {
            frame: &frame,
            next,
            reason,
            qr: &qr,
            otpauth: &uri,
            secret: &base32,
            label: &label,
            refusal,
        })
    });
    respond::set_cookie(&mut response, ceremony.cookie.clone());
    Ok(response)
}

/// Why somebody is here.
pub(super) fn reason(visitor: &Visitor) -> EnrollmentReason {
    match (visitor.known.account.factor, visitor.requirement) {
        (Factor::Reset { at }, _) => EnrollmentReason::Reset { at: moment(at) },
        (Factor::Enrolled { .. }, _) => EnrollmentReason::Replacement,
        (Factor::NotEnrolled, Requirement::Required) => EnrollmentReason::RequiredByOrganization,
        (Factor::NotEnrolled, Requirement::Optional) => EnrollmentReason::OwnWish,
    }
}

fn qr(text: &str) -> Result<Qr, Failure> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium)
        .map_err(|_| Failure::Internal("the otpauth address is too long for a QR code"))?;
    let size = usize::try_from(code.size()).unwrap_or(0);
    let at = |x: usize, y: usize| {
        let coordinate = |n: usize| i32::try_from(n).unwrap_or(-1);
        code.get_module(coordinate(x), coordinate(y))
    };
    Ok(Qr::new(size, at))
}
