//! The page that shows a new key and has it confirmed.

use maud::{Markup, html};

use crate::form::{Asked, Focus, code_field, refusal_alert};
use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::outside::shown;
use crate::{Frame, Moment, Refusal};

/// Enrollment: `GET` and `POST {prefix}/enroll`. Holds a secret, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Enrollment<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// Where to go afterwards: a path on the site.
    pub next: &'a str,
    /// Why the person is here.
    pub reason: EnrollmentReason,
    /// The `otpauth://` address as a QR code.
    pub qr: &'a Qr,
    /// The `otpauth://` address, for a tap on the phone itself.
    pub otpauth: &'a str,
    /// The secret in base32, in one piece; it is shown in groups of four.
    pub secret: &'a str,
    /// What the app will call the account.
    pub label: &'a str,
    /// What became of the last try. [`Refusal::Expired`]: the key of the last try had run out, this is a new one.
    pub refusal: Option<Refusal>,
}

/// Why somebody enrolls an authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollmentReason {
    /// Their organization requires it.
    RequiredByOrganization,
    /// An administrator threw the last key away.
    Reset {
        /// When.
        at: Moment,
    },
    /// They want to.
    OwnWish,
    /// The new one takes the place of the old one, which works until then.
    Replacement,
}

/// A QR code as one SVG path. Holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct Qr {
    /// Modules on a side, without the quiet zone (which the page adds).
    size: usize,
    /// The dark modules.
    path: String,
}

impl Qr {
    /// The code of `size` modules a side whose dark ones are those for which `is_dark(x, y)`.
    pub fn new(size: usize, is_dark: impl Fn(usize, usize) -> bool) -> Self {
        use std::fmt::Write as _;
        let mut path = String::new();
        for y in 0..size {
            let mut x = 0;
            while x < size {
                let run = (x..size).take_while(|x| is_dark(*x, y)).count();
                if run > 0 {
                    let _ = write!(path, "M{x} {y}h{run}v1h-{run}z");
                }
                x += run + 1;
            }
        }
        Self { size, path }
    }
}

/// Light modules around the code (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// Shows a new key and asks for a code of it. The form posts `code` and `next`.
pub fn enrollment(view: &Enrollment<'_>) -> Markup {
    let heading = heading(view.reason);
    let title = if view.refusal.is_some() { format!("Error: {heading}") } else { heading.to_owned() };
    let body = html! {
        div.card {
            h1 { (heading) }
            p.lead { (lead(view.reason)) }
            (refusal_alert("code", Asked::FirstCode, view.refusal))
            ol.steps {
                li { (install_step()) }
                li { (scan_step(view)) }
                li { (confirm_step(view)) }
            }
            (way_back(view))
        }
    };
    view.frame.page(&Page { title: &title, layout: Layout::Steps, place: Place::Outside, body })
}

const fn heading(reason: EnrollmentReason) -> &'static str {
    match reason {
        EnrollmentReason::RequiredByOrganization | EnrollmentReason::Reset { .. } | EnrollmentReason::OwnWish => {
            "Set up 2-factor authentication"
        }
        EnrollmentReason::Replacement => "Replace your authenticator",
    }
}

fn lead(reason: EnrollmentReason) -> Markup {
    html! {
        @match reason {
            EnrollmentReason::RequiredByOrganization => {
                "Your organization asks everybody for a second step at login: a code from an app on your phone. "
                "Setting it up takes about two minutes."
            }
            EnrollmentReason::Reset { at } => {
                "An administrator reset your 2-factor authentication on " (at.shown()) ". Your old codes and recovery "
                "codes no longer work; please set it up again. If you did not ask for that, tell your administrator."
            }
            EnrollmentReason::OwnWish => {
                "From now on a password alone will not be enough to get into your account: you will also be asked for a "
                "code from an app on your phone."
            }
            EnrollmentReason::Replacement => {
                "The old one works until you have confirmed the new one. You will then get new recovery codes, and "
                "your other sessions will end."
            }
        }
    }
}

fn install_step() -> Markup {
    html! {
        h2 { "Install an authenticator app" }
        p {
            "Any app for time-based codes will do: Google Authenticator, Microsoft Authenticator, 2FAS, Aegis, "
            "1Password and others. Have one already? Go on with step 2."
        }
    }
}

fn scan_step(view: &Enrollment<'_>) -> Markup {
    html! {
        h2 { "Add this site to the app" }
        div.scan {
            (qr(view.qr))
            div {
                p { "In the app choose “add” or “+”, and scan the picture. The entry is called " strong { bdi { (shown(view.label)) } } "." }
                @if view.otpauth.starts_with("otpauth://") {
                    p { "Reading this on the phone itself? " a href=(view.otpauth) { "Open it in the app" } "." }
                }
                h3 #secret-label { "Or type this key" }
                p.secret {
                    code #secret aria-labelledby="secret-label" { (in_groups(view.secret)) }
                    button.small type="button" data-copy="#secret" data-with-script hidden { (icon(Icon::Copy)) span { "Copy key" } }
                }
                p.hint { "Type: time-based. Keep the key to yourself: whoever has it can make your codes." }
            }
        }
    }
}

fn confirm_step(view: &Enrollment<'_>) -> Markup {
    // With a refusal the field is what matters; else the page is read from the top.
    let focus = if view.refusal.is_some() { Focus::Taken } else { Focus::Left };
    html! {
        h2 { "Type the code that the app shows" }
        form.inline method="post" action=(view.frame.at("enroll")) data-auto-submit {
            input type="hidden" name="next" value=(view.next);
            (code_field("code", Asked::FirstCode, view.refusal, focus))
            button.primary type="submit" { "Confirm" }
        }
    }
}

fn way_back(view: &Enrollment<'_>) -> Markup {
    match view.reason {
        EnrollmentReason::RequiredByOrganization | EnrollmentReason::Reset { .. } => Markup::default(),
        EnrollmentReason::OwnWish | EnrollmentReason::Replacement => html! {
            p.aside { a href=(view.frame.at("profile")) { "Cancel, and change nothing" } }
        },
    }
}

/// Black on white in either scheme: some cameras read nothing else.
fn qr(qr: &Qr) -> Markup {
    let side = qr.size + 2 * QUIET_ZONE;
    html! {
        svg.qr viewBox=(format!("0 0 {side} {side}")) role="img" aria-labelledby="qr-title" shape-rendering="crispEdges" {
            title #qr-title { "QR code with your key. The same key follows as text." }
            rect width=(side) height=(side) fill="#fff" {}
            path d=(qr.path) transform=(format!("translate({QUIET_ZONE} {QUIET_ZONE})")) fill="#000" {}
        }
    }
}

/// `ABCD EFGH IJ`.
fn in_groups(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    characters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_dark_modules_are_drawn_at_once() {
        let picture = ["##.#", "....", ".###", "#..#"];
        let qr = Qr::new(4, |x, y| picture[y].as_bytes()[x] == b'#');
        assert_eq!(qr.path, "M0 0h2v1h-2zM3 0h1v1h-1zM1 2h3v1h-3zM0 3h1v1h-1zM3 3h1v1h-1z");
    }

    #[test]
    fn the_secret_is_read_in_groups_of_four() {
        assert_eq!(in_groups("JBSWY3DPEHPK3PXPAB"), "JBSW Y3DP EHPK 3PXP AB");
    }
}
