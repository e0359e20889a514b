//! The page that shows new recovery codes, once.

use maud::{Markup, html};

use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::outside::{local, shown};
use crate::{Frame, Moment};

/// New recovery codes: the answer to the `POST` that made them, never to a `GET`. Holds secrets, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct RecoveryCodes<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The codes, as people read them.
    pub codes: &'a [String],
    /// What made them.
    pub after: CodesAfter,
    /// When they were made.
    pub made: Moment,
    /// Where "I have saved them" leads: a path on the site.
    pub next: &'a str,
}

/// What made new recovery codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodesAfter {
    /// The first authenticator was enrolled, or one after a reset.
    Enrollment,
    /// The authenticator was replaced.
    Replacement,
    /// They were asked for on the profile page.
    Regeneration,
}

/// Shows recovery codes to be saved.
pub fn recovery_codes(view: &RecoveryCodes<'_>) -> Markup {
    let body = html! {
        div.card {
            h1 { "Save your recovery codes" }
            p.lead { (lead(view.after)) }
            p {
                "If you lose your phone, a recovery code gets you in. Keep them where you keep passwords, or on paper; "
                "not on the phone alone. " strong { "They are shown only this once." }
            }
            p.print-only { (about(view)) }
            ol.codes #codes data-about=(about(view)) { @for code in view.codes { li { code { (code) } } } }
            p.hint { "Each of them works once." }
            div.actions data-with-script hidden {
                button type="button" data-copy="#codes" { (icon(Icon::Copy)) span { "Copy" } }
                button type="button" data-download="#codes" data-file="recovery-codes.txt" { (icon(Icon::Download)) span { "Download" } }
                button type="button" data-print { (icon(Icon::Print)) span { "Print" } }
            }
            noscript { p.hint { "Write them down, or print this page." } }
            a.button.primary.wide href=(local(view.next)) { "I have saved them, continue" }
        }
    };
    view.frame.page(&Page { title: "Save your recovery codes", layout: Layout::Card, place: Place::Outside, body })
}

const fn lead(after: CodesAfter) -> &'static str {
    match after {
        CodesAfter::Enrollment => "2-factor authentication is on. One last thing before you go on.",
        CodesAfter::Replacement => {
            "Your new authenticator is set up, and the old one no longer works. These codes replace all older ones."
        }
        CodesAfter::Regeneration => "These are your new recovery codes. All older ones no longer work.",
    }
}

/// What stands above the codes on paper and in the file.
fn about(view: &RecoveryCodes<'_>) -> String {
    let whose = view.frame.person.map(|person| format!(" of {}", shown(person.name))).unwrap_or_default();
    format!("Recovery codes{whose} for {}, {}", shown(view.frame.site), view.made.text())
}
