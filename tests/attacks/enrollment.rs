//! Changing what is enrolled without the code that takes, and what is left after a reset.

use crate::house::House;
use crate::origin::find;
use crate::support::{Sight, optional, required};

const FORMS: [&str; 3] = ["/_2fa/profile/disable", "/_2fa/profile/replace", "/_2fa/profile/recovery-codes"];

/// What is enrolled, and what was begun.
fn enrolled(house: &House) -> String {
    let dump = house.dump();
    let kept =
        |line: &&str| ["accounts.", "recovery_codes.", "pending_enrollments."].iter().any(|t| line.starts_with(t));
    dump.lines().filter(kept).collect::<Vec<_>>().join("\n")
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
    let tables =
        ["recovery_codes", "sessions", "pending_sessions", "pending_enrollments", "failed_tries", "failures_in_a_row"];
    let account = house.account("bob");
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
