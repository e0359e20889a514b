//! Enrolling with a password alone, changing what is enrolled without the code that takes, and what is left after a reset.

use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};

use crate::house::House;
use crate::origin::find;
use crate::support::http::{Answer, Request};
use crate::support::visitor::Visitor;
use crate::support::{Sight, at_once, optional, required};

const FORMS: [&str; 3] = ["/_2fa/profile/disable", "/_2fa/profile/replace", "/_2fa/profile/recovery-codes"];

/// What is enrolled, and what was begun.
fn enrolled(house: &House) -> String {
    let dump = house.dump();
    let kept =
        |line: &&str| ["accounts.", "recovery_codes.", "pending_enrollments."].iter().any(|t| line.starts_with(t));
    dump.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

/// What shows a key.
const OF_A_KEY: [&str; 3] = ["otpauth:", "id=\"secret\"", "class=\"qr\""];

/// A ticket of the operator's, for somebody who was here once.
fn ticket(house: &House, login: &str) -> String {
    let issued = house.installation.json(&["accounts", "ticket", &format!("id-{login}")]);
    issued["ticket"].as_str().expect("a ticket").to_owned()
}

/// Somebody who is asked for a ticket.
async fn at_the_door(house: &House, login: &str, number: u32) -> Visitor {
    let mut visitor = house.visitor(login, number);
    visitor.opens("/_2fa/enroll").await.shows(Sight::TicketNeeded);
    visitor
}

/// ENR-01: whoever has the password of an account that has no authenticator, or has one no more, gets no key by any method,
/// address, field or order of forms; and nothing of the dashboard.
#[tokio::test]
async fn a_password_alone_gets_no_key() {
    let house = House::open(required().guarded()).await;
    let thief = at_the_door(&house, "bob", 1).await;
    let carols = {
        at_the_door(&house, "carol", 1).await;
        ticket(&house, "carol")
    };
    let shows_no_key = |answer: &Answer, what: &str| {
        let text = answer.text();
        assert!(OF_A_KEY.iter().all(|part| !text.contains(part)), "{what}: {text}");
    };
    for target in ["/_2fa/enroll", "/_2fa/enroll?ticket=1&code=1", "/_2fa/profile", "/_2fa/profile/replace", "/reports"]
    {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            let request = thief.navigation(target);
            let request = Request { method, ..request };
            shows_no_key(&house.gives_nothing_for(request).await, &format!("{method} {target}"));
        }
    }
    let half = &carols[..14];
    let wrong = ["", "0", "000000", "0000-0000-0000-0000-0000-0000", half, &carols, "' OR 1=1 --", "%00", "null"];
    for form in ["/_2fa/enroll", "/_2fa/profile/enable", "/_2fa/profile/replace", "/_2fa/verify", "/_2fa/recover"] {
        for ticket in wrong {
            house.forgets_failures();
            let fields = [("ticket", ticket), ("code", ticket), ("next", "/reports")];
            for fields in [&fields[..1], &fields[1..], &fields[..], &[fields[0], fields[0]], &[]] {
                let request = thief.form_request(form, fields);
                shows_no_key(&house.gives_nothing_for(request).await, &format!("{form} {fields:?}"));
            }
        }
    }
    assert_eq!(house.number("SELECT count(*) FROM pending_enrollments"), 0);
    assert_eq!(house.number("SELECT count(*) FROM tickets"), 1, "carol's is as good as before");
    assert_eq!(house.origin.targets(), [""; 0]);
}

/// ENR-01: a ticket is good for its account alone, once and in time; after a reset another is needed.
#[tokio::test]
async fn a_ticket_is_good_once_for_one_account_and_in_time() {
    let house = House::open(optional().guarded()).await;
    let (mut bob, mut carol) = (at_the_door(&house, "bob", 1).await, at_the_door(&house, "carol", 1).await);
    let bobs = ticket(&house, "bob");
    // By another user, of the same organization.
    carol.gives_ticket(&bobs).await.shows(Sight::TicketRefused);
    assert_eq!((house.failures("carol", "ticket"), house.failures("bob", "ticket")), (1, 0));
    // Also where that one has a ticket, too.
    let carols = ticket(&house, "carol");
    carol.gives_ticket(&bobs).await.shows(Sight::TicketRefused);
    bob.gives_ticket(&carols).await.shows(Sight::TicketRefused);
    // After expiry.
    let account = house.account("carol");
    house.changes(&format!("UPDATE tickets SET expires = 1 WHERE account = {account}"));
    carol.gives_ticket(&carols).await.shows(Sight::TicketRefused);
    // Twice.
    bob.gives_ticket(&bobs).await.shows(Sight::Enrollment);
    bob.enrolls().await;
    house.forgets_codes();
    let code = bob.authenticator().code(0);
    bob.opens("/_2fa/profile").await;
    bob.submits("/_2fa/profile/disable", &[("code", &code)]).await.shows(Sight::Profile);
    bob.opens("/_2fa/enroll").await.shows(Sight::TicketNeeded);
    bob.gives_ticket(&bobs).await.shows(Sight::TicketRefused);
    // And after a reset, which shows one that is good.
    let second = ticket(&house, "bob");
    bob.gives_ticket(&second).await.shows(Sight::Enrollment);
    bob.enrolls().await;
    let reset = house.installation.json(&["accounts", "reset", "id-bob"]);
    let third = reset["ticket"].as_str().expect("a ticket").to_owned();
    until_asked_for_a_ticket(&mut bob).await;
    for old in [&bobs, &second] {
        bob.gives_ticket(old).await.shows(Sight::TicketRefused);
    }
    bob.gives_ticket(&third).await.shows(Sight::Enrollment);
}

