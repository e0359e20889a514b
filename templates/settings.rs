//! The organization's switch.

use maud::{Markup, html};

use crate::form::{Asked, Focus, code_field, refusal_alert};
use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::notice::{alert, snackbar};
use crate::outside::shown;
use crate::sections::{Section, beside, breadcrumb};
use crate::{CodeDemand, Frame, Refusal};

/// The organization's settings: `GET {prefix}/settings`, and the answer where its form was refused.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The organization, as people call it.
    pub organization: &'a str,
    /// What it asks of its users now.
    pub requirement: Requirement,
    /// Who may change that.
    pub authority: Authority,
    /// How many accounts were ever seen.
    pub accounts: u64,
    /// How many of them have a second factor.
    pub enrolled: u64,
    /// Whether the form asks for a code.
    pub code: CodeDemand,
    /// What became of the last request.
    pub notice: Option<SettingsNotice>,
}

/// What an organization asks of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Everybody needs a second factor.
    Required,
    /// Each user decides.
    Optional,
}

/// Who may change what an organization asks of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Its administrators.
    Administrators,
    /// The operator alone, in the gateway's configuration.
    Operator,
}

/// What became of a request on the settings page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsNotice {
    /// The requirement was set to what the page shows.
    Saved,
    /// It was that already.
    Unchanged,
    /// The operator has fixed it.
    LockedByOperator,
    /// The form was not taken.
    Refused(Refusal),
}

/// The organization's settings. The form posts `requirement` (`required` or `optional`) and perhaps `code` to
/// `settings/requirement`.
pub fn settings(view: &Settings<'_>) -> Markup {
    let title = match view.notice {
        Some(SettingsNotice::Refused(_) | SettingsNotice::LockedByOperator) => "Error: Settings",
        Some(SettingsNotice::Saved | SettingsNotice::Unchanged) | None => "Settings",
    };
    let page = html! {
        (outcome(view))
        (breadcrumb(view.frame, Section::Organization))
        h1 { "Settings of " bdi { (shown(view.organization)) } }
        section.panel aria-labelledby="requirement-title" {
            div.panel-head {
                h2 #requirement-title { "2-factor authentication" }
                @match view.requirement {
                    Requirement::Required => { span.badge.good { (icon(Icon::Shield)) "Required" } }
                    Requirement::Optional => { span.badge { "Optional" } }
                }
            }
            p { (state(view.requirement)) }
            (progress(view))
            (switch(view))
        }
    };
    let body = beside(view.frame, Section::Organization, &page);
    view.frame.page(&Page { title, layout: Layout::Full, place: Place::Settings, body })
}

fn outcome(view: &Settings<'_>) -> Markup {
    let Some(notice) = view.notice else { return Markup::default() };
    let done = |text: &str| snackbar(&html! { (text) }, &view.frame.at("settings"));
    match (notice, view.requirement) {
        (SettingsNotice::Saved, Requirement::Required) => {
            done("2-factor authentication is now required for everybody.")
        }
        (SettingsNotice::Saved, Requirement::Optional) => done("2-factor authentication is now optional."),
        (SettingsNotice::Unchanged, Requirement::Required) => done("2-factor authentication was required already."),
        (SettingsNotice::Unchanged, Requirement::Optional) => done("2-factor authentication was optional already."),
        (SettingsNotice::LockedByOperator, _) => alert(
            "locked-error",
            "This setting is locked",
            &html! { p { "Whoever operates this site has fixed it. Nothing was changed." } },
        ),
        (SettingsNotice::Refused(_), _) => Markup::default(),
    }
}

const fn state(requirement: Requirement) -> &'static str {
    match requirement {
        Requirement::Required => {
            "Everybody in your organization needs a code from an authenticator app to log in. Whoever has not set one up \
             is led through it at the next login."
        }
        Requirement::Optional => "Each person decides in their profile whether a code is asked for at login.",
    }
}

fn progress(view: &Settings<'_>) -> Markup {
    let Settings { accounts, enrolled, .. } = *view;
    let missing = accounts.saturating_sub(enrolled);
    html! {
        div.progress {
            p #progress-label {
                strong { (enrolled) " of " (accounts) } (if accounts == 1 { " person has it on" } else { " people have it on" })
                @if missing > 0 { span.quiet { ", " (missing) " not yet" } }
            }
            progress aria-labelledby="progress-label" max=(accounts.max(1)) value=(enrolled) {}
        }
    }
}

fn switch(view: &Settings<'_>) -> Markup {
    let (class, value, label, consequence) = match view.requirement {
        Requirement::Optional => ("track", "required", "Require it for everybody", when_required(view)),
        Requirement::Required => (
            "track on",
            "optional",
            "Make it optional",
            "People will be able to turn it off in their profile. Who has it on keeps it on.".to_owned(),
        ),
    };
    if view.authority == Authority::Operator {
        return html! {
            button.switch type="button" aria-disabled="true" aria-describedby="locked-reason" {
                span class={ (class) " locked" } aria-hidden="true" { span.thumb {} } span { (label) }
            }
            p.hint.with-icon #locked-reason {
                (icon(Icon::Lock)) span { "Whoever operates this site has fixed this setting. Please ask them for a change." }
            }
        };
    }
    let refusal = if let Some(SettingsNotice::Refused(refusal)) = view.notice { Some(refusal) } else { None };
    let focus = if refusal.is_some() { Focus::Taken } else { Focus::Left };
    html! {
        (refusal_alert("code", Asked::ActionCode, refusal))
        form.stacked method="post" action=(view.frame.at("settings/requirement")) {
            input type="hidden" name="requirement" value=(value);
            p { (consequence) }
            @if view.code == CodeDemand::Needed { (code_field("code", Asked::ActionCode, refusal, focus)) }
            button.switch type="submit" { span class=(class) aria-hidden="true" { span.thumb {} } span { (label) } }
        }
    }
}

fn when_required(view: &Settings<'_>) -> String {
    match view.accounts.saturating_sub(view.enrolled) {
        0 => {
            "Nobody will notice now: everybody has it on. People who come later will be asked to set it up.".to_owned()
        }
        1 => "If you require it, 1 person will be asked to set it up before the next page they open.".to_owned(),
        missing => {
            format!("If you require it, {missing} people will be asked to set it up before the next page they open.")
        }
    }
}
