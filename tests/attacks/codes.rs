//! Guessing codes, and using them twice.

use std::net::Ipv4Addr;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::House;
use crate::support::http::{Answer, HeldBack};
use crate::support::visitor::Visitor;
use crate::support::{Sight, at_once, optional, required, until};

/// Gives a code to one of the pages that take one; says whether it was taken.
async fn is_taken(house: &House, bob: &mut Visitor, page: &str, code: &str) -> bool {
    let shown = match page {
        "verify" => house.challenged(bob, 100).await.gives(code).await,
        "recover" => {
            let mut browser = house.challenged(bob, 100).await;
            browser.recovers_with(code).await
        }
        _ => bob.posts(&format!("/_2fa/{page}"), &[("code", code)]).await,
    };
    !shown.is_a_refusal()
}

/// OTP-03, I3: a code that was taken on one page is taken on no other, and not there again.
#[tokio::test]
async fn a_code_taken_on_one_page_is_refused_on_every_other() {
    let house = House::open(optional()).await;
    let mut bob = house.enrolled("bob").await;
    for first in ["verify", "profile/recovery-codes", "profile/replace"] {
        house.forgets_codes();
        let code = bob.authenticator().code(0);
        assert!(is_taken(&house, &mut bob, first, &code).await, "{first}");
        for second in ["verify", "profile/recovery-codes", "profile/replace", "profile/disable", "recover"] {
            assert!(!is_taken(&house, &mut bob, second, &code).await, "{second} after {first}");
        }
    }
    let mut carol = house.visitor("carol", 1);
    carol.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    carol.scans();
    let confirming = carol.authenticator().code(0);
    carol.gives(&confirming).await.shows(Sight::RecoveryCodes);
    assert!(!is_taken(&house, &mut carol, "profile/disable", &confirming).await, "it confirmed the enrollment");
}

/// OTP-04: the code of a phone that is fast uses up those before it, which would be good by themselves.
#[tokio::test]
async fn after_a_step_no_earlier_one_is_accepted() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    house.forgets_codes();
    let [earlier, now, later] = [-1, 0, 1].map(|steps| bob.authenticator().code(steps));
    house.challenged(&bob, 2).await.gives(&later).await.shows(Sight::Dashboard);
    for (number, code) in [(3, &now), (4, &earlier), (5, &later)] {
        house.challenged(&bob, number).await.gives(code).await.shows(Sight::CodeRefused);
    }
    house.forgets_codes();
    house.challenged(&bob, 6).await.gives(&now).await.shows(Sight::Dashboard);
}

/// OTP-10, TEN-05, THR-01: the code of somebody else fails for whoever gives it, whoever the form names, and leaves
/// nothing behind with its owner.
#[tokio::test]
async fn a_code_of_somebody_else_costs_whoever_gives_it() {
    let house = House::open(required()).await;
    let (bob, carol) = (house.enrolled("bob").await, house.enrolled("carol").await);
    house.forgets_codes();
    let code = carol.authenticator().code(0);
    let account = house.account("carol").to_string();
    let thief = house.challenged(&bob, 2).await;
    let fields = [("code", &*code), ("user", "id-carol"), ("account", &account), ("email", "carol@acme.example")];
    let form = thief.form_request(&format!("/_2fa/verify?user=id-carol&account={account}"), &fields);
    let form = form.with("X-Vestibule-User", "id-carol").with("Remote-User", "id-carol").with("From", "carol");
    assert_eq!(house.gives_nothing_for(form).await.status, 403);
    assert_eq!((house.failures("bob", "code"), house.failures("carol", "code")), (1, 0));
    assert_eq!(house.number(&format!("SELECT last_step FROM accounts WHERE id = {account}")), 0, "not used up");
    house.challenged(&carol, 2).await.gives(&code).await.shows(Sight::Dashboard);
}

/// THR-01, THR-03: the sixth guess waits, though each came from another address and another login.
#[tokio::test]
async fn failures_add_up_over_addresses_and_logins() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let wrong = bob.authenticator().wrong_code();
    let mut browsers = Vec::new();
    for number in 2..=8 {
        browsers.push((number, house.challenged(&bob, u32::from(number)).await));
    }
    let mut waits = Vec::new();
    for (number, browser) in &browsers {
        let form = house.form(browser, "/_2fa/verify", &[("code", &wrong)]);
        let answer = house.hears_at(Ipv4Addr::new(127, 0, 0, *number), &form).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 403 ") || answer.starts_with("http/1.1 429 "), "{answer}");
        waits.push(answer.contains("\r\nretry-after: "));
    }
    assert_eq!(waits, [false, false, false, false, true, true, true]);
}

