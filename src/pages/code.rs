//! Trying a code: charged first, then compared, then used up together with what it was given for.

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use vestibule_templates::Refusal;

use super::view::moment;
use crate::body::Body;
use crate::entropy;
use crate::failure::Failure;
use crate::message::Response;
use crate::second_factor::Timestamp;
use crate::second_factor::enrollment::PendingEnrollment;
use crate::second_factor::event::{Event, EventKind};
use crate::second_factor::recovery::{CODES, CodeDigest, RecoveryCode};
use crate::second_factor::sealing::{Purpose, Sealed};
use crate::second_factor::session::{Kind, SessionToken, TokenDigest, VerifiedSession};
use crate::second_factor::throttle::{Bucket, Charge, Failures};
use crate::second_factor::ticket::Ticket;
use crate::second_factor::totp::{Code, Secret, Step};
use crate::store::{Acceptance, Effect, MatchedStep, NewSession};
use crate::telemetry::Outcome;
use crate::visit::{Visit, Visitor};

/// What became of a try.
pub(super) enum Tried {
    /// The code was good, is used up, and what it was given for is done.
    Accepted(Option<VerifiedSession>),
    /// It was wrong, used before, or the factor is locked: nobody can tell which.
    Refused(Failures),
    /// Too soon after failed tries: not looked at.
    TooSoon(Timestamp),
    /// The account has no such key or session any more: a reset came between.
    Gone,
}

/// Tries a code of the authenticator.
pub(super) async fn try_code(
    visit: &Visit<'_>,
    visitor: &Visitor,
    typed: &str,
    effect: Effect,
) -> Result<Tried, Failure> {
    let (store, account) = (&visit.gateway.store, &visitor.known.account);
    let (failures, locked) = match store.charge_attempt(account.id, Bucket::Code, visit.now).await? {
        Charge::Compare(failures) => (failures, false),
        Charge::Locked(failures) => (failures, true),
        Charge::TooSoon { retry_at } => return Ok(too_soon(visit, retry_at)),
    };
    let Some(key) = store.enrolled_key(account.id).await? else { return Ok(Tried::Gone) };
    let secret = open_secret(visit, visitor, Purpose::TotpSecret, &key.secret).await?;
    let step = Code::parse(typed).and_then(|code| secret.matching_step(&code, visit.now, Some(key.last_step)));
    let occasion = visit.occasion(visitor.actor());
    let event = event(&effect);
    let kind = match step {
        // A locked factor takes the same way as a wrong code, and as long.
        Some(step) if !locked && step > key.last_step => {
            match store.accept_step(account.id, MatchedStep { key: key.id, step }, effect, occasion).await? {
                Acceptance::Accepted(session) => return accepted(visit, visitor, event, session).await,
                Acceptance::AlreadyUsed => EventKind::CodeReused,
                Acceptance::Gone => return Ok(Tried::Gone),
            }
        }
        Some(_) if !locked => EventKind::CodeReused,
        Some(_) | None => EventKind::CodeRefused,
    };
    refused(visit, visitor, kind, failures).await
}

/// Tries a recovery code.
pub(super) async fn try_recovery_code(
    visit: &Visit<'_>,
    visitor: &Visitor,
    typed: &str,
    effect: Effect,
) -> Result<Tried, Failure> {
    let (store, account) = (&visit.gateway.store, &visitor.known.account);
    let failures = match store.charge_attempt(account.id, Bucket::Recovery, visit.now).await? {
        Charge::Compare(failures) | Charge::Locked(failures) => failures,
        Charge::TooSoon { retry_at } => return Ok(too_soon(visit, retry_at)),
    };
    if let Some(code) = RecoveryCode::parse(typed) {
        let digest = code.digest(visit.gateway.keys.digests(), &account.key);
        match store.spend_recovery_code(account.id, digest, effect, visit.occasion(visitor.actor())).await? {
            Acceptance::Accepted(session) => {
                return accepted(visit, visitor, EventKind::RecoveryCodeUsed, session).await;
            }
            Acceptance::AlreadyUsed => {}
            Acceptance::Gone => return Ok(Tried::Gone),
        }
    }
    refused(visit, visitor, EventKind::RecoveryCodeRefused, failures).await
}