async fn until_asked_for_a_ticket(visitor: &mut Visitor) {
    let asked = async || visitor.opens("/_2fa/enroll").await.words().contains("Ask your administrator for a ticket");
    crate::support::until("a ticket is asked for", asked).await;
}

/// ENR-01, ENR-03: two browsers with the same ticket, at the same moment: one makes the key, the other is sent away.
#[tokio::test]
async fn of_two_enrollments_with_one_ticket_one_makes_the_key() {
    let house = House::open(required().guarded()).await;
    let mut browsers = Vec::new();
    for number in 0..6 {
        browsers.push(at_the_door(&house, "bob", number).await);
    }
    let ticket = ticket(&house, "bob");
    let mut forms = Vec::new();
    for browser in &mut browsers {
        browser.gives_ticket(&ticket).await.shows(Sight::Enrollment);
        browser.scans();
        forms.push(house.form(browser, "/_2fa/enroll", &[("code", &browser.authenticator().code(0))]));
    }
    let answers = at_once(forms.iter().map(|form| house.hears(form))).await;
    let made = answers.iter().filter(|answer| find(answer, b"Save your recovery codes").is_some()).count();
    assert_eq!(made, 1);
    assert_eq!(house.number("SELECT count(*) FROM tickets"), 0);
    assert_eq!(house.number("SELECT count(*) FROM recovery_codes"), 10);
    assert_eq!(house.number("SELECT count(*) FROM audit WHERE kind = 'ticket_used'"), 1);
}

/// ENR-01: what is kept of a ticket is no ticket, and nothing of it is written anywhere else.
#[tokio::test]
async fn what_is_kept_of_a_ticket_is_no_ticket() {
    let house = House::open(required().guarded()).await;
    let mut thief = at_the_door(&house, "bob", 1).await;
    let ticket = ticket(&house, "bob");
    let characters = ticket.replace('-', "");
    assert_eq!(characters.len(), 24, "24 letters of 32 are 120 bits");
    let digest: Vec<u8> =
        house.store().query_row("SELECT digest FROM tickets", [], |row| row.get(0)).expect("a digest");
    for text in [
        HEXLOWER.encode(&digest),
        BASE32_NOPAD.encode(&digest),
        BASE64.encode(&digest),
        BASE32_NOPAD.encode(&digest[..15]),
        BASE32_NOPAD.encode(&digest[17..]),
        HEXLOWER.encode(&digest)[..24].to_owned(),
    ] {
        house.forgets_failures();
        thief.gives_ticket(&text).await.shows(Sight::TicketRefused);
    }
    thief.gives_ticket(&ticket).await.shows(Sight::Enrollment);
    let stored = ["vestibule.db", "vestibule.db-wal"]
        .map(|name| std::fs::read(house.installation.file(name)).unwrap_or_default());
    for text in [&ticket, &characters] {
        assert!(find(&stored.concat(), text.as_bytes()).is_none(), "in the store");
        assert!(!house.running.log().contains(text), "in the log");
        assert!(house.origin.requests().iter().all(|taken| find(&taken.head, text.as_bytes()).is_none()));
    }
}

