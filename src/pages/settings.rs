//! The organization's switch: whether everybody needs a second factor.

use http::StatusCode;
use vestibule_templates::{self as templates, Settings, SettingsNotice, settings};

use super::form::Form;
use super::notice::{done, told};
use super::office::{Leave, Office, enter};
use super::view::frame;
use super::{Halt, Handled};
use crate::config::OrganizationPolicy;
use crate::failure::Failure;
use crate::respond;
use crate::second_factor::account::Requirement;
use crate::second_factor::event::EventKind;
use crate::second_factor::policy::Authority;
use crate::visit::Visit;

/// Shows the switch.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let office = enter(visit).await?;
    let saved = done(visit, &office.visitor).await?.map(|_| SettingsNotice::Saved);
    page(visit, &office, saved, StatusCode::OK).await
}

/// Sets it.
pub(super) async fn take(visit: &Visit<'_>, form: &Form) -> Handled {
    let mut office = enter(visit).await?;
    let asked = form.one("requirement").and_then(Requirement::parse);
    let requirement = asked.ok_or(Failure::BadForm("requirement is neither required nor optional"))?;
    if matches!(visit.dashboard.site.organization, OrganizationPolicy::Locked(_)) {
        return page(visit, &office, Some(SettingsNotice::LockedByOperator), StatusCode::FORBIDDEN).await;
    }
    let (acting, cookie) = match office.act(visit, form).await? {
        Leave::Granted(acting, cookie) => (acting, cookie),
        Leave::CodeNeeded(reply) => {
            let notice = reply.refusal.map(SettingsNotice::Refused);
            return Ok(reply.stamp(page(visit, &office, notice, StatusCode::FORBIDDEN).await?));
        }
    };
    let occasion = visit.occasion(office.visitor.actor());
    let changed = visit.gateway.store.set_requirement(Authority::Admin(acting), requirement, occasion).await?;
    let mut response = if changed {
        let kind = match requirement {
            Requirement::Required => EventKind::RequirementTurnedOn,
            Requirement::Optional => EventKind::RequirementTurnedOff,
        };
        visit.done(kind, &office.visitor.known.account).await?;
        respond::see_other(&told(&visit.own("settings"), kind))
    } else {
        page(visit, &office, Some(SettingsNotice::Unchanged), StatusCode::OK).await?
    };
    respond::set_cookie(&mut response, cookie);
    Ok(response)
}

async fn page(visit: &Visit<'_>, office: &Office, notice: Option<SettingsNotice>, status: StatusCode) -> Handled {
    let organization = &office.visitor.known.organization;
    let counts = visit.gateway.store.counts(organization.id).await.map_err(Halt::from)?;
    let frame = frame(visit, &office.visitor);
    let view = Settings {
        frame: &frame,
        organization: &organization.name,
        requirement: match office.visitor.requirement {
            Requirement::Required => templates::Requirement::Required,
            Requirement::Optional => templates::Requirement::Optional,
        },
        authority: match visit.dashboard.site.organization {
            OrganizationPolicy::StartsWith(_) => templates::Authority::Administrators,
            OrganizationPolicy::Locked(_) => templates::Authority::Operator,
        },
        accounts: counts.accounts,
        enrolled: counts.enrolled,
        code: office.demand(visit),
        notice,
    };
    Ok(respond::page(status, settings(&view)))
}
