//! Setting up an authenticator where that takes a ticket, and issuing one.

use std::time::Duration;

use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, optional, required};

const LIST: &str = "/_2fa/settings/security";
const ISSUE: &str = "/_2fa/settings/security/ticket";

/// Where everybody needs a second factor, and a ticket for it: and an administrator who has set hers up.
async fn guarded() -> (World, Visitor) {
    let world = World::open(required()).await;
    let alice = world.enrolled("alice").await;
    world.reloads(&required().guarded());
    (world, alice)
}

/// A ticket for somebody who was here once.
async fn ticket(alice: &mut Visitor, user: &str) -> String {
    let page = alice.issues_a_ticket_for(user).await;
    page.shows(Sight::Ticket);
    page.ticket()
}

#[tokio::test]
async fn nobody_is_shown_a_key_without_a_ticket() {
    let (world, _) = guarded().await;
    let mut bob = world.logged_in("bob").await;
    for address in ["/reports", "/_2fa/enroll", "/_2fa/enroll?ticket=0000-0000-0000-0000-0000-0000"] {
        let page = bob.opens(address).await;
        page.shows(Sight::TicketNeeded);
        page.says("Ask your administrator for a ticket");
        for part in ["otpauth:", "id=\"secret\"", "class=\"qr\""] {
            page.says_nothing_of(part);
        }
    }
    bob.posts("/_2fa/enroll", &[("code", "123456")]).await.shows(Sight::TicketNeededAgain);
    for wrong in ["", "0000-0000-0000-0000-0000-0000", "ticket"] {
        bob.posts("/_2fa/enroll", &[("ticket", wrong)]).await.shows(Sight::TicketRefused);
    }
    bob.posts("/_2fa/enroll", &[]).await.shows(Sight::TicketRefused);
    assert!(world.dashboard().requests().iter().all(|seen| seen.target != "/reports"));
    // Programs are told the same as without a ticket.
    bob.fetches("/reports").await.asks_for("enrollment_required", Some("/_2fa/enroll"));
    let status = bob.fetches("/_2fa/status").await.document();
    assert_eq!((&status["enrolled"], &status["verify_url"]), (&false.into(), &"/_2fa/enroll".into()));
}

#[tokio::test]
async fn a_ticket_leads_to_a_key_and_is_used_up_with_it() {
    let (world, mut alice) = guarded().await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports?of=today").await.shows(Sight::TicketNeeded);
    let ticket = ticket(&mut alice, "id-bob").await;
    bob.gives_ticket("0000-0000-0000-0000-0000-0000").await.shows(Sight::TicketRefused);
    let shown = bob.gives_ticket(&ticket.to_lowercase().replace('-', " ")).await;
    shown.shows(Sight::Enrollment);
    // A reload, and the form sent twice, lose nothing.
    assert_eq!(bob.opens("/_2fa/enroll").await.secret(), shown.secret());
    let twice = bob.posts("/_2fa/enroll", &[("ticket", &ticket), ("next", "/reports?of=today")]).await;
    assert_eq!(twice.secret(), shown.secret());
    bob.enrolls().await;
    assert_eq!(bob.page().way_on(), "/reports?of=today");
    assert_eq!(bob.authenticator().secret(), shown.secret());
    bob.opens("/reports").await.shows(Sight::Dashboard);
    // Whoever has it now gets nothing for it.
    let mut eve = bob.elsewhere();
    eve.logs_in().await;
    eve.opens("/_2fa/enroll").await.shows(Sight::Challenge);
    eve.posts("/_2fa/enroll", &[("ticket", &ticket)]).await.shows(Sight::Challenge);
    let log = alice.opens("/_2fa/settings/audit").await;
    for event in ["Enrollment ticket issued", "Enrollment ticket used", "Wrong enrollment ticket"] {
        log.says(event);
    }
    log.says_nothing_of(&ticket);
}

#[tokio::test]
async fn a_browser_that_was_closed_loses_nothing_but_its_key() {
    let (world, mut alice) = guarded().await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await.shows(Sight::TicketNeeded);
    let ticket = ticket(&mut alice, "id-bob").await;
    let first = bob.gives_ticket(&ticket).await.secret();
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/").await.shows(Sight::TicketNeeded);
    let second = elsewhere.gives_ticket(&ticket).await;
    second.shows(Sight::Enrollment);
    assert_ne!(second.secret(), first);
    bob.scans();
    elsewhere.enrolls().await;
    bob.gives_a_fresh_code().await.shows(Sight::Challenge);
}

#[tokio::test]
async fn a_key_that_ran_out_takes_the_ticket_again() {
    let (world, mut alice) = guarded().await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::TicketNeeded);
    let ticket = ticket(&mut alice, "id-bob").await;
    bob.gives_ticket(&ticket).await.shows(Sight::Enrollment);
    bob.scans();
    world.passes(Duration::from_mins(10));
    bob.gives_a_fresh_code().await.shows(Sight::TicketNeededAgain);
    bob.gives_ticket(&ticket).await.shows(Sight::Enrollment);
    bob.enrolls().await;
}

