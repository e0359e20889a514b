//! My profile: one's own second factor, recovery codes, sessions and recent activity.

mod factor;
mod sessions;

use maud::{Markup, html};

use crate::frame::{Layout, Page, Place};
use crate::notice::{alert, snackbar};
use crate::{EventKind, Frame, Moment, Refusal};

/// My profile: `GET {prefix}/profile`, and the answer where one of its forms was refused.
#[derive(Debug, Clone, Copy)]
pub struct Profile<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// The own second factor.
    pub factor: OwnFactor,
    /// Whether the person may switch it.
    pub switch: Switch,
    /// The own verified sessions, the last used first.
    pub sessions: &'a [OwnSession<'a>],
    /// What happened lately, the newest first.
    pub activity: &'a [Activity<'a>],
    /// What became of the last request.
    pub notice: Option<ProfileNotice>,
}

/// The state of one's own second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnFactor {
    /// Switched off.
    Off,
    /// Switched on.
    On(EnrolledFactor),
}

/// One's own enrolled authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrolledFactor {
    /// When it was enrolled.
    pub since: Moment,
    /// When one of its codes was last accepted.
    pub last_used: Option<Moment>,
    /// How many recovery codes are unused.
    pub recovery_codes_left: u32,
    /// What this session was verified with.
    pub verified_with: VerifiedWith,
    /// When.
    pub verified_at: Moment,
    /// What replacing the authenticator takes.
    pub replacing: Replacing,
}

/// What a session was verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifiedWith {
    /// A code of the authenticator.
    Authenticator,
    /// A recovery code: the page urges to replace the authenticator.
    RecoveryCode,
}

/// What replacing the authenticator takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacing {
    /// A code of the old one: the form has a field `code`.
    WithCode,
    /// Nothing more: the session was verified with a recovery code minutes ago.
    WithoutCode,
}

/// Whether a person may switch their second factor on and off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Yes: the organization leaves it to them.
    Free,
    /// No: the organization requires it.
    LockedByOrganization,
}

/// One of a person's own verified sessions.
#[derive(Debug, Clone, Copy)]
pub struct OwnSession<'a> {
    /// Its number, sent back as `session` to end it.
    pub id: i64,
    /// Whether it is the one looking at the page.
    pub place: SessionPlace,
    /// From which address it was opened.
    pub address: Option<&'a str>,
    /// The browser as it names itself (`User-Agent`); worded here.
    pub browser: &'a str,
    /// What it was verified with.
    pub verified_with: VerifiedWith,
    /// When it was opened.
    pub opened: Moment,
    /// When it was last used.
    pub last_used: Moment,
}

/// Which browser a session is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionPlace {
    /// This one.
    Here,
    /// Another one.
    Elsewhere,
}

/// Something that happened to the person's account.
#[derive(Debug, Clone, Copy)]
pub struct Activity<'a> {
    /// When.
    pub at: Moment,
    /// What.
    pub kind: EventKind,
    /// From which address.
    pub address: Option<&'a str>,
}

/// What became of a request on the profile page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileNotice {
    /// 2-factor authentication was switched on.
    Enabled,
    /// It was switched off.
    Disabled,
    /// The authenticator was replaced.
    Replaced,
    /// There are new recovery codes.
    RecoveryCodesRegenerated,
    /// The session was ended.
    SessionEnded,
    /// There was no such session (any more).
    SessionGone,
    /// The organization requires a second factor, so it can't be switched off.
    SwitchLocked,
    /// A form was not taken.
    Refused {
        /// Which.
        form: ProfileForm,
        /// Why.
        refusal: Refusal,
    },
}

/// The forms of the profile page that ask for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileForm {
    /// `POST {prefix}/profile/disable`.
    Disable,
    /// `POST {prefix}/profile/replace`.
    Replace,
    /// `POST {prefix}/profile/recovery-codes`.
    RecoveryCodes,
}

/// My profile. Its forms post nothing to `profile/enable`; `code` to `profile/disable`, `profile/replace` and
/// `profile/recovery-codes`; `session` to `profile/sessions/end`.
pub fn profile(view: &Profile<'_>) -> Markup {
    let title = match view.notice {
        Some(ProfileNotice::Refused { .. } | ProfileNotice::SwitchLocked) => "Error: My profile",
        _ => "My profile",
    };
    let body = html! {
        div.column {
            (outcome(view))
            h1 { "My profile" }
            (factor::section(view))
            @if let OwnFactor::On(factor) = &view.factor {
                (factor::authenticator(view, factor))
                (factor::recovery_codes(view, factor))
            }
            (sessions::sessions(view))
            (sessions::activity(view))
        }
    };
    view.frame.page(&Page { title, layout: Layout::Full, place: Place::Profile, body })
}

/// What became of the last request, above everything else. A refused form says it itself.
fn outcome(view: &Profile<'_>) -> Markup {
    let Some(notice) = view.notice else { return Markup::default() };
    let done = |text: &str| snackbar(&html! { (text) }, &view.frame.at("profile"));
    match notice {
        ProfileNotice::Enabled => done("2-factor authentication is on."),
        ProfileNotice::Disabled => done("2-factor authentication is off. Your recovery codes no longer work."),
        ProfileNotice::Replaced => done("Your new authenticator is set up. The old one no longer works."),
        ProfileNotice::RecoveryCodesRegenerated => done("You have new recovery codes. The old ones no longer work."),
        ProfileNotice::SessionEnded => done("The session was ended."),
        ProfileNotice::SessionGone => done("That session had ended already."),
        ProfileNotice::SwitchLocked => alert(
            "locked-error",
            "2-factor authentication stays on",
            &html! { p { "Your organization requires it, so it can't be turned off here." } },
        ),
        ProfileNotice::Refused { .. } => Markup::default(),
    }
}

impl Profile<'_> {
    /// Why this form was refused, if it was the one.
    fn refusal(&self, of: ProfileForm) -> Option<Refusal> {
        match self.notice {
            Some(ProfileNotice::Refused { form, refusal }) if form == of => Some(refusal),
            _ => None,
        }
    }
}