/// ENR-02: a session, however young, changes nothing without a code that was not used, and a pending one with none.
#[tokio::test]
async fn nothing_is_changed_without_an_unused_code() {
    let house = House::open(optional()).await;
    let mut bob = house.visitor("bob", 1);
    bob.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    bob.scans();
    let [earlier, used] = [-1, 0].map(|steps| bob.authenticator().code(steps));
    let page = bob.gives(&used).await;
    page.shows(Sight::RecoveryCodes);
    let mut pending = house.challenged(&bob, 2).await;
    let before = enrolled(&house);
    let (wrong, recovery) = (bob.authenticator().wrong_code(), page.recovery_codes()[0].clone());
    let codes = [None, Some(""), Some(&*earlier), Some(&used), Some(&wrong), Some(&recovery)];
    for form in FORMS {
        for code in codes {
            house.forgets_failures();
            let fields: Vec<_> = code.iter().map(|code| ("code", *code)).collect();
            bob.posts(form, &fields).await.shows(Sight::ProfileRefusesCode);
            assert_eq!(enrolled(&house), before, "{form} {code:?}");
        }
        // With the code that would be good, of somebody who has not given one yet.
        let good = bob.authenticator().code(1);
        pending.posts(form, &[("code", &good)]).await.shows(Sight::Challenge);
        assert_eq!(enrolled(&house), before, "{form}");
    }
    for browser in [&mut bob, &mut pending] {
        browser.opens("/_2fa/enroll").await.says_nothing_of("id=\"secret\"");
        browser.posts("/_2fa/enroll", &[("code", "000000")]).await.says_nothing_of("id=\"secret\"");
    }
    assert_eq!(enrolled(&house), before);
}

/// ENR-05: the key is in the body of the page alone, and what it is called is the operator's to say.
#[tokio::test]
async fn a_key_is_on_its_page_alone_whatever_host_is_claimed() {
    let house = House::open(required()).await;
    let mut bob = house.visitor("bob", 1);
    bob.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    let (key, address) = (bob.page().secret(), bob.page().otpauth());
    assert!(address.contains("issuer=Acme%20Insights"), "{address}");
    for name in
        ["X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host", "Forwarded", "X-Forwarded-Prefix"]
    {
        let request = bob.navigation("/_2fa/enroll").with(name, "host=evil.example");
        let answer = request.send(house.gateway()).await;
        let head = format!("{:?}", answer.fields);
        assert_eq!((answer.status, answer.field("cache-control")), (200, Some("no-store")));
        assert!(!head.contains(&key) && !head.contains("evil") && !answer.text().contains("evil"), "{name}");
        assert_eq!(answer.text().matches("issuer=Acme%20Insights").count(), 1, "{name}");
    }
    assert!(!house.running.log().contains(&key));
    assert!(house.origin.requests().iter().all(|taken| find(&taken.head, key.as_bytes()).is_none()));
}

/// ENR-07, TEN-04: a reset leaves nothing of what it ends, in the store or in any browser, and shows nothing of it.
#[tokio::test]
async fn a_reset_leaves_nothing() {
    let house = House::open(required()).await;
    let mut alice = house.enrolled("alice").await;
    let mut bob = house.enrolled("bob").await;
    let code = bob.authenticator().code(1);
    bob.posts("/_2fa/profile/replace", &[("code", &code)]).await.shows(Sight::Enrollment);
    let begun = bob.page().secret();
    let mut pending = house.challenged(&bob, 2).await;
    let wrong = bob.authenticator().wrong_code();
    pending.gives(&wrong).await.shows(Sight::CodeRefused);
    let tables = [
        "recovery_codes",
        "sessions",
        "pending_sessions",
        "pending_enrollments",
        "failed_tries",
        "failures_in_a_row",
        "tickets",
    ];
    let account = house.account("bob");
    // As a gateway of a release leaves it that enrolls and knows of no tickets.
    house.changes(&format!("INSERT INTO tickets VALUES ({account}, randomblob(32), 9000000000000)"));
    let count = |table: &str| house.number(&format!("SELECT count(*) FROM {table} WHERE account = {account}"));
    assert!(tables.iter().all(|table| count(table) > 0), "there is something to end");

    let page = alice.resets("The bob").await;
    page.announces("The bob");
    for secret in [&bob.authenticator().secret(), &begun, &bob.recovery_codes[0], &code] {
        page.says_nothing_of(secret);
    }
    for table in tables {
        assert_eq!(count(table), 0, "{table}");
    }
    assert_eq!(house.number(&format!("SELECT count(secret) FROM accounts WHERE id = {account}")), 0);
    house.origin.forgets();
    for browser in [&mut bob, &mut pending] {
        for target in ["/reports", "/_2fa/verify", "/_2fa/recover", "/_2fa/profile"] {
            let answer = house.gives_nothing_for(browser.navigation(target)).await;
            assert!(answer.field("location").unwrap_or_default().starts_with("/_2fa/enroll"), "{target}");
        }
    }
    assert_eq!(house.origin.targets(), [""; 0]);
}
