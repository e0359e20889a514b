//! Leave to administer: the pages for administrators of the own organization, and what they do there.

use http::{HeaderValue, StatusCode};
use vestibule_templates::{CodeDemand, Limitation, LimitedAccess, limited_access};

use super::code::{Reply, Tried, step_up, try_code};
use super::form::Form;
use super::view::frame;
use super::{Halt, passenger};
use crate::audience::Audience;
use crate::failure::Failure;
use crate::identity::probe::Freshness;
use crate::respond;
use crate::second_factor::policy::{ActingAdmin, Admin, AdminRefusal, Decision, Passage, admit};
use crate::session_cookie;
use crate::visit::{Visit, Visitor};

/// An administrator at the pages of the own organization.
pub(super) struct Office {
    pub(super) visitor: Box<Visitor>,
    pub(super) admin: Admin,
}

/// Whether an administrator may act now.
pub(super) enum Leave {
    /// Yes, with the cookie of a session that a code has just made fresh.
    Granted(ActingAdmin, Option<HeaderValue>),
    /// Not without a code, or not with the one that was sent.
    CodeNeeded(Reply),
}

/// Admits administrators, by the dashboard's answer of this very moment. Everybody else sees *Limited access*.
pub(super) async fn enter(visit: &Visit<'_>) -> Result<Office, Halt> {
    let (visitor, passage) = passenger(visit, Freshness::Fresh).await?;
    match admitted(visit, &visitor, &passage) {
        Ok(admin) => Ok(Office { visitor, admin }),
        Err(refusal) => Err(limited(visit, &visitor, refusal)),
    }
}

impl Office {
    /// Leave to act: the session's last code is fresh, or the form brings a new one.
    pub(super) async fn act(&mut self, visit: &Visit<'_>, form: &Form) -> Result<Leave, Halt> {
        if let Some(acting) = self.admin.act(visit.now) {
            return Ok(Leave::Granted(acting, None));
        }
        let Some(session) = self.visitor.session.clone().filter(|_| form.has("code")) else {
            return Ok(Leave::CodeNeeded(Reply::CODE_NEEDED));
        };
        let (token, effect) = step_up(&session);
        match try_code(visit, &self.visitor, form.typed("code"), effect).await? {
            Tried::Accepted(renewed) => {
                self.visitor.session = renewed;
                let acting = self.renewed(visit)?;
                Ok(Leave::Granted(acting, Some(session_cookie::set(&token, visit.client.scheme))))
            }
            Tried::Refused(failures) => Ok(Leave::CodeNeeded(Reply::refused(visit, failures))),
            Tried::TooSoon(at) => Ok(Leave::CodeNeeded(Reply::too_soon(visit, at))),
            Tried::Gone => Err(Halt::answer(respond::see_other(&visit.own("verify")))),
        }
    }

    fn renewed(&mut self, visit: &Visit<'_>) -> Result<ActingAdmin, Halt> {
        let Decision::Pass(passage) = self.visitor.decide() else {
            return Err(Failure::Internal("a renewed session is no passage").into());
        };
        self.admin = admitted(visit, &self.visitor, &passage).map_err(|r| limited(visit, &self.visitor, r))?;
        self.admin.act(visit.now).ok_or(Halt::Failure(Failure::Internal("a code given just now is not fresh")))
    }

    /// Whether forms on the page ask for a code.
    pub(super) fn demand(&self, visit: &Visit<'_>) -> CodeDemand {
        match self.admin.act(visit.now) {
            Some(_) => CodeDemand::Fresh,
            None => CodeDemand::Needed,
        }
    }
}

fn admitted(visit: &Visit<'_>, visitor: &Visitor, passage: &Passage) -> Result<Admin, AdminRefusal> {
    admit(passage, visitor.is_marked_admin(&visit.dashboard.site))
}

fn limited(visit: &Visit<'_>, visitor: &Visitor, refusal: AdminRefusal) -> Halt {
    let limitation = match refusal {
        AdminRefusal::NotAnAdmin => Limitation::NotAnAdministrator,
        AdminRefusal::NotVerified => Limitation::SecondFactorMissing,
        AdminRefusal::RecoveryOnly => Limitation::SignedInWithRecoveryCode,
    };
    tracing::info!(request = %visit.id, account = visitor.known.account.id.0, ?refusal, "limited access");
    Halt::answer(match Audience::of_own_page(&visit.head.headers) {
        Audience::Person => {
            let frame = frame(visit, visitor);
            respond::page(StatusCode::FORBIDDEN, limited_access(&LimitedAccess { frame: &frame, limitation }))
        }
        Audience::Program => {
            let detail =
                "Only administrators of this organization, verified with their own authenticator, may do this.";
            respond::problem(StatusCode::FORBIDDEN, "limited_access", "Limited access", detail).respond()
        }
    })
}
