//! One's own sessions, and what happened lately.

use maud::{Markup, html};

use super::{Activity, OwnSession, Profile, SessionPlace, VerifiedWith};
use crate::icon::{Icon, icon};
use crate::outside::{browser, shown};

/// The own verified sessions, each with a button that ends it.
pub(super) fn sessions(view: &Profile<'_>) -> Markup {
    html! {
        section.panel aria-labelledby="sessions-title" {
            h2 #sessions-title { "Your sessions" }
            @if view.sessions.is_empty() {
                p.quiet { "No session is verified with a second factor." }
            } @else {
                p { "Where you are logged in with a code. End what you don't recognize, and change your password." }
                ul.items { @for session in view.sessions { li.item { (row(view, session)) } } }
            }
        }
    }
}

fn row(view: &Profile<'_>, session: &OwnSession<'_>) -> Markup {
    let name = browser(session.browser);
    html! {
        span.item-icon { (icon(device(session.browser))) }
        div {
            p.item-title {
                bdi { (name) }
                @if session.place == SessionPlace::Here { " " span.badge.good { "This one" } }
                @if session.verified_with == VerifiedWith::RecoveryCode { " " span.badge.warn { "Recovery code" } }
            }
            p.quiet {
                @if let Some(address) = session.address { span.dot { bdi { (shown(address)) } } }
                span.dot { "opened " (session.opened.shown()) }
                span.dot { "last used " (session.last_used.shown()) }
            }
        }
        form method="post" action=(view.frame.at("profile/sessions/end")) {
            input type="hidden" name="session" value=(session.id);
            button.small type="submit" aria-label=(end_label(session, &name)) { "End" }
        }
    }
}

fn end_label(session: &OwnSession<'_>, browser: &str) -> String {
    match session.place {
        SessionPlace::Here => "End this session".to_owned(),
        SessionPlace::Elsewhere => format!("End the session of {browser}, last used {}", session.last_used.text()),
    }
}

fn device(agent: &str) -> Icon {
    if ["iPhone", "Android", "Mobile"].iter().any(|mark| agent.contains(mark)) { Icon::Phone } else { Icon::Laptop }
}

/// What happened lately.
pub(super) fn activity(view: &Profile<'_>) -> Markup {
    html! {
        section.panel aria-labelledby="activity-title" {
            h2 #activity-title { "Recent activity" }
            @if view.activity.is_empty() {
                p.quiet { "Nothing yet." }
            } @else {
                ul.events { @for happened in view.activity { (line(happened)) } }
            }
        }
    }
}

fn line(happened: &Activity<'_>) -> Markup {
    html! {
        li class=(happened.kind.weight().class()) {
            p { (happened.kind.to_its_owner()) }
            p.quiet {
                span.dot { (happened.at.shown()) }
                @if let Some(address) = happened.address { span.dot { "from " bdi { (shown(address)) } } }
            }
        }
    }
}
