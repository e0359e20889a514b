//! The profile and the administrators' pages.

use super::{DAY, Frames, HOUR, NOW, Sample, ago, sample};
use crate::{
    Activity, Actor, Audit, AuditEntry, Authority, CodeDemand, EnrolledFactor, EventKind, IssuedTicket, KeyState,
    OwnFactor, OwnSession, Paging, Profile, ProfileForm, ProfileNotice, Refusal, Replacing, Requirement, ResetAction,
    ResetDialog, Security, SecurityNotice, SecurityRow, SessionPlace, Settings, SettingsNotice, Switch, TicketAfter,
    TicketOffice, TicketRefusal, VerifiedWith, audit, issued_ticket, profile, security, settings,
};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1";
const NOT_ACCEPTED: Refusal = Refusal::NotAccepted { server_time: NOW };

pub(super) fn samples(frames: &Frames<'_>) -> Vec<Sample> {
    let mut all = profiles(frames);
    all.extend(refused_profiles(frames));
    all.extend(all_settings(frames));
    all.extend(security_lists(frames));
    all.extend(resets(frames));
    all.extend(tickets(frames));
    all.extend(audits(frames));
    all
}

const ENROLLED: EnrolledFactor = EnrolledFactor {
    since: ago(70 * DAY),
    last_used: Some(ago(3)),
    recovery_codes_left: 9,
    verified_with: VerifiedWith::Authenticator,
    verified_at: ago(3),
    replacing: Replacing::WithCode,
};

fn on(frames: &Frames<'_>, factor: EnrolledFactor, switch: Switch, notice: Option<ProfileNotice>) -> crate::Markup {
    let session = |id, place, browser, minutes| OwnSession {
        id,
        place,
        address: Some("203.0.113.7"),
        browser,
        verified_with: VerifiedWith::Authenticator,
        opened: ago(minutes + 3),
        last_used: ago(minutes),
    };
    let happened = |minutes, kind| Activity { at: ago(minutes), kind, address: Some("2001:db8:4:1::7") };
    let sessions = [
        OwnSession { verified_with: factor.verified_with, ..session(11, SessionPlace::Here, FIREFOX, 0) },
        session(9, SessionPlace::Elsewhere, IPHONE, 5 * HOUR),
    ];
    let activity = [
        happened(3, EventKind::Verified),
        happened(4, EventKind::CodeRefused),
        happened(6 * HOUR, EventKind::SessionEnded),
        happened(8 * DAY, EventKind::RecoveryCodeUsed),
        happened(70 * DAY, EventKind::Enrolled),
    ];
    let frame = &frames.admin;
    profile(&Profile { frame, factor: OwnFactor::On(factor), switch, sessions: &sessions, activity: &activity, notice })
}

fn off(frames: &Frames<'_>, notice: Option<ProfileNotice>) -> crate::Markup {
    let (frame, factor, switch) = (&frames.member, OwnFactor::Off, Switch::Free);
    profile(&Profile { frame, factor, switch, sessions: &[], activity: &[], notice })
}

fn profiles(frames: &Frames<'_>) -> Vec<Sample> {
    let noticed = |notice| on(frames, ENROLLED, Switch::Free, Some(notice));
    let left = |recovery_codes_left| EnrolledFactor { recovery_codes_left, ..ENROLLED };
    let recovered = EnrolledFactor {
        recovery_codes_left: 3,
        verified_with: VerifiedWith::RecoveryCode,
        replacing: Replacing::WithoutCode,
        ..ENROLLED
    };
    let later = EnrolledFactor { replacing: Replacing::WithCode, ..recovered };
    let locked = Switch::LockedByOrganization;
    vec![
        sample("profile-off", "Profile: off", off(frames, None)),
        sample("profile-on", "Profile: on", on(frames, ENROLLED, Switch::Free, None)),
        sample("profile-locked", "Profile: required", on(frames, ENROLLED, locked, None)),
        sample("profile-recovered", "Profile: logged in with a recovery code", on(frames, recovered, locked, None)),
        sample(
            "profile-recovered-long-ago",
            "Profile: recovery code, not fresh",
            on(frames, later, Switch::Free, None),
        ),
        sample("profile-no-codes", "Profile: no recovery codes left", on(frames, left(0), Switch::Free, None)),
        sample("profile-one-code", "Profile: one recovery code left", on(frames, left(1), Switch::Free, None)),
        sample("profile-two-codes", "Profile: two recovery codes left", on(frames, left(2), Switch::Free, None)),
        sample("profile-enabled", "Profile: switched on", noticed(ProfileNotice::Enabled)),
        sample("profile-disabled", "Profile: switched off", off(frames, Some(ProfileNotice::Disabled))),
        sample("profile-replaced", "Profile: authenticator replaced", noticed(ProfileNotice::Replaced)),
        sample("profile-new-codes", "Profile: new recovery codes", noticed(ProfileNotice::RecoveryCodesRegenerated)),
        sample("profile-session-ended", "Profile: session ended", noticed(ProfileNotice::SessionEnded)),
        sample("profile-session-gone", "Profile: session gone", noticed(ProfileNotice::SessionGone)),
        sample(
            "profile-switch-locked",
            "Profile: can't be switched off",
            on(frames, ENROLLED, locked, Some(ProfileNotice::SwitchLocked)),
        ),
    ]
}