#[tokio::test]
async fn a_ticket_is_good_for_its_owner_and_its_time_alone() {
    let (world, mut alice) = guarded().await;
    let (mut bob, mut carol) = (world.logged_in("bob").await, world.logged_in("carol").await);
    for browser in [&mut bob, &mut carol] {
        browser.opens("/").await.shows(Sight::TicketNeeded);
    }
    let old = ticket(&mut alice, "id-bob").await;
    carol.gives_ticket(&old).await.shows(Sight::TicketRefused);
    let new = ticket(&mut alice, "id-bob").await;
    bob.gives_ticket(&old).await.shows(Sight::TicketRefused);
    world.passes(Duration::from_hours(24));
    bob.logs_in().await;
    bob.opens("/").await.shows(Sight::TicketNeeded);
    bob.gives_ticket(&new).await.shows(Sight::TicketRefused);
}

#[tokio::test]
async fn a_new_ticket_ends_what_the_one_before_has_begun() {
    let (world, mut alice) = guarded().await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await.shows(Sight::TicketNeeded);
    let old = ticket(&mut alice, "id-bob").await;
    bob.gives_ticket(&old).await.shows(Sight::Enrollment);
    bob.scans();
    let new = ticket(&mut alice, "id-bob").await;
    bob.gives_a_fresh_code().await.shows(Sight::TicketNeededAgain);
    bob.gives_ticket(&new).await.shows(Sight::Enrollment);
    bob.enrolls().await;
}

#[tokio::test]
async fn wrong_tickets_take_longer_and_longer_and_a_new_one_begins_anew() {
    let (world, mut alice) = guarded().await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await.shows(Sight::TicketNeeded);
    let first = ticket(&mut alice, "id-bob").await;
    for _ in 0..5 {
        bob.gives_ticket("0000-0000-0000-0000-0000-0000").await.shows(Sight::TicketRefused);
    }
    assert_eq!(bob.page().wait(), Some(Duration::from_secs(5)));
    bob.gives_ticket(&first).await.shows(Sight::TooSoon);
    world.passes(Duration::from_secs(5));
    bob.gives_ticket("0000-0000-0000-0000-0000-0000").await.shows(Sight::TicketRefused);
    assert_eq!(bob.page().wait(), Some(Duration::from_secs(10)));
    bob.gives_ticket(&first).await.shows(Sight::TooSoon);
    let second = ticket(&mut alice, "id-bob").await;
    bob.gives_ticket(&second).await.shows(Sight::Enrollment);
}

#[tokio::test]
async fn a_ticket_is_issued_by_user_id_name_or_address() {
    let (world, mut alice) = guarded().await;
    world.dashboard().hires("other", "Bob Brown", "globex");
    world.dashboard().hires("dan", "Dan & <Day>", "acme");
    world.dashboard().hires("twin", "Dan & <Day>", "acme");
    for login in ["bob", "other", "dan", "twin", "zoe"] {
        world.logged_in(login).await.opens("/").await.shows(Sight::TicketNeeded);
    }
    let mut tickets = Vec::new();
    for bob in ["id-bob", "Bob Brown", "bob brown", "BOB@acme.example", " Bob Brown "] {
        let page = alice.issues_a_ticket_for(bob).await;
        page.shows(Sight::Ticket);
        page.says("Bob Brown");
        page.says("bob@acme.example");
        tickets.push(page.ticket());
    }
    tickets.dedup();
    assert_eq!(tickets.len(), 5);
    alice.issues_a_ticket_for("Dan & <Day>").await.shows(Sight::TicketForSeveral);
    alice.issues_a_ticket_for("id-twin").await.shows(Sight::Ticket);
    alice.issues_a_ticket_for("id-alice").await.shows(Sight::TicketForNoNeed);
    let nobody = alice.issues_a_ticket_for("id-nobody").await;
    nobody.shows(Sight::TicketForNobody);
    // Of another organization, never seen, a part of a name, or nothing at all: nobody.
    for other in ["id-zoe", "zoe@globex.example", "id-other", "Bob", "carol@acme.example", "id-bob\0", "%", " "] {
        let page = alice.issues_a_ticket_for(other).await;
        page.shows(Sight::TicketForNobody);
        if other == "id-zoe" {
            assert_eq!(page.words().replace("id-zoe", "id-nobody"), nobody.words());
        }
    }
}

