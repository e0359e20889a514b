//! Settings > Security > 2-factor authentication: who has it, and the reset of a lost key.

use std::time::Duration;

use crate::support::world::World;
use crate::support::{Sight, optional, required};

const LIST: &str = "/_2fa/settings/security";
const RESET: &str = "/_2fa/settings/security/reset";

#[tokio::test]
async fn it_lists_everybody_of_the_organization_who_has_it_on() {
    let world = World::open(optional()).await;
    world.enrolled("bob").await;
    world.logged_in("carol").await.opens("/").await.shows(Sight::Dashboard);
    world.enrolled("zoe").await;
    let mut alice = world.enrolled("alice").await;
    let page = alice.opens(LIST).await;
    page.shows(Sight::Security);
    assert_eq!(page.listed(), ["Alice Ames", "Bob Brown"]);
    let rows = page.rows();
    assert_eq!(rows[1][..2], ["Bob Brown", "bob@acme.example"]);
    assert!(rows[1][2].contains("2027"), "enabled since: {:?}", rows[1]);
    assert!(rows[1][3].contains("2027"), "last used: {:?}", rows[1]);
    assert!(page.can_reset("Bob Brown"));
    assert!(!page.can_reset("Alice Ames"), "one's own key is replaced in the profile");
    for nobody in ["Carol", "Zoe", "globex"] {
        page.says_nothing_of(nobody);
    }
}

#[tokio::test]
async fn it_can_be_searched() {
    let world = World::open(optional()).await;
    world.dashboard().hires("bo", "Bo & <Boo> 100%", "acme");
    for login in ["bob", "carol", "bo"] {
        world.enrolled(login).await;
    }
    let mut alice = world.enrolled("alice").await;
    for (search, found) in [
        ("bob", &["Bob Brown"][..]),
        ("BROWN", &["Bob Brown"]),
        ("bo", &["Bo & <Boo> 100%", "Bob Brown"]),
        ("carol%40acme", &["Carol Cole"]),
        ("100%25", &["Bo & <Boo> 100%"]),
        ("%25", &["Bo & <Boo> 100%"]),
        ("_", &[]),
        ("%3CBoo%3E", &["Bo & <Boo> 100%"]),
        ("zoe", &[]),
        ("'+OR+1=1+--", &[]),
        ("", &["Alice Ames", "Bo & <Boo> 100%", "Bob Brown", "Carol Cole"]),
    ] {
        let page = alice.opens(&format!("{LIST}?q={search}")).await;
        page.shows(Sight::Security);
        assert_eq!(page.listed(), found, "{search}");
    }
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let world = World::open(optional()).await;
    for number in 0..27 {
        let login = format!("u{number:02}");
        world.dashboard().hires(&login, &format!("User {number:02}"), "acme");
        world.enrolled(&login).await;
    }
    let mut alice = world.enrolled("alice").await;
    let first = alice.opens(LIST).await;
    assert_eq!(first.listed().len(), 25);
    assert_eq!(first.listed()[..2], ["Alice Ames", "User 00"]);
    first.says("Page 1 of 2");
    assert_eq!(alice.opens(&format!("{LIST}?page=2")).await.listed(), ["User 24", "User 25", "User 26"]);
    let found = alice.opens(&format!("{LIST}?q=user&page=2")).await;
    assert_eq!(found.listed(), ["User 25", "User 26"]);
    for odd in ["0", "-1", "x", "99999999999999999999", "1&page=2", ""] {
        let page = alice.opens(&format!("{LIST}?page={odd}")).await;
        page.shows(Sight::Security);
        assert_eq!(page.listed().len(), 25, "{odd}");
    }
    // The reset leads back to the same part of the list.
    let account = found.account_of("User 26");
    alice.opens(&format!("{LIST}?q=user&page=2&reset={account}")).await.shows(Sight::ResetQuestion);
    let page = alice.submits(RESET, &[]).await;
    page.announces("User 26");
    assert_eq!(page.listed(), ["User 25"]);
}

#[tokio::test]
async fn a_page_that_is_not_there_any_more_is_the_last_one() {
    let world = World::open(optional()).await;
    for number in 0..25 {
        let login = format!("u{number:02}");
        world.dashboard().hires(&login, &format!("User {number:02}"), "acme");
        world.enrolled(&login).await;
    }
    let mut alice = world.enrolled("alice").await;
    let second = alice.opens(&format!("{LIST}?page=2")).await;
    let account = second.account_of("User 24");
    alice.opens(&format!("{LIST}?page=2&reset={account}")).await.shows(Sight::ResetQuestion);
    let page = alice.submits(RESET, &[]).await;
    page.announces("User 24");
    assert_eq!(page.listed().len(), 25);
    let audit = alice.opens("/_2fa/settings/audit?page=99").await;
    assert!(!audit.rows().is_empty());
    audit.says("Page 2 of 2");
}