/// Tries the code that confirms an enrollment; the step it is of, if it is good.
pub(super) async fn try_confirmation(
    visit: &Visit<'_>,
    visitor: &Visitor,
    typed: &str,
    secret: &Secret,
) -> Result<Result<Step, Tried>, Failure> {
    let account = visitor.known.account.id;
    let failures = match visit.gateway.store.charge_attempt(account, Bucket::Enrollment, visit.now).await? {
        Charge::Compare(failures) | Charge::Locked(failures) => failures,
        Charge::TooSoon { retry_at } => return Ok(Err(too_soon(visit, retry_at))),
    };
    match Code::parse(typed).and_then(|code| secret.matching_step(&code, visit.now, None)) {
        Some(step) => Ok(Ok(step)),
        None => refused(visit, visitor, EventKind::CodeRefused, failures).await.map(Err),
    }
}

/// Tries a ticket: with a good one the enrollment is started.
pub(super) async fn try_ticket(
    visit: &Visit<'_>,
    visitor: &Visitor,
    typed: &str,
    pending: PendingEnrollment,
) -> Result<Tried, Failure> {
    let (store, account) = (&visit.gateway.store, &visitor.known.account);
    let failures = match store.charge_attempt(account.id, Bucket::Ticket, visit.now).await? {
        Charge::Compare(failures) | Charge::Locked(failures) => failures,
        Charge::TooSoon { retry_at } => return Ok(too_soon(visit, retry_at)),
    };
    if let Some(ticket) = Ticket::parse(typed) {
        let ticket = Some(ticket.digest(visit.gateway.keys.digests(), &account.key));
        if store.start_enrollment(PendingEnrollment { ticket, ..pending }).await?.is_some() {
            visit.gateway.metrics.count(Outcome::CodeAccepted);
            return Ok(Tried::Accepted(None));
        }
    }
    refused(visit, visitor, EventKind::TicketRefused, failures).await
}

/// The secret that was sealed for this visitor's account.
pub(super) async fn open_secret(
    visit: &Visit<'_>,
    visitor: &Visitor,
    purpose: Purpose,
    sealed: &Sealed,
) -> Result<Secret, Failure> {
    let plain = visit.gateway.keys.open_sealed(purpose, &visitor.known.account.key, sealed).await?;
    Secret::from_bytes(&plain).ok_or(Failure::Internal("a sealed secret has another length"))
}

/// What the audit log says of a code that brought this about.
const fn event(effect: &Effect) -> EventKind {
    match effect {
        Effect::SignIn(_) | Effect::StepUp { .. } | Effect::StartReplacement(_) => EventKind::Verified,
        Effect::Disable => EventKind::Disabled,
        Effect::RegenerateRecoveryCodes(_) => EventKind::RecoveryCodesRegenerated,
    }
}

async fn accepted(
    visit: &Visit<'_>,
    visitor: &Visitor,
    event: EventKind,
    session: Option<VerifiedSession>,
) -> Result<Tried, Failure> {
    visit.gateway.metrics.count(Outcome::CodeAccepted);
    visit.done(event, &visitor.known.account).await?;
    Ok(Tried::Accepted(session))
}

async fn refused(visit: &Visit<'_>, visitor: &Visitor, kind: EventKind, failures: Failures) -> Result<Tried, Failure> {
    visit.gateway.metrics.count(Outcome::CodeRefused);
    let account = &visitor.known.account;
    visit.tell(kind, account);
    let event = Event { kind, subject: Some(account.id) };
    visit.gateway.store.record(account.organization, event, visit.occasion(visitor.actor())).await?;
    Ok(Tried::Refused(failures))
}