fn refused_profiles(frames: &Frames<'_>) -> Vec<Sample> {
    let refused = |form, refusal| {
        let notice = Some(ProfileNotice::Refused { form, refusal });
        on(frames, ENROLLED, Switch::Free, notice)
    };
    let soon = Refusal::TooSoon { seconds: 20 };
    vec![
        sample("profile-disable-refused", "Profile: code refused", refused(ProfileForm::Disable, NOT_ACCEPTED)),
        sample("profile-replace-too-soon", "Profile: too many tries", refused(ProfileForm::Replace, soon)),
        sample("profile-codes-expired", "Profile: expired", refused(ProfileForm::RecoveryCodes, Refusal::Expired)),
    ]
}

fn all_settings(frames: &Frames<'_>) -> Vec<Sample> {
    let view = Settings {
        frame: &frames.admin,
        organization: "Acme Research",
        requirement: Requirement::Optional,
        authority: Authority::Administrators,
        accounts: 52,
        enrolled: 38,
        code: CodeDemand::Fresh,
        notice: None,
    };
    let required = Settings { requirement: Requirement::Required, ..view };
    let operator = Settings { authority: Authority::Operator, ..required };
    let needs_code = Settings { code: CodeDemand::Needed, ..view };
    let with = |view: Settings<'_>, notice| settings(&Settings { notice: Some(notice), ..view });
    let refused = |refusal| with(needs_code, SettingsNotice::Refused(refusal));
    vec![
        sample("settings-optional", "Settings: optional", settings(&view)),
        sample("settings-optional-code", "Settings: optional, asks for a code", settings(&needs_code)),
        sample(
            "settings-everybody",
            "Settings: optional, everybody enrolled",
            settings(&Settings { enrolled: 52, ..view }),
        ),
        sample("settings-required", "Settings: required", settings(&required)),
        sample("settings-operator", "Settings: fixed by the operator", settings(&operator)),
        sample("settings-now-required", "Settings: now required", with(required, SettingsNotice::Saved)),
        sample("settings-now-optional", "Settings: now optional", with(view, SettingsNotice::Saved)),
        sample("settings-required-already", "Settings: required already", with(required, SettingsNotice::Unchanged)),
        sample("settings-optional-already", "Settings: optional already", with(view, SettingsNotice::Unchanged)),
        sample("settings-locked", "Settings: locked", with(operator, SettingsNotice::LockedByOperator)),
        sample("settings-refused", "Settings: code refused", refused(NOT_ACCEPTED)),
        sample("settings-too-soon", "Settings: too many tries", refused(Refusal::TooSoon { seconds: 640 })),
    ]
}

const fn person(account: i64, name: &'static str, email: &'static str, days: i64) -> SecurityRow<'static> {
    SecurityRow {
        account,
        name,
        email: Some(email),
        enabled_since: ago(days * DAY),
        last_used: Some(ago(days * HOUR)),
        key: KeyState::Working,
        reset: ResetAction::Allowed,
    }
}

