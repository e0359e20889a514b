//! Settings > Security > 2-factor authentication: who has it, and the reset of a lost key.

use http::StatusCode;
use vestibule_templates::{
    CodeDemand, KeyState, ResetAction, ResetDialog, Security, SecurityNotice, SecurityRow, TicketAfter, TicketOffice,
    TicketRefusal, security,
};

use super::code::Reply;
use super::form::{Form, query_one};
use super::notice::{done, told};
use super::office::{Leave, Office, enter};
use super::ticket_office::hand_out;
use super::view::{ROWS, frame, moment, offset, page_asked, paging};
use super::{Halt, Handled};
use crate::failure::Failure;
use crate::respond;
use crate::second_factor::account::{Account, AccountId, Factor};
use crate::second_factor::event::EventKind;
use crate::second_factor::policy::Authority;
use crate::second_factor::ticket::Guard;
use crate::store::{AccountQuery, AccountRecord};
use crate::visit::Visit;

/// Which part of the list is looked at.
pub(super) struct Part {
    search: String,
    page: u64,
}

impl Default for Part {
    /// Its beginning.
    fn default() -> Self {
        Self { search: String::new(), page: 1 }
    }
}

/// What the page shows beside the list.
#[derive(Default)]
pub(super) struct Shown<'a> {
    dialog: Option<(&'a Account, Option<&'a Reply>)>,
    notice: Option<SecurityNotice<'a>>,
    tickets: (&'a str, Option<TicketRefusal<'a>>),
}

impl<'a> Shown<'a> {
    /// For whom a ticket was asked, and why there is none.
    pub(super) fn no_ticket(user: &'a str, refusal: Option<TicketRefusal<'a>>) -> Self {
        Self { tickets: (user, refusal), ..Self::default() }
    }
}

/// Shows the list, with `?reset=ID` the question whether to reset that account.
pub(super) async fn show(visit: &Visit<'_>) -> Handled {
    let office = enter(visit).await?;
    let part = Part {
        search: query_one(visit.query(), "q").unwrap_or_default().into_owned(),
        page: page_asked(query_one(visit.query(), "page").as_deref()),
    };
    if let Some(asked) = query_one(visit.query(), "reset") {
        let account = colleague(visit, &office, &asked).await?;
        if account.id == office.admin.account() {
            return page(visit, &office, &part, noticed(SecurityNotice::OwnAccount)).await;
        }
        return page(visit, &office, &part, question(&account, None)).await;
    }
    let done = done(visit, &office.visitor).await?;
    let name = done.as_ref().filter(|e| e.kind == EventKind::Reset).and_then(|e| e.subject_name.as_deref());
    let notice = name.map(|name| SecurityNotice::Reset { name });
    page(visit, &office, &part, Shown { notice, ..Shown::default() }).await
}

/// Throws a colleague's key away.
pub(super) async fn reset(visit: &Visit<'_>, form: &Form) -> Handled {
    let mut office = enter(visit).await?;
    let part = Part { search: form.typed("q").to_owned(), page: page_asked(form.one("page")) };
    let account = colleague(visit, &office, form.typed("account")).await?;
    if account.id == office.admin.account() {
        let mut response = page(visit, &office, &part, noticed(SecurityNotice::OwnAccount)).await?;
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Ok(response);
    }
    let (acting, cookie) = match office.act(visit, form).await? {
        Leave::Granted(acting, cookie) => (acting, cookie),
        Leave::CodeNeeded(reply) => {
            let shown = question(&account, Some(&reply));
            return Ok(reply.stamp(page(visit, &office, &part, shown).await?));
        }
    };
    let occasion = visit.occasion(office.visitor.actor());
    let done = visit.gateway.store.reset_account(Authority::Admin(acting), account.id, occasion).await?;
    visit.done(EventKind::Reset, &account).await?;
    let ticket = match &done {
        Some(account) => hand_out(visit, &office, acting, account).await?,
        None => None,
    };
    let mut response = match (done, ticket) {
        (Some(_), Some(ticket)) => ticket.page(visit, &office, TicketAfter::Reset, &part),
        (Some(_), None) => respond::see_other(&told(&address(visit, &part), EventKind::Reset)),
        (None, _) => page(visit, &office, &part, already(&account)).await?,
    };
    respond::set_cookie(&mut response, cookie);
    Ok(response)
}

