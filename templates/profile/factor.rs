//! One's own second factor: its state, the switch, the authenticator and the recovery codes.

use maud::{Markup, html};

use super::{EnrolledFactor, OwnFactor, Profile, ProfileForm, Replacing, Switch, VerifiedWith};
use crate::form::{Asked, Focus, code_field, refusal_alert};
use crate::icon::{Icon, icon};
use crate::notice::warning;

/// How few recovery codes are worth a warning.
const FEW: u32 = 3;

/// Whether it is on, and the switch.
pub(super) fn section(view: &Profile<'_>) -> Markup {
    html! {
        section.panel aria-labelledby="factor-title" {
            div.panel-head {
                h2 #factor-title { "2-factor authentication" }
                @match view.factor {
                    OwnFactor::On(_) => { span.badge.good { (icon(Icon::Shield)) "On" } }
                    OwnFactor::Off => { span.badge { (icon(Icon::ShieldOff)) "Off" } }
                }
            }
            @match &view.factor {
                OwnFactor::On(factor) => (state(factor)),
                OwnFactor::Off => p {
                    "Your password is all that protects your account. Turn this on, and a code from an app on your phone "
                    "is asked for at every login."
                },
            }
            (switch(view))
        }
    }
}

fn state(factor: &EnrolledFactor) -> Markup {
    html! {
        @if factor.verified_with == VerifiedWith::RecoveryCode {
            (warning("You logged in with a recovery code", &html! {
                p {
                    "If you have lost your phone or the app, "
                    a href="#authenticator-title" { "replace your authenticator" } " now: whoever finds it could use it."
                }
            }))
        }
        dl.facts {
            div { dt { "Asked for" } dd { "at every login" } }
            div {
                dt { "This session" }
                dd {
                    @match factor.verified_with {
                        VerifiedWith::Authenticator => "verified with a code, ",
                        VerifiedWith::RecoveryCode => "verified with a recovery code, ",
                    }
                    (factor.verified_at.shown())
                }
            }
        }
    }
}

fn switch(view: &Profile<'_>) -> Markup {
    match (&view.factor, view.switch) {
        (OwnFactor::Off, _) => html! {
            form method="post" action=(view.frame.at("profile/enable")) {
                button.switch type="submit" { (track("track")) span { "Turn on 2-factor authentication" } }
            }
        },
        (OwnFactor::On(_), Switch::LockedByOrganization) => html! {
            button.switch type="button" aria-disabled="true" aria-describedby="locked-reason" {
                (track("track on locked")) span { "Turn off 2-factor authentication" }
            }
            p.hint.with-icon #locked-reason { (icon(Icon::Lock)) span { "Your organization requires it, so it can't be turned off." } }
        },
        (OwnFactor::On(_), Switch::Free) => {
            let refusal = view.refusal(ProfileForm::Disable);
            html! {
                details open[refusal.is_some()] {
                    summary.switch { (track("track on")) span { "Turn off 2-factor authentication" } }
                    div.disclosed {
                        p { "Your password alone will then protect your account. Your key, your recovery codes and all your sessions are deleted." }
                        (coded_form(view, ProfileForm::Disable, &html! { button.danger type="submit" { "Turn off" } }))
                    }
                }
            }
        }
    }
}

/// The picture of a switch; the button around it has the words.
fn track(class: &str) -> Markup {
    html! { span class=(class) aria-hidden="true" { span.thumb {} } }
}

/// The authenticator, and replacing it.
pub(super) fn authenticator(view: &Profile<'_>, factor: &EnrolledFactor) -> Markup {
    let refusal = view.refusal(ProfileForm::Replace);
    html! {
        section.panel aria-labelledby="authenticator-title" {
            h2 #authenticator-title { "Authenticator" }
            div.item {
                span.item-icon { (icon(Icon::Phone)) }
                div {
                    p.item-title { "Authenticator app" }
                    p.quiet {
                        span.dot { "since " (factor.since.shown_as_date()) }
                        @if let Some(last_used) = factor.last_used { span.dot { "last used " (last_used.shown()) } }
                    }
                }
            }
            @match factor.replacing {
                Replacing::WithoutCode => form method="post" action=(view.frame.at("profile/replace")) {
                    (refusal_alert("replace-code", Asked::ActionCode, refusal))
                    button.primary type="submit" { "Replace authenticator" }
                },
                Replacing::WithCode => details open[refusal.is_some()] {
                    summary.button { "Replace authenticator" }
                    div.disclosed {
                        p { "New phone, or another app? Confirm with a code of the present one; it works until the new one is set up." }
                        (coded_form(view, ProfileForm::Replace, &html! { button.primary type="submit" { "Continue" } }))
                    }
                },
            }
        }
    }
}

/// How many recovery codes are left, and making new ones.
pub(super) fn recovery_codes(view: &Profile<'_>, factor: &EnrolledFactor) -> Markup {
    let left = factor.recovery_codes_left;
    let refusal = view.refusal(ProfileForm::RecoveryCodes);
    html! {
        section.panel aria-labelledby="recovery-title" {
            h2 #recovery-title { "Recovery codes" }
            @if left <= FEW {
                (warning(few(left), &html! { p { "Make new ones, so that a lost phone does not lock you out." } }))
            } @else {
                p { "You have " strong { (left) } " unused codes for the day you can't reach your phone." }
            }
            details open[refusal.is_some()] {
                summary.button { "Make new codes" }
                div.disclosed {
                    p { "You will get ten new codes, and all older ones stop working." }
                    (coded_form(view, ProfileForm::RecoveryCodes, &html! { button.primary type="submit" { "Make new codes" } }))
                }
            }
        }
    }
}

const fn few(left: u32) -> &'static str {
    match left {
        0 => "You have no recovery codes left",
        1 => "You have only 1 recovery code left",
        2 => "You have only 2 recovery codes left",
        _ => "You have only 3 recovery codes left",
    }
}

/// A form of the profile page that asks for a code.
fn coded_form(view: &Profile<'_>, form: ProfileForm, button: &Markup) -> Markup {
    let (id, path) = match form {
        ProfileForm::Disable => ("disable-code", "profile/disable"),
        ProfileForm::Replace => ("replace-code", "profile/replace"),
        ProfileForm::RecoveryCodes => ("new-codes-code", "profile/recovery-codes"),
    };
    let refusal = view.refusal(form);
    let focus = if refusal.is_some() { Focus::Taken } else { Focus::Left };
    html! {
        (refusal_alert(id, Asked::ActionCode, refusal))
        form.inline method="post" action=(view.frame.at(path)) {
            (code_field(id, Asked::ActionCode, refusal, focus))
            (button)
        }
    }
}