#[tokio::test]
async fn what_is_older_than_an_entry_can_be_read_on() {
    let world = World::open(optional()).await;
    for login in ["bob", "carol"] {
        world.enrolled(login).await;
    }
    let mut alice = world.enrolled("alice").await;
    let older = alice.opens("/_2fa/settings/audit?before=3").await;
    assert_eq!(older.rows().len(), 2);
    older.says("Newest");
    let nothing = alice.opens("/_2fa/settings/audit?before=1").await;
    assert!(nothing.rows().is_empty());
    nothing.says("Nothing is older.");
    let newest = alice.opens("/_2fa/settings/audit").await;
    assert_eq!(alice.opens("/_2fa/settings/audit?before=x").await.rows(), newest.rows());
}

#[tokio::test]
async fn a_reset_asks_first_and_then_ends_everything_at_once() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    let mut alice = world.enrolled("alice").await;
    let list = alice.opens(LIST).await;
    let account = list.account_of("Bob Brown");
    let question = alice.opens(&format!("{LIST}?reset={account}")).await;
    question.shows(Sight::ResetQuestion);
    question.says("Reset 2-factor authentication of Bob Brown?");
    question.says("bob@acme.example");
    bob.opens("/reports").await.shows(Sight::Dashboard);

    let page = alice.submits(RESET, &[]).await;
    page.shows(Sight::Security);
    page.announces("Bob Brown");
    assert_eq!(page.listed(), ["Alice Ames"]);
    world.dashboard().news();
    for browser in [&mut bob, &mut elsewhere] {
        browser.opens("/reports").await.shows(Sight::Enrollment);
        browser.page().says("An administrator reset your 2-factor authentication on");
        browser.fetches("/reports").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    }
    assert_eq!(world.dashboard().news(), [""; 0]);

    let old = bob.authenticator().clone();
    let codes = bob.recovery_codes.clone();
    bob.opens("/").await;
    bob.enrolls().await;
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/").await;
    let code = old.fresh_code();
    bob.gives(&code).await.shows(Sight::CodeRefused);
    bob.recovers_with(&codes[0]).await.shows(Sight::RecoveryCodeRefused);
    // Told once: the next time nothing is said of it.
    alice.opens(LIST).await.announces_nothing();
}

#[tokio::test]
async fn a_reset_is_seen_on_every_node_within_a_second() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let beside = world.open_beside(required()).await;
    let mut there = bob.in_front_of(beside.gateway());
    there.opens("/reports").await.shows(Sight::Dashboard);
    let mut alice = world.enrolled("alice").await;
    alice.resets("Bob Brown").await.announces("Bob Brown");
    bob.opens("/reports").await.shows(Sight::Enrollment);
    // No sleep: the other gateway is asked until it knows, and gets no longer than that.
    crate::support::until("the other gateway knows of the reset", async || {
        there.opens("/reports").await.offers("/_2fa/enroll")
    })
    .await;
}

#[tokio::test]
async fn one_can_not_reset_oneself() {
    let world = World::open(required()).await;
    let mut alice = world.enrolled("alice").await;
    let account = world.account("id-alice");
    for fields in [&[("account", account.as_str())][..], &[("account", &account), ("code", "123456")]] {
        alice.posts(RESET, fields).await.shows(Sight::NotOneself);
    }
    alice.opens(&format!("{LIST}?reset={account}")).await.says("You can't reset your own here");
    alice.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_reset_with_a_code_that_is_too_old_asks_for_another() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut alice = world.enrolled("alice").await;
    world.passes(Duration::from_mins(6));
    let account = world.account("id-bob");
    alice.posts(RESET, &[("account", &account)]).await.shows(Sight::ResetAsksForCode);
    alice.opens(&format!("{LIST}?reset={account}")).await.shows(Sight::ResetQuestion);
    let wrong = alice.authenticator().wrong_code();
    alice.submits(RESET, &[("code", &wrong)]).await.shows(Sight::ResetRefusesCode);
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let code = alice.authenticator().fresh_code();
    alice.submits(RESET, &[("code", &code)]).await.announces("Bob Brown");
    bob.opens("/reports").await.shows(Sight::Enrollment);
}

#[tokio::test]
async fn an_account_that_has_no_key_any_more_is_said_to_have_none() {
    let world = World::open(required()).await;
    world.enrolled("bob").await;
    let mut alice = world.enrolled("alice").await;
    alice.resets("Bob Brown").await.announces("Bob Brown");
    let account = world.account("id-bob");
    alice.posts(RESET, &[("account", &account)]).await.announces("had no 2-factor authentication any more");
}

#[tokio::test]
async fn somebody_else_with_the_name_of_a_former_user_inherits_nothing() {
    let world = World::open(optional()).await;
    let bob = world.enrolled("bob").await;
    world.dashboard().changes("bob", |bob| "id-of-another-bob".clone_into(&mut bob.id));
    let mut other = bob.elsewhere();
    other.logs_in().await;
    other.opens("/reports").await.shows(Sight::Dashboard);
    assert_eq!(world.dashboard().last_request().field("x-vestibule-user"), "id-of-another-bob");
}
