//! Settings > Security > 2-factor authentication: who has it, the reset, and tickets for those who have it not.

use maud::{Markup, html};

use crate::form::{Asked, Focus, code_field, refusal_alert};
use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::notice::{alert, snackbar};
use crate::outside::{query_value, shown};
use crate::sections::{Section, beside, breadcrumb};
use crate::ticket_office::ticket_office;
use crate::{CodeDemand, Extent, Frame, Moment, Paging, Refusal, TicketOffice};

/// The accounts with 2-factor authentication: `GET {prefix}/settings/security`.
///
/// `?reset=ID` (with `q` and `page`) asks for the same page with a [`ResetDialog`].
#[derive(Debug, Clone, Copy)]
pub struct Security<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The organization, as people call it.
    pub organization: &'a str,
    /// What was searched for; empty for everybody.
    pub search: &'a str,
    /// The accounts on this page.
    pub rows: &'a [SecurityRow<'a>],
    /// Which page it is.
    pub paging: Paging,
    /// The form that issues tickets; `None` where enrollment takes none.
    pub tickets: Option<TicketOffice<'a>>,
    /// The question whether to reset one of them.
    pub dialog: Option<ResetDialog<'a>>,
    /// What became of the last request.
    pub notice: Option<SecurityNotice<'a>>,
}

/// An account with 2-factor authentication.
#[derive(Debug, Clone, Copy)]
pub struct SecurityRow<'a> {
    /// Its number, sent back as `account` to reset it.
    pub account: i64,
    /// What people call its owner.
    pub name: &'a str,
    /// Their e-mail address.
    pub email: Option<&'a str>,
    /// When it was enrolled.
    pub enabled_since: Moment,
    /// When one of its codes was last accepted.
    pub last_used: Option<Moment>,
    /// Whether its key works.
    pub key: KeyState,
    /// Whether it can be reset here.
    pub reset: ResetAction,
}

/// Whether an account's key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Working,
    /// Too many failed tries have locked it.
    Locked,
}

/// Whether an account can be reset on this page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetAction {
    /// It can.
    Allowed,
    /// It is the administrator's own, which the profile page replaces.
    OwnAccount,
}

/// The question whether to reset an account, and what became of the last answer.
#[derive(Debug, Clone, Copy)]
pub struct ResetDialog<'a> {
    /// The account's number.
    pub account: i64,
    /// What people call its owner.
    pub name: &'a str,
    /// Their e-mail address.
    pub email: Option<&'a str>,
    /// Whether the form asks for a code.
    pub code: CodeDemand,
    /// Why the form was not taken.
    pub refusal: Option<Refusal>,
}

/// What became of a request on this page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityNotice<'a> {
    /// The account was reset.
    Reset {
        /// What people call its owner.
        name: &'a str,
    },
    /// The account had no key any more.
    AlreadyReset {
        /// What people call its owner.
        name: &'a str,
    },
    /// It is the administrator's own, which the profile page replaces.
    OwnAccount,
}

/// The accounts with 2-factor authentication. The dialog posts `account`, `q`, `page` and perhaps `code` to
/// `settings/security/reset`.
pub fn security(view: &Security<'_>) -> Markup {
    let failed = view.dialog.is_some_and(|dialog| dialog.refusal.is_some())
        || view.tickets.is_some_and(|tickets| tickets.refusal.is_some())
        || view.notice == Some(SecurityNotice::OwnAccount);
    let title = if failed { "Error: 2-factor authentication" } else { "2-factor authentication" };
    let page = html! {
        (outcome(view))
        (breadcrumb(view.frame, Section::Security))
        h1 { "2-factor authentication" }
        p.lead { "Everybody in " bdi { (shown(view.organization)) } " who has it on." }
        (search(view))
        (list(view))
        (view.paging.links(|page| address(view, page)))
        @if let Some(tickets) = &view.tickets { (ticket_office(view.frame, tickets)) }
    };
    let layout = if view.dialog.is_some() { Layout::Covered } else { Layout::Full };
    let body = html! {
        div inert[view.dialog.is_some()] { (beside(view.frame, Section::Security, &page)) }
        @if let Some(dialog) = &view.dialog { (reset_dialog(view, dialog)) }
    };
    view.frame.page(&Page { title, layout, place: Place::Settings, body })
}

/// The address of a page of this list, with the same search.
fn address(view: &Security<'_>, page: u64) -> String {
    let list = view.frame.at("settings/security");
    match (view.search, page) {
        ("", 1) => list,
        ("", page) => format!("{list}?page={page}"),
        (search, 1) => format!("{list}?q={}", query_value(search)),
        (search, page) => format!("{list}?q={}&page={page}", query_value(search)),
    }
}

fn outcome(view: &Security<'_>) -> Markup {
    let clean = address(view, view.paging.page);
    match view.notice {
        None => Markup::default(),
        Some(SecurityNotice::Reset { name }) => snackbar(
            &html! { "2-factor authentication of " strong { bdi { (shown(name)) } } " was reset. They will set it up again at the next login." },
            &clean,
        ),
        Some(SecurityNotice::AlreadyReset { name }) => {
            snackbar(&html! { strong { bdi { (shown(name)) } } " had no 2-factor authentication any more." }, &clean)
        }
        Some(SecurityNotice::OwnAccount) => alert(
            "own-error",
            "You can't reset your own here",
            &html! { p { "Nothing was changed. " a href=(view.frame.at("profile")) { "Your profile" } " replaces your authenticator, with a code." } },
        ),
    }
}

