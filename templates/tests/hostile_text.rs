//! Names, addresses and searches that want to be more than text.

use scraper::{Html, Selector};
use vestibule_templates::{
    Activity, Actor, Audit, AuditEntry, Challenge, CodeDemand, CodesAfter, EnrolledFactor, Enrollment,
    EnrollmentReason, EnrollmentTicket, EventKind, Failure, FailureKind, Frame, IssuedTicket, KeyState, Limitation,
    LimitedAccess, Markup, Moment, Navigation, OwnFactor, OwnSession, Paging, Person, Profile, Qr, Recovery,
    RecoveryCodes, Replacing, ResetAction, ResetDialog, Security, SecurityNotice, SecurityRow, SessionPlace, Settings,
    SignedOut, Switch, TicketAfter, TicketOffice, TicketRefusal, VerifiedWith, audit, challenge, enrollment,
    enrollment_ticket, failure, issued_ticket, limited_access, profile, recovery, recovery_codes, security, settings,
    signed_out,
};

const AT: Moment = Moment::from_unix(1_795_515_151);
const PREFIX: &str = "/auth/second";

fn texts() -> Vec<String> {
    vec![
        "<script>alert(1)</script>".to_owned(),
        "</title><img src=x onerror=alert(1)>".to_owned(),
        "\" onfocus=\"alert(1)\" autofocus x=\"".to_owned(),
        "' onfocus='alert(1)".to_owned(),
        "javascript:alert(1)".to_owned(),
        "//evil.example/".to_owned(),
        "&lt;b&gt; &amp; <b>".to_owned(),
        "ada\u{202e}nimda\u{2066}\u{200f}\r\nSet-Cookie: a=b\0".to_owned(),
        "x".repeat(10_000),
        "\u{5d0}".repeat(10_000),
        String::new(),
    ]
}

/// Every page with `text` wherever a text from outside can stand.
fn pages(text: &str) -> Vec<Markup> {
    let frame = Frame {
        site: text,
        logo: Some(text),
        accent: None,
        prefix: PREFIX,
        assets: "/auth/second/assets",
        dashboard: text,
        person: Some(Person { name: text, organization: Some(text) }),
        navigation: Navigation::ProfileAndSettings,
    };
    let mut all = code_pages(&frame, text);
    all.extend(account_pages(&frame, text));
    all
}

fn code_pages(frame: &Frame<'_>, text: &str) -> Vec<Markup> {
    let next = text;
    vec![
        challenge(&Challenge { frame, next, refusal: None }),
        recovery(&Recovery { frame, next, refusal: None }),
        enrollment_ticket(&EnrollmentTicket { frame, next, reason: EnrollmentReason::OwnWish, refusal: None }),
        enrollment(&Enrollment {
            frame,
            next,
            reason: EnrollmentReason::OwnWish,
            qr: &Qr::new(21, |x, y| (x + y) % 2 == 0),
            otpauth: text,
            secret: "JBSWY3DPEHPK3PXP",
            label: text,
            refusal: None,
        }),
        recovery_codes(&RecoveryCodes {
            frame,
            codes: &["7K2M-9QXA-4TDF-W8ZC".to_owned()],
            after: CodesAfter::Enrollment,
            made: AT,
            next,
        }),
        limited_access(&LimitedAccess { frame, limitation: Limitation::NotAnAdministrator }),
        signed_out(&SignedOut { frame, login: Some(text) }),
        failure(&Failure {
            frame,
            kind: FailureKind::LoginNeeded { login: Some(text) },
            request: text,
            retry: Some(text),
        }),
    ]
}

fn account_pages(frame: &Frame<'_>, text: &str) -> Vec<Markup> {
    let paging = Paging::of(100, 25, 2);
    let row = SecurityRow {
        account: 2,
        name: text,
        email: Some(text),
        enabled_since: AT,
        last_used: Some(AT),
        key: KeyState::Working,
        reset: ResetAction::Allowed,
    };
    let dialog = ResetDialog { account: 2, name: text, email: Some(text), code: CodeDemand::Needed, refusal: None };
    let entry = AuditEntry {
        at: AT,
        kind: EventKind::Reset,
        actor: Actor::Person(text),
        subject: Some(text),
        address: Some(text),
        request: Some(text),
    };
    let refusal = Some(TicketRefusal::Enrolled { name: text });
    let tickets = TicketOffice { user: text, code: CodeDemand::Needed, refusal };
    vec![
        own_page(frame, text),
        issued_ticket(&IssuedTicket {
            frame,
            ticket: "7K2M-9QXA-4TDF-W8ZC-B3NH-5VJE",
            name: text,
            email: Some(text),
            user: text,
            expires: AT,
            after: TicketAfter::Reset,
            back: text,
        }),
        settings(&Settings {
            frame,
            organization: text,
            requirement: vestibule_templates::Requirement::Optional,
            authority: vestibule_templates::Authority::Administrators,
            accounts: 2,
            enrolled: 1,
            code: CodeDemand::Needed,
            notice: None,
        }),
        security(&Security {
            frame,
            organization: text,
            search: text,
            rows: &[row],
            paging,
            tickets: Some(tickets),
            dialog: Some(dialog),
            notice: Some(SecurityNotice::Reset { name: text }),
        }),
        audit(&Audit { frame, organization: text, entries: &[entry], paging: Some(paging), older: Some(7) }),
    ]
}