const PEOPLE: [SecurityRow<'static>; 6] = [
    SecurityRow { reset: ResetAction::OwnAccount, ..person(1, "Ada Lovelace", "ada@acme.example", 70) },
    person(2, "Alan Turing", "alan@acme.example", 41),
    SecurityRow { key: KeyState::Locked, ..person(3, "Edsger Dijkstra", "edsger@acme.example", 30) },
    SecurityRow { last_used: None, ..person(4, "Grace Hopper", "grace@acme.example", 12) },
    SecurityRow { email: None, ..person(5, "Katherine Johnson", "", 5) },
    person(6, "Margaret Hamilton", "margaret.elaine.hamilton@flightsoftware.acme.example", 1),
];

const fn list<'a>(frames: &'a Frames<'_>) -> Security<'a> {
    Security {
        frame: &frames.admin,
        organization: "Acme Research",
        search: "",
        rows: &PEOPLE,
        paging: Paging::of(6, 6, 1),
        tickets: None,
        dialog: None,
        notice: None,
    }
}

fn security_lists(frames: &Frames<'_>) -> Vec<Sample> {
    let view = list(frames);
    let nothing = Security { rows: &[], paging: Paging::of(0, 25, 1), ..view };
    let middle = Security { paging: Paging::of(38, 6, 2), ..view };
    let found = Security { search: "ma", rows: &PEOPLE[5..], paging: Paging::of(1, 25, 1), ..view };
    let many = Security { search: "a", paging: Paging::of(38, 6, 2).at_least(), ..view };
    let too_many = Security { search: "qx", paging: Paging::of(0, 25, 1).at_least(), ..nothing };
    let noticed = |notice| security(&Security { notice: Some(notice), ..view });
    vec![
        sample("security", "2-factor authentication", security(&view)),
        sample("security-middle-page", "2-factor authentication: a page in the middle", security(&middle)),
        sample("security-found", "2-factor authentication: found", security(&found)),
        sample(
            "security-not-found",
            "2-factor authentication: nothing found",
            security(&Security { search: "zuse & co", ..nothing }),
        ),
        sample("security-found-many", "2-factor authentication: too many found to count", security(&many)),
        sample("security-too-many", "2-factor authentication: too many to look through", security(&too_many)),
        sample("security-empty", "2-factor authentication: nobody yet", security(&nothing)),
        sample(
            "security-reset",
            "2-factor authentication: reset done",
            noticed(SecurityNotice::Reset { name: "Alan Turing" }),
        ),
        sample(
            "security-already-reset",
            "2-factor authentication: reset already",
            noticed(SecurityNotice::AlreadyReset { name: "Alan Turing" }),
        ),
        sample("security-own", "2-factor authentication: own account", noticed(SecurityNotice::OwnAccount)),
    ]
}

fn resets(frames: &Frames<'_>) -> Vec<Sample> {
    let page = |code, refusal| {
        let (name, email) = ("Alan Turing", Some("alan@acme.example"));
        let dialog = Some(ResetDialog { account: 2, name, email, code, refusal });
        let paging = Paging::of(38, 6, 2);
        security(&Security { dialog, search: "a", paging, ..list(frames) })
    };
    let needed = CodeDemand::Needed;
    vec![
        sample("reset", "Reset: confirm", page(CodeDemand::Fresh, None)),
        sample("reset-code", "Reset: confirm with a code", page(needed, None)),
        sample("reset-refused", "Reset: code refused", page(needed, Some(NOT_ACCEPTED))),
        sample("reset-too-soon", "Reset: too many tries", page(needed, Some(Refusal::TooSoon { seconds: 40 }))),
        sample("reset-expired", "Reset: expired", page(needed, Some(Refusal::Expired))),
    ]
}