fn search(view: &Security<'_>) -> Markup {
    let list = view.frame.at("settings/security");
    html! {
        search {
            form.search method="get" action=(list) {
                label.unseen for="q" { "Search by name or e-mail address" }
                div.search-field {
                    (icon(Icon::Search))
                    input #q type="search" name="q" value=(view.search) maxlength="200" placeholder="Name or e-mail address";
                }
                button type="submit" { "Search" }
            }
        }
        @if !view.search.is_empty() {
            p.found role="status" { (matches(view)) " · " a href=(list) { "Show everybody" } }
        }
    }
}

fn matches(view: &Security<'_>) -> Markup {
    let Paging { total, extent, .. } = view.paging;
    let sought = html! { "“" bdi { (shown(view.search)) } "”" };
    html! {
        @match extent {
            Extent::Exact => { (total) (people(total)) " found for " (sought) },
            Extent::AtLeast if total == 0 => { "Too many people to look through for " (sought) ": write more of the name or address" },
            Extent::AtLeast => { "At least " (total) (people(total)) " found for " (sought) ": write more to see fewer" },
        }
    }
}

const fn people(count: u64) -> &'static str {
    if count == 1 { " person" } else { " people" }
}

fn list(view: &Security<'_>) -> Markup {
    if view.rows.is_empty() {
        let text = if view.search.is_empty() {
            "Nobody has turned 2-factor authentication on yet."
        } else if view.paging.extent == Extent::AtLeast {
            "Nobody among those who come first in the list matches. There are too many to look at everybody."
        } else {
            "Nobody with 2-factor authentication matches. People who have it off are not listed."
        };
        return html! { div.panel.empty { (icon(Icon::Shield)) p { (text) } } };
    }
    html! {
        form #reset-choice method="get" action=(view.frame.at("settings/security")) {
            @if !view.search.is_empty() { input type="hidden" name="q" value=(view.search); }
            @if view.paging.page > 1 { input type="hidden" name="page" value=(view.paging.page); }
        }
        // The roles say again what the elements are: as cards on a narrow screen they would lose it.
        table.cards role="table" {
            caption.unseen { "Accounts with 2-factor authentication" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "Name" }
                    th scope="col" role="columnheader" { "E-mail" }
                    th scope="col" role="columnheader" { "Enabled since" }
                    th scope="col" role="columnheader" { "Last used" }
                    th scope="col" role="columnheader" { span.unseen { "Reset" } }
                }
            }
            tbody role="rowgroup" { @for row in view.rows { (table_row(view, row)) } }
        }
        @if view.rows.iter().any(|row| row.reset == ResetAction::OwnAccount) {
            p.hint { "You can't reset your own: your profile replaces your authenticator, with a code." }
        }
    }
}

fn table_row(view: &Security<'_>, row: &SecurityRow<'_>) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                bdi { (shown(row.name)) }
                @if row.reset == ResetAction::OwnAccount { " " span.badge { "You" } }
                @if row.key == KeyState::Locked { " " span.badge.bad { (icon(Icon::Lock)) "Locked" } }
            }
            td role="cell" data-label="E-mail" { bdi { (row.email.map_or_else(|| "–".to_owned(), shown)) } }
            td role="cell" data-label="Enabled since" { (row.enabled_since.shown_as_date()) }
            td role="cell" data-label="Last used" {
                @if let Some(last_used) = row.last_used { (last_used.shown()) } @else { "Never" }
            }
            td.row-action role="cell" {
                @match row.reset {
                    ResetAction::Allowed => button.icon-button type="submit" form="reset-choice" name="reset" value=(row.account)
                        aria-label={ "Reset " (shown(row.name)) } title={ "Reset " (shown(row.name)) } { (icon(Icon::Reset)) },
                    ResetAction::OwnAccount => a.own href=(view.frame.at("profile")) { "In your profile" },
                }
            }
        }
    }
}

fn reset_dialog(view: &Security<'_>, dialog: &ResetDialog<'_>) -> Markup {
    let back = address(view, view.paging.page);
    let focus = if dialog.code == CodeDemand::Needed { Focus::Taken } else { Focus::Left };
    html! {
        div.curtain {
            dialog.dialog open role="alertdialog" aria-modal="true" aria-labelledby="dialog-title" aria-describedby="dialog-text"
                data-cancel=(back) {
                h2 #dialog-title { "Reset 2-factor authentication of " bdi { (shown(dialog.name)) } "?" }
                div #dialog-text {
                    @if let Some(email) = dialog.email { p.quiet { bdi { (shown(email)) } } }
                    p {
                        "Their key and recovery codes stop working and they are logged out everywhere. "
                        @match view.tickets {
                            None => {
                                "At the next login they set it up again with their password alone, so make sure that it was "
                                "really they who asked."
                            }
                            Some(_) => {
                                "At the next login they set it up again with a ticket. You are shown it next: make sure that "
                                "it is really they whom you give it to."
                            }
                        }
                    }
                }
                (refusal_alert("code", Asked::ActionCode, dialog.refusal))
                form method="post" action=(view.frame.at("settings/security/reset")) {
                    input type="hidden" name="account" value=(dialog.account);
                    input type="hidden" name="q" value=(view.search);
                    input type="hidden" name="page" value=(view.paging.page);
                    @if dialog.code == CodeDemand::Needed { (code_field("code", Asked::ActionCode, dialog.refusal, focus)) }
                    div.dialog-actions {
                        a.button href=(back) autofocus[focus == Focus::Left] { "Cancel" }
                        button.danger type="submit" { "Reset" }
                    }
                }
            }
        }
    }
}
