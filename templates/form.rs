//! What forms are made of: fields for codes, and why a form is shown again.

use maud::{Markup, html};

use crate::Refusal;
use crate::notice::alert;
use crate::outside::span;

/// What a form asks for, which decides how its refusal is worded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A code at the challenge.
    Code,
    /// A recovery code.
    RecoveryCode,
    /// A code of the key that is shown.
    FirstCode,
    /// A code for a change or an administrator's action.
    ActionCode,
    /// A ticket, before a key is shown.
    Ticket,
}

impl Asked {
    /// Whether the script sends the form by itself: not where that would change or delete something.
    const fn is_sent_when_complete(self) -> bool {
        match self {
            Self::Code | Self::FirstCode => true,
            Self::RecoveryCode | Self::ActionCode | Self::Ticket => false,
        }
    }
}

/// Whether a field takes the focus when the page opens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    Taken,
    Left,
}

/// A field `code`, with its label. `id` is that of the field; the refusal's is `id-error`.
pub(crate) fn code_field(id: &str, asked: Asked, refusal: Option<Refusal>, focus: Focus) -> Markup {
    let hint = format!("{id}-hint");
    html! {
        div.field {
            label for=(id) { "6-digit code" }
            input.code-input #(id) name="code" type="text" inputmode="numeric" autocomplete="one-time-code"
                maxlength="32" required autocapitalize="none" spellcheck="false"
                aria-describedby=(described_by(id, refusal)) aria-invalid=[is_invalid(refusal)]
                autofocus[focus == Focus::Taken];
            p.hint #(hint) {
                "The 6 digits that your app shows now."
                @if asked.is_sent_when_complete() {
                    span data-with-script hidden { " The form is sent when all of them are in." }
                }
            }
        }
    }
}

/// A field `recovery_code`, with its label.
pub(crate) fn recovery_code_field(refusal: Option<Refusal>) -> Markup {
    html! {
        div.field {
            label for="recovery-code" { "Recovery code" }
            input.recovery-input #recovery-code name="recovery_code" type="text" autocomplete="off" maxlength="64"
                required autocapitalize="characters" spellcheck="false"
                aria-describedby=(described_by("recovery-code", refusal)) aria-invalid=[is_invalid(refusal)] autofocus;
            p.hint #recovery-code-hint { "Capital or small letters, with or without dashes. Each code works once." }
        }
    }
}

/// A field `ticket`, with its label.
pub(crate) fn ticket_field(refusal: Option<Refusal>) -> Markup {
    html! {
        div.field {
            label for="ticket" { "Ticket" }
            input.recovery-input #ticket name="ticket" type="text" autocomplete="off" maxlength="64"
                required autocapitalize="characters" spellcheck="false"
                aria-describedby=(described_by("ticket", refusal)) aria-invalid=[is_invalid(refusal)] autofocus;
            p.hint #ticket-hint { "24 letters and digits. Capital or small letters, with or without dashes." }
        }
    }
}

/// The refusal comes before the hint: it is what somebody wants to hear first.
fn described_by(id: &str, refusal: Option<Refusal>) -> String {
    if refusal.is_some() { format!("{id}-error {id}-hint") } else { format!("{id}-hint") }
}

fn is_invalid(refusal: Option<Refusal>) -> Option<&'static str> {
    matches!(refusal, Some(Refusal::NotAccepted { .. })).then_some("true")
}

/// Why the form is shown again, if it is.
pub(crate) fn refusal_alert(id: &str, asked: Asked, refusal: Option<Refusal>) -> Markup {
    let Some(refusal) = refusal else { return Markup::default() };
    let id = format!("{id}-error");
    match refusal {
        Refusal::NotAccepted { .. } => alert(&id, not_accepted_title(asked), &advice(asked, refusal)),
        Refusal::TooSoon { seconds } => too_soon(&id, asked, seconds),
        Refusal::Expired => alert(&id, expired_title(asked), &html! { p { (expired_text(asked)) } }),
        Refusal::SentFromElsewhere => alert(
            &id,
            "Please send the form again",
            &html! { p { "It could not be shown that the form came from this site, so nothing was done." } },
        ),
    }
}

const fn not_accepted_title(asked: Asked) -> &'static str {
    match asked {
        Asked::Code | Asked::FirstCode | Asked::ActionCode => "That code was not accepted",
        Asked::RecoveryCode => "That recovery code was not accepted",
        Asked::Ticket => "That ticket was not accepted",
    }
}

/// What to try next. The same whether the code was wrong, used or locked out.
fn advice(asked: Asked, refusal: Refusal) -> Markup {
    let Refusal::NotAccepted { server_time } = refusal else { return Markup::default() };
    let clock = html! {
        li { "Let your phone set its time automatically. Here it is " (server_time.shown_to_the_second()) "." }
    };
    html! {
        ul {
            @match asked {
                Asked::Code => {
                    li { "Wait for the next code in your app: each one works only once." }
                    (clock)
                    li { "No luck? Use a recovery code, or ask an administrator of your organization for a reset." }
                }
                Asked::ActionCode => {
                    li { "Wait for the next code in your app: each one works only once, the one you logged in with too." }
                    (clock)
                }
                Asked::FirstCode => {
                    li { "Use the entry that you have just added. An older one for this site can be deleted." }
                    li { "Wait for the next code in your app." }
                    (clock)
                }
                Asked::RecoveryCode => {
                    li { "Compare it with your list, character by character." }
                    li { "Each code works only once, and new codes replace all older ones." }
                    li { "No codes left? Ask an administrator of your organization for a reset." }
                }
                Asked::Ticket => {
                    li { "Compare it with what you were given, character by character." }
                    li { "It works only once, for you alone and for a limited time. A new ticket replaces all older ones." }
                    li { "No luck? Ask your administrator for a new one." }
                }
            }
        }
    }
}

const fn expired_title(asked: Asked) -> &'static str {
    match asked {
        Asked::Code | Asked::RecoveryCode | Asked::ActionCode | Asked::Ticket => "That took a little too long",
        Asked::FirstCode => "This is a new key",
    }
}

const fn expired_text(asked: Asked) -> &'static str {
    match asked {
        Asked::Code => {
            "For your safety this page is good for 10 minutes. Please enter the code that your app shows now."
        }
        Asked::RecoveryCode => {
            "For your safety this page is good for 10 minutes. Please enter the recovery code again."
        }
        Asked::ActionCode => "Nothing was changed. Please enter the code that your app shows now.",
        Asked::Ticket => {
            "The key that you were shown can't be confirmed any more; delete its entry from your app. A ticket that is \
             still good shows you another."
        }
        Asked::FirstCode => {
            "The one you were shown before was good for 10 minutes and has expired. Delete its entry from your app, \
             and add this one."
        }
    }
}

/// The wait, and a clock that the script lets run down.
fn too_soon(id: &str, asked: Asked, seconds: u64) -> Markup {
    let what = if asked == Asked::Ticket { "ticket" } else { "code" };
    let wait = html! {
        p { "Please wait " (span(seconds)) ", then try again. The last " (what) " was not looked at." }
        p.timer role="timer" aria-live="off" data-countdown=(seconds) hidden {}
        p.timer-end role="status" data-countdown-end {}
    };
    alert(id, "Too many tries", &wait)
}