fn tickets(frames: &Frames<'_>) -> Vec<Sample> {
    let (name, email) = ("Alan Turing", Some("alan@acme.example"));
    let office = TicketOffice { user: "", code: CodeDemand::Fresh, refusal: None };
    let page = |tickets| security(&Security { tickets: Some(tickets), ..list(frames) });
    let refused = |refusal| TicketOffice { user: "Alan Turing", refusal: Some(refusal), ..office };
    let code = TicketOffice { code: CodeDemand::Needed, ..office };
    let code_refused = TicketOffice { code: CodeDemand::Needed, ..refused(TicketRefusal::Code(NOT_ACCEPTED)) };
    let dialog = Some(ResetDialog { account: 2, name, email, code: CodeDemand::Needed, refusal: None });
    let issued = |after| {
        let (frame, ticket, back) = (&frames.admin, "7K2M-9QXA-4TDF-W8ZC-B3NH-5VJE", "/_2fa/settings/security");
        let expires = ago(-DAY);
        issued_ticket(&IssuedTicket { frame, ticket, name, email, user: "1912", expires, after, back })
    };
    vec![
        sample("tickets", "Tickets: the form", page(office)),
        sample("tickets-code", "Tickets: asks for a code", page(code)),
        sample("tickets-nobody", "Tickets: nobody of that name", page(refused(TicketRefusal::Nobody))),
        sample("tickets-several", "Tickets: several of that name", page(refused(TicketRefusal::Several))),
        sample("tickets-enrolled", "Tickets: needs none", page(refused(TicketRefusal::Enrolled { name }))),
        sample("tickets-code-refused", "Tickets: code refused", page(code_refused)),
        sample(
            "reset-ticket",
            "Reset: confirm, a ticket follows",
            security(&Security { tickets: Some(code), dialog, ..list(frames) }),
        ),
        sample("issued-ticket", "A new ticket", issued(TicketAfter::Request)),
        sample("issued-ticket-reset", "A new ticket: after a reset", issued(TicketAfter::Reset)),
    ]
}

fn audits(frames: &Frames<'_>) -> Vec<Sample> {
    let (ada, alan) = (Actor::Person("Ada Lovelace"), Some("Alan Turing"));
    let entries = [
        (EventKind::Verified, Actor::Person("Alan Turing"), alan),
        (EventKind::CodeRefused, Actor::Person("Alan Turing"), alan),
        (EventKind::CodeReused, Actor::Person("Alan Turing"), alan),
        (EventKind::RecoveryCodeRefused, Actor::Person("Alan Turing"), alan),
        (EventKind::RecoveryCodeUsed, Actor::Person("Alan Turing"), alan),
        (EventKind::FactorLocked, Actor::Gateway, alan),
        (EventKind::GuessingAtAccount, Actor::Gateway, alan),
        (EventKind::GuessingAtOrganization, Actor::Gateway, None),
        (EventKind::Reset, ada, alan),
        (EventKind::TicketIssued, ada, alan),
        (EventKind::TicketRefused, Actor::Person("Alan Turing"), alan),
        (EventKind::TicketUsed, Actor::Person("Alan Turing"), alan),
        (EventKind::Enrolled, Actor::Person("Alan Turing"), alan),
        (EventKind::Replaced, Actor::Person("Alan Turing"), alan),
        (EventKind::RecoveryCodesRegenerated, Actor::Person("Alan Turing"), alan),
        (EventKind::Disabled, Actor::Person("Alan Turing"), alan),
        (EventKind::RequirementTurnedOn, ada, None),
        (EventKind::RequirementTurnedOff, Actor::Operator, None),
        (EventKind::SessionEnded, ada, Some("Ada Lovelace")),
        (EventKind::LoggedOut, ada, Some("Ada Lovelace")),
        (EventKind::StoreCopied, Actor::Operator, None),
        (EventKind::StoreRestored, Actor::Operator, None),
        (EventKind::Later, Actor::Gateway, None),
    ];
    let entries = entries.map(|(kind, actor, subject)| AuditEntry {
        at: ago(11),
        kind,
        actor,
        subject,
        address: (actor != Actor::Operator).then_some("203.0.113.7"),
        request: (actor != Actor::Operator).then_some("01KAR5Z3M8"),
    });
    let (frame, organization) = (&frames.admin, "Acme Research");
    let page = |entries, paging| audit(&Audit { frame, organization, entries, paging: Some(paging), older: None });
    let beyond = |entries, paging, older| audit(&Audit { frame, organization, entries, paging, older });
    vec![
        sample("audit", "Audit log", page(&entries, Paging::of(271, 23, 1))),
        sample("audit-last-page", "Audit log: the last page", page(&entries[5..], Paging::of(271, 23, 12))),
        sample(
            "audit-last-number",
            "Audit log: the last page with a number",
            beyond(&entries, Some(Paging::of(10_000, 25, 400)), Some(4711)),
        ),
        sample("audit-older", "Audit log: older entries", beyond(&entries[12..], None, Some(4711))),
        sample("audit-oldest", "Audit log: nothing is older", beyond(&[], None, None)),
        sample("audit-empty", "Audit log: nothing yet", page(&[], Paging::of(0, 25, 1))),
    ]
}