#[tokio::test]
async fn only_administrators_issue_tickets_and_only_with_a_fresh_code() {
    let (world, mut alice) = guarded().await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await.shows(Sight::TicketNeeded);
    bob.posts(ISSUE, &[("user", "id-bob")]).await.shows(Sight::TicketNeeded);
    let for_bob = ticket(&mut alice, "id-bob").await;
    bob.opens("/").await;
    bob.gives_ticket(&for_bob).await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob.posts(ISSUE, &[("user", "id-carol")]).await.shows(Sight::LimitedAccess);

    world.logged_in("carol").await.opens("/").await.shows(Sight::TicketNeeded);
    world.passes(Duration::from_mins(5));
    alice.opens(LIST).await.shows(Sight::Security);
    let page = alice.posts(ISSUE, &[("user", "id-carol")]).await;
    page.shows(Sight::TicketAsksForCode);
    let wrong = alice.authenticator().wrong_code();
    alice.submits(ISSUE, &[("user", "id-carol"), ("code", &wrong)]).await.shows(Sight::TicketAsksForCode);
    alice.page().says("That code was not accepted");
    let code = alice.authenticator().fresh_code();
    alice.submits(ISSUE, &[("user", "id-carol"), ("code", &code)]).await.shows(Sight::Ticket);
}

#[tokio::test]
async fn a_reset_shows_the_ticket_that_it_takes_to_set_it_up_again() {
    let world = World::open(required()).await;
    let mut alice = world.enrolled("alice").await;
    let mut bob = world.enrolled("bob").await;
    world.reloads(&required().guarded());
    let page = alice.resets("Bob Brown").await;
    page.shows(Sight::Ticket);
    page.says("2-factor authentication of Bob Brown was reset");
    page.is_at("/_2fa/settings/security/reset");
    let ticket = page.ticket();
    let list = alice.follows_the_link_to(LIST).await;
    list.shows(Sight::Security);
    list.says_nothing_of(&ticket);
    let page = bob.opens("/reports").await;
    page.shows(Sight::TicketNeeded);
    page.says("An administrator reset your 2-factor authentication");
    bob.gives_ticket(&ticket).await.shows(Sight::Enrollment);
    bob.enrolls().await;
}

#[tokio::test]
async fn a_new_authenticator_in_place_of_the_old_one_takes_a_code_and_no_ticket() {
    let (_world, mut alice) = guarded().await;
    let code = alice.authenticator().fresh_code();
    alice.opens("/_2fa/profile").await.shows(Sight::Profile);
    alice.submits("/_2fa/profile/replace", &[("code", &code)]).await.shows(Sight::Enrollment);
    alice.enrolls().await;
}

#[tokio::test]
async fn whoever_switched_it_off_needs_another_ticket_to_switch_it_on() {
    let world = World::open(optional()).await;
    let mut alice = world.enrolled("alice").await;
    let mut bob = world.enrolled("bob").await;
    world.reloads(&optional().guarded());
    let code = bob.authenticator().fresh_code();
    bob.opens("/_2fa/profile").await.shows(Sight::Profile);
    bob.submits("/_2fa/profile/disable", &[("code", &code)]).await.shows(Sight::Profile);
    bob.opens("/reports").await.shows(Sight::Dashboard);
    bob.opens("/_2fa/profile").await;
    let page = bob.submits("/_2fa/profile/enable", &[]).await;
    page.shows(Sight::TicketNeeded);
    page.says("Cancel, and change nothing");
    let ticket = ticket(&mut alice, "id-bob").await;
    bob.gives_ticket(&ticket).await.shows(Sight::Enrollment);
    bob.enrolls().await;
    assert_eq!(bob.page().way_on(), "/_2fa/profile");
}

#[tokio::test]
async fn what_was_begun_before_the_guard_came_on_takes_a_ticket_too() {
    let world = World::open(required()).await;
    let mut alice = world.enrolled("alice").await;
    let mut bob = world.logged_in("bob").await;
    let key = bob.opens("/reports").await.secret();
    bob.scans();
    world.reloads(&required().guarded());
    bob.gives_a_fresh_code().await.shows(Sight::TicketNeededAgain);
    bob.opens("/_2fa/enroll").await.shows(Sight::TicketNeeded);
    let ticket = ticket(&mut alice, "id-bob").await;
    let page = bob.gives_ticket(&ticket).await;
    assert_ne!(page.secret(), key);
    // And what was begun with one goes on without the guard.
    world.reloads(&required());
    assert_eq!(bob.opens("/_2fa/enroll").await.secret(), page.secret());
    bob.enrolls().await;
}

#[tokio::test]
async fn where_enrollment_takes_no_ticket_none_is_issued() {
    let world = World::open(required()).await;
    let mut alice = world.enrolled("alice").await;
    world.logged_in("bob").await.opens("/").await.shows(Sight::Enrollment);
    assert!(!alice.opens(LIST).await.offers(ISSUE));
    alice.posts(ISSUE, &[("user", "id-bob")]).await.shows(Sight::NotFound);
    let mut bob = world.enrolled("bob").await;
    alice.resets("Bob Brown").await.announces("Bob Brown");
    bob.opens("/").await.shows(Sight::Enrollment);
}