fn own_page(frame: &Frame<'_>, text: &str) -> Markup {
    let session = OwnSession {
        id: 1,
        place: SessionPlace::Elsewhere,
        address: Some(text),
        browser: text,
        verified_with: VerifiedWith::Authenticator,
        opened: AT,
        last_used: AT,
    };
    let factor = OwnFactor::On(EnrolledFactor {
        since: AT,
        last_used: None,
        recovery_codes_left: 10,
        verified_with: VerifiedWith::Authenticator,
        verified_at: AT,
        replacing: Replacing::WithCode,
    });
    let activity = [Activity { at: AT, kind: EventKind::Verified, address: Some(text) }];
    profile(&Profile { frame, factor, switch: Switch::Free, sessions: &[session], activity: &activity, notice: None })
}

#[test]
fn text_never_becomes_an_element_or_an_attribute() {
    let harmless: Vec<usize> = pages("Ada").iter().map(elements).collect();
    for text in texts() {
        for (page, count) in pages(&text).iter().zip(&harmless) {
            // A search or an otpauth address may add or leave out a link; nothing adds a script or an image.
            assert!(elements(page) <= count + 1, "{text}");
            let page = Html::parse_document(&page.0);
            assert_eq!(select(&page, "script").len(), 1, "{text}");
            assert!(select(&page, "img").len() <= 1, "{text}");
            assert!(select(&page, "b, [onerror], [onfocus], [x]").is_empty(), "{text}");
        }
    }
}

#[test]
fn text_never_becomes_a_link_that_leaves_the_site() {
    for text in texts() {
        for page in pages(&text) {
            let page = Html::parse_document(&page.0);
            for element in select(&page, "[href], [src], [action], [data-cancel]") {
                for name in ["href", "src", "action", "data-cancel"] {
                    let Some(address) = element.attr(name) else { continue };
                    let local = address.starts_with('/') && !address.starts_with("//");
                    assert!(local || address.starts_with('#'), "{name}: {address}");
                }
            }
            for form in select(&page, "form") {
                assert!(form.attr("action").is_some_and(|action| action.starts_with(PREFIX)), "{}", form.html());
            }
        }
    }
}

#[test]
fn text_neither_turns_nor_hides_nor_breaks_what_is_around_it() {
    let hidden = ['\u{202e}', '\u{2066}', '\u{200f}', '\0'];
    for page in pages(&texts()[7]) {
        let page = Html::parse_document(&page.0);
        let visible = page.root_element().text().collect::<String>();
        assert!(!visible.contains(hidden) && !visible.contains('\r'), "{visible}");
        for element in select(&page, "[aria-label], [title], [data-about]") {
            assert!(!element.html().split('>').next().unwrap_or_default().contains(hidden), "{}", element.html());
        }
    }
}

#[test]
fn a_name_of_ten_thousand_letters_does_not_flood_the_page() {
    for page in pages(&texts()[8]) {
        let page = Html::parse_document(&page.0);
        let visible = page.root_element().text().collect::<String>();
        assert!(visible.len() < 6_000, "{} characters", visible.len());
        let title = select(&page, "head > title").iter().flat_map(scraper::ElementRef::text).collect::<String>();
        assert!(title.len() < 300, "{title}");
    }
}

#[test]
fn what_is_sent_back_is_sent_back_unchanged() {
    for text in texts().iter().filter(|text| !text.contains(['\r', '\0'])) {
        for (page, field) in pages(text).iter().zip(["next", "next", "next"]) {
            let page = Html::parse_document(&page.0);
            let values: Vec<_> =
                select(&page, "input[type=hidden]").iter().filter_map(|input| input.attr("value")).collect();
            assert_eq!(values, [text.as_str()], "{field}");
        }
    }
}

fn select<'a>(page: &'a Html, selector: &str) -> Vec<scraper::ElementRef<'a>> {
    let selector = Selector::parse(selector).expect("the selector is well-formed");
    page.select(&selector).collect()
}

fn elements(page: &Markup) -> usize {
    select(&Html::parse_document(&page.0), "*").len()
}
