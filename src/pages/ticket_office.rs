//! Tickets for colleagues: issued by an administrator, and shown once.

use http::StatusCode;
use vestibule_templates::{IssuedTicket, TicketAfter, TicketRefusal, issued_ticket};

use super::Handled;
use super::form::Form;
use super::office::{Leave, Office, enter};
use super::security::{Part, Shown, address, page};
use super::view::{frame, moment};
use crate::body::Body;
use crate::entropy;
use crate::failure::Failure;
use crate::message::Response;
use crate::respond;
use crate::second_factor::account::Account;
use crate::second_factor::event::EventKind;
use crate::second_factor::policy::{ActingAdmin, Authority};
use crate::second_factor::ticket::{Guard, Ticket};
use crate::store::{AccountQuery, NewTicket, StoreError};
use crate::visit::Visit;

/// How many people may have a part of what was typed in their names for one of them to be found by it.
const SOUGHT: u64 = 200;

/// Issues a ticket to whom the form names.
pub(super) async fn issue(visit: &Visit<'_>, form: &Form) -> Handled {
    let mut office = enter(visit).await?;
    if visit.dashboard.site.enrollment == Guard::None {
        return Err(Failure::NotFound.into());
    }
    let user = form.typed("user");
    let found = find(visit, &office, user).await?;
    let account = match &found {
        Found::Nobody => return refused(visit, &office, user, TicketRefusal::Nobody).await,
        Found::Several => return refused(visit, &office, user, TicketRefusal::Several).await,
        Found::One(account) => account,
    };
    let name = account.display_name();
    if visit.dashboard.site.enrollment.asked_of(account.factor).is_none() {
        return refused(visit, &office, user, TicketRefusal::Enrolled { name }).await;
    }
    let (acting, cookie) = match office.act(visit, form).await? {
        Leave::Granted(acting, cookie) => (acting, cookie),
        Leave::CodeNeeded(reply) => {
            let shown = Shown::no_ticket(user, reply.refusal.map(TicketRefusal::Code));
            return Ok(reply.stamp(page(visit, &office, &Part::default(), shown).await?));
        }
    };
    let mut response = match hand_out(visit, &office, acting, account).await? {
        Some(ticket) => ticket.page(visit, &office, TicketAfter::Request, &Part::default()),
        None => refused(visit, &office, user, TicketRefusal::Enrolled { name }).await?,
    };
    respond::set_cookie(&mut response, cookie);
    Ok(response)
}

async fn refused(visit: &Visit<'_>, office: &Office, user: &str, why: TicketRefusal<'_>) -> Handled {
    let shown = Shown::no_ticket(user, Some(why));
    let mut response = page(visit, office, &Part::default(), shown).await?;
    *response.status_mut() = match why {
        TicketRefusal::Nobody => StatusCode::NOT_FOUND,
        TicketRefusal::Several | TicketRefusal::Enrolled { .. } => StatusCode::CONFLICT,
        TicketRefusal::Code(_) => StatusCode::FORBIDDEN,
    };
    Ok(response)
}

/// A ticket that was issued just now.
pub(super) struct HandedOut {
    account: Account,
    ticket: Ticket,
    kept: NewTicket,
}

/// Issues a ticket for that account; `None` if it needs none.
pub(super) async fn hand_out(
    visit: &Visit<'_>,
    office: &Office,
    acting: ActingAdmin,
    account: &Account,
) -> Result<Option<HandedOut>, StoreError> {
    let Guard::Ticket { lifetime } = visit.dashboard.site.enrollment else { return Ok(None) };
    let ticket = Ticket::new(entropy::random());
    let digest = ticket.digest(visit.gateway.keys.digests(), &account.key);
    let kept = NewTicket { digest, expires: visit.now.plus(lifetime) };
    let occasion = visit.occasion(office.visitor.actor());
    let issued = visit.gateway.store.issue_ticket(Authority::Admin(acting), account.id, kept, occasion).await?;
    let Some(account) = issued else { return Ok(None) };
    visit.done(EventKind::TicketIssued, &account).await?;
    Ok(Some(HandedOut { account, ticket, kept }))
}

impl HandedOut {
    /// The only page that ever shows it.
    pub(super) fn page(&self, visit: &Visit<'_>, office: &Office, after: TicketAfter, part: &Part) -> Response<Body> {
        let frame = frame(visit, &office.visitor);
        let view = IssuedTicket {
            frame: &frame,
            ticket: &self.ticket.text(),
            name: self.account.display_name(),
            email: self.account.email.as_deref(),
            user: &self.account.key.user,
            expires: moment(self.kept.expires),
            after,
            back: &address(visit, part),
        };
        respond::page(StatusCode::OK, issued_ticket(&view))
    }
}

/// Whom in an organization a text names.
enum Found {
    Nobody,
    Several,
    One(Account),
}

/// The colleague of that user id or, if there is none, the only one of that name or e-mail address.
async fn find(visit: &Visit<'_>, office: &Office, typed: &str) -> Result<Found, StoreError> {
    let organization = office.admin.organization();
    let store = &visit.gateway.store;
    if let Some(account) = store.account_of_user(organization, typed.to_owned()).await? {
        return Ok(Found::One(account));
    }
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(Found::Nobody);
    }
    let query = AccountQuery {
        organization: Some(organization),
        enrolled_only: false,
        search: Some(typed.to_owned()),
        now: visit.now,
        offset: 0,
        limit: SOUGHT,
    };
    let list = store.accounts(query).await?;
    let is_typed = |text: Option<&str>| text.is_some_and(|text| text.eq_ignore_ascii_case(typed));
    let accounts = list.rows.into_iter().map(|record| record.account);
    let mut named = accounts.filter(|account| is_typed(account.name.as_deref()) || is_typed(account.email.as_deref()));
    Ok(match (named.next(), named.next()) {
        // Behind those that were read there may be more.
        _ if list.total > SOUGHT => Found::Several,
        (None, _) => Found::Nobody,
        (Some(account), None) => Found::One(account),
        (Some(_), Some(_)) => Found::Several,
    })
}