/// THR-05: of a hundred guesses that are finished at the same moment five are looked at.
#[tokio::test]
async fn guesses_at_the_same_moment_are_looked_at_five_at_most() {
    let house = House::open(required().with("workers = 1", "workers = 2")).await;
    let bob = house.enrolled("bob").await;
    let guesses = bob.authenticator().wrong_codes(100);
    let thief = house.challenged(&bob, 2).await;
    let forms = guesses.iter().map(|code| thief.form_request("/_2fa/verify", &[("code", code)]));
    let held_back = at_once(forms.map(|form| form.hold_back(house.gateway()))).await;
    let answers: Vec<Answer> = at_once(held_back.into_iter().map(HeldBack::comes)).await;
    // On a machine that takes its time over them a sixth may come when the first wait is over.
    let charged = "SELECT count(*) FROM failed_tries WHERE at < (SELECT min(at) + 5000 FROM failed_tries)";
    assert!(house.number(charged) <= 5, "more were looked at");
    assert!(answers.iter().filter(|answer| answer.status == 429).count() > 80);
    assert!(answers.iter().all(|answer| [403, 429].contains(&answer.status)));
}

/// THR-05: whoever sends a guess and hangs up at once has had that guess.
#[tokio::test]
async fn a_guess_counts_though_its_sender_hangs_up() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let thief = house.challenged(&bob, 2).await;
    let form = house.form(&thief, "/_2fa/verify", &[("code", &bob.authenticator().wrong_code())]);
    until("five guesses were counted", async || {
        let mut stream = TcpStream::connect(house.gateway()).await.expect("the gateway listens");
        stream.write_all(&form).await.expect("the gateway reads");
        drop(stream);
        house.failures("bob", "code") >= 5
    })
    .await;
}

/// THR-08: each form that takes a code counts in its bucket, those of administrators too.
#[tokio::test]
async fn every_form_that_takes_a_code_counts() {
    let mut house = House::open(optional()).await;
    let mut bob = house.enrolled("bob").await;
    let alice = house.enrolled("alice").await;
    let account = house.account("bob").to_string();
    for page in ["verify", "profile/disable", "profile/replace", "profile/recovery-codes"] {
        house.forgets_failures();
        let wrong = bob.authenticator().wrong_code();
        assert!(!is_taken(&house, &mut bob, page, &wrong).await, "{page}");
        assert_eq!(house.failures("bob", "code"), 1, "{page}");
    }
    assert!(!is_taken(&house, &mut bob, "recover", "ABCD-EFGH-JKMN-PQRS").await);
    assert_eq!(house.failures("bob", "recovery"), 1);
    let mut carol = house.visitor("carol", 1);
    carol.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    carol.gives("000000").await.shows(Sight::FirstCodeRefused);
    assert_eq!(house.failures("carol", "enrollment"), 1);

    // Administrators give a code where their last one is old, which nobody here waits for.
    house.changes("UPDATE sessions SET code_at = code_at - 600000");
    house = house.killed_and_started().await;
    let mut alice = alice.in_front_of(house.gateway());
    let wrong = alice.authenticator().wrong_code();
    let fields = [("requirement", "required"), ("code", &*wrong)];
    alice.posts("/_2fa/settings/requirement", &fields).await.shows(Sight::SettingsRefuseCode);
    let fields = [("account", &*account), ("code", &*wrong)];
    alice.posts("/_2fa/settings/security/reset", &fields).await.shows(Sight::ResetRefusesCode);
    assert_eq!(house.failures("alice", "code"), 2);
}

/// THR-09: a kill forgets no failure.
#[tokio::test]
async fn failures_outlive_a_kill() {
    let mut house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let mut thief = house.challenged(&bob, 2).await;
    let wrong = bob.authenticator().wrong_code();
    let mut waits = Vec::new();
    for _ in 0..5 {
        let page = thief.gives(&wrong).await;
        page.shows(Sight::CodeRefused);
        waits.push(page.wait().is_some());
        house = house.killed_and_started().await;
        thief = thief.in_front_of(house.gateway());
        thief.opens("/reports").await.shows(Sight::Challenge);
    }
    assert_eq!(waits, [false, false, false, false, true]);
    assert_eq!(house.failures("bob", "code"), 5);
}

/// THR-06, TEN-07: another name, address or spelling is the same counter as long as the id is the same; another id is
/// another account, which inherits nothing.
#[tokio::test]
async fn the_counter_belongs_to_the_id() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let wrong = bob.authenticator().wrong_code();
    let spellings = [
        json!({ "name": "BOB" }),
        json!({ "email": "Bob@ACME.example" }),
        json!({ "email": "bob@acme.example." }),
        json!({ "name": "b\u{301}ob", "email": null }),
        json!({ "email": "somebody.else@acme.example" }),
    ];
    for (number, spelling) in (10..).zip(&spellings) {
        house.origin.says("bob", spelling.clone());
        let mut browser = house.challenged(&bob, number).await;
        browser.gives(&wrong).await.shows(Sight::CodeRefused);
    }
    assert_eq!(house.failures("bob", "code"), 5);
    let mut browser = house.challenged(&bob, 20).await;
    assert!(browser.gives(&wrong).await.wait().is_some(), "it is the sixth");
    for (number, id) in (30..).zip(["id-BOB", "ID-bob", "id-bob ", "id-b\u{43e}b"]) {
        house.origin.says("bob", json!({ "id": id }));
        let stranger = house.visitor("bob", number);
        let answer = house.gives_nothing_for(stranger.navigation("/reports")).await;
        let to = answer.field("location").unwrap_or_default();
        assert!(answer.status == 502 || to.starts_with("/_2fa/enroll"), "{id}: {} {to}", answer.status);
    }
}