fn question<'a>(account: &'a Account, reply: Option<&'a Reply>) -> Shown<'a> {
    match account.factor {
        Factor::Enrolled { .. } => Shown { dialog: Some((account, reply)), ..Shown::default() },
        Factor::NotEnrolled | Factor::Reset { .. } => already(account),
    }
}

fn already(account: &Account) -> Shown<'_> {
    noticed(SecurityNotice::AlreadyReset { name: account.display_name() })
}

fn noticed(notice: SecurityNotice<'_>) -> Shown<'_> {
    Shown { notice: Some(notice), ..Shown::default() }
}

/// The account of that number, if it is of the administrator's own organization: others do not exist here.
async fn colleague(visit: &Visit<'_>, office: &Office, number: &str) -> Result<Account, Halt> {
    let id = number.parse().map_err(|_| Failure::NotFound)?;
    let found = visit.gateway.store.account_of(office.admin.organization(), AccountId(id)).await?;
    Ok(found.ok_or(Failure::NotFound)?)
}

/// The address of that part of the list.
pub(super) fn address(visit: &Visit<'_>, part: &Part) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !part.search.is_empty() {
        query.append_pair("q", &part.search);
    }
    if part.page > 1 {
        query.append_pair("page", &part.page.to_string());
    }
    let query = query.finish();
    let page = visit.own("settings/security");
    if query.is_empty() { page } else { format!("{page}?{query}") }
}

pub(super) async fn page(visit: &Visit<'_>, office: &Office, part: &Part, shown: Shown<'_>) -> Handled {
    let organization = &office.visitor.known.organization;
    let mut query = AccountQuery {
        organization: Some(organization.id),
        enrolled_only: true,
        search: Some(part.search.clone()).filter(|search| !search.is_empty()),
        now: visit.now,
        offset: offset(part.page),
        limit: ROWS,
    };
    let mut list = visit.gateway.store.accounts(query.clone()).await?;
    let paging = paging(part.page, list.total, list.extent);
    if paging.page != part.page {
        query.offset = offset(paging.page);
        list = visit.gateway.store.accounts(query).await?;
    }
    let rows: Vec<_> = list.rows.iter().filter_map(|record| row(record, office.admin.account())).collect();
    let demand = office.demand(visit);
    let frame = frame(visit, &office.visitor);
    let (user, refusal) = shown.tickets;
    let tickets = match visit.dashboard.site.enrollment {
        Guard::None => None,
        Guard::Ticket { .. } => Some(TicketOffice { user, code: demand, refusal }),
    };
    let view = Security {
        frame: &frame,
        organization: &organization.name,
        search: &part.search,
        rows: &rows,
        paging,
        tickets,
        dialog: shown.dialog.map(|(account, reply)| dialog(account, demand, reply)),
        notice: shown.notice,
    };
    Ok(respond::page(StatusCode::OK, security(&view)))
}

fn row(record: &AccountRecord, own: AccountId) -> Option<SecurityRow<'_>> {
    let account = &record.account;
    let Factor::Enrolled { since, last_used } = account.factor else { return None };
    Some(SecurityRow {
        account: account.id.0,
        name: account.display_name(),
        email: account.email.as_deref(),
        enabled_since: moment(since),
        last_used: last_used.map(moment),
        key: if record.locked { KeyState::Locked } else { KeyState::Working },
        reset: if account.id == own { ResetAction::OwnAccount } else { ResetAction::Allowed },
    })
}

fn dialog<'a>(account: &'a Account, code: CodeDemand, reply: Option<&Reply>) -> ResetDialog<'a> {
    ResetDialog {
        account: account.id.0,
        name: account.display_name(),
        email: account.email.as_deref(),
        code,
        refusal: reply.and_then(|reply| reply.refusal),
    }
}