fn too_soon(visit: &Visit<'_>, retry_at: Timestamp) -> Tried {
    visit.gateway.metrics.count(Outcome::CodeTooSoon);
    Tried::TooSoon(retry_at)
}

/// How a refused try is answered: the status, what the page says, and how long to wait.
pub(super) struct Reply {
    pub(super) refusal: Option<Refusal>,
    status: StatusCode,
    retry_after: Option<u64>,
}

impl Reply {
    /// What the form belonged to had run out.
    pub(super) const EXPIRED: Self =
        Self { refusal: Some(Refusal::Expired), status: StatusCode::FORBIDDEN, retry_after: None };
    /// The last code is too old for what was asked.
    pub(super) const CODE_NEEDED: Self = Self { refusal: None, status: StatusCode::FORBIDDEN, retry_after: None };

    pub(super) fn refused(visit: &Visit<'_>, failures: Failures) -> Self {
        let refusal = Refusal::NotAccepted { server_time: moment(visit.now) };
        let retry_after = failures.retry_at().map(|at| whole_seconds(visit.now, at));
        Self { refusal: Some(refusal), status: StatusCode::FORBIDDEN, retry_after }
    }

    pub(super) fn too_soon(visit: &Visit<'_>, retry_at: Timestamp) -> Self {
        let seconds = whole_seconds(visit.now, retry_at);
        let refusal = Some(Refusal::TooSoon { seconds });
        Self { refusal, status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(seconds) }
    }

    /// Gives the page that says so its status and, after failures, `Retry-After`.
    pub(super) fn stamp(&self, mut page: Response<Body>) -> Response<Body> {
        *page.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        page
    }
}

fn whole_seconds(now: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.since(now).as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// A verified session on its way: its token for the browser, and what the store is told.
pub(super) fn new_session(visit: &Visit<'_>, visitor: &Visitor, waiting: &Waiting) -> (SessionToken, NewSession) {
    let token = SessionToken::new(Kind::Verified, entropy::random());
    let browser = visit.head.headers.get(http::header::USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes()));
    let session = NewSession {
        digest: token.digest(),
        binding: crate::visit::carried(visitor.binding).or(waiting.binding),
        instead_of: Some(waiting.digest),
        address: visit.client.address,
        browser: browser.unwrap_or_default().chars().take(200).collect(),
    };
    (token, session)
}

/// The session that a new one takes the place of.
pub(super) struct Waiting {
    pub(super) digest: TokenDigest,
    pub(super) binding: Option<crate::second_factor::session::Binding>,
}

/// New recovery codes: as they are shown, and as they are kept.
pub(super) fn new_recovery_codes(visit: &Visit<'_>, visitor: &Visitor) -> (Vec<String>, Vec<CodeDigest>) {
    let key = &visitor.known.account.key;
    (0..CODES)
        .map(|_| {
            let code = RecoveryCode::new(entropy::random());
            (code.text(), code.digest(visit.gateway.keys.digests(), key))
        })
        .unzip()
}

/// What a code on the challenge's or the recovery page is given for: to sign in from the visitor's pending session, or to
/// make their verified one fresh. `None` if they have neither any more.
pub(super) async fn sign_in_or_step_up(
    visit: &Visit<'_>,
    visitor: &Visitor,
) -> Result<Option<(SessionToken, Effect)>, Failure> {
    if let Some(session) = &visitor.session {
        return Ok(Some(step_up(session)));
    }
    let pending = visit.pending(visitor).await?;
    Ok(pending.map(|pending| {
        let waiting = Waiting { digest: pending.digest, binding: pending.binding };
        let (token, session) = new_session(visit, visitor, &waiting);
        (token, Effect::SignIn(session))
    }))
}

/// A new token and a fresh code for the visitor's own session.
pub(super) fn step_up(session: &VerifiedSession) -> (SessionToken, Effect) {
    let token = SessionToken::new(Kind::Verified, entropy::random());
    let digest = token.digest();
    (token, Effect::StepUp { session: session.id, digest })
}
