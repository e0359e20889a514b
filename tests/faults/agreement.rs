//! Every gateway agrees: what one has accepted, counted, ended or changed holds at the others.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::figures::{soon, took};
use crate::nodes::{Nodes, end, live};
use crate::support::visitor::Visitor;
use crate::support::{Sight, at_once, optional, required};

/// How soon a change holds at every gateway.
const HEARD: Duration = Duration::from_secs(1);

/// How soon what was open on the strength of what has changed is closed.
const CLOSED: Duration = Duration::from_secs(5);

/// Somebody with an authenticator and a browser that was not used yet.
async fn challenged(browser: &mut Visitor) {
    browser.loses_session();
    browser.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_one_accepted_is_refused_by_all() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let mut here = nodes.enrolled("bob").await;
    let mut there = nodes.at_second(&here);
    challenged(&mut there).await;
    // The code that confirmed the enrollment is used up, too.
    let confirming = here.authenticator().code(0);
    there.gives(&confirming).await.shows(Sight::CodeRefused);
    challenged(&mut here).await;
    let code = here.authenticator().fresh_code();
    here.gives(&code).await.shows(Sight::Dashboard);
    there.gives(&code).await.shows(Sight::CodeRefused);
    there.posts("/_2fa/profile/disable", &[("code", &code)]).await;
    assert!(!there.page().is_of_the_dashboard());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_code_given_to_all_at_once_one_is_accepted() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let bob = nodes.enrolled("bob").await;
    let mut browsers = Vec::new();
    for number in 0..16 {
        let mut browser = if number % 2 == 0 { nodes.at_second(&bob) } else { bob.in_front_of(nodes.first.gateway()) };
        challenged(&mut browser).await;
        browsers.push(browser);
    }
    let code = bob.authenticator().fresh_code();
    let given = at_once(browsers.iter_mut().map(|browser| browser.gives(&code))).await;
    assert_eq!(given.iter().filter(|page| page.is_of_the_dashboard()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_are_counted_over_all() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let mut here = nodes.enrolled("bob").await;
    let mut there = nodes.at_second(&here);
    challenged(&mut here).await;
    challenged(&mut there).await;
    let wrong = here.authenticator().wrong_codes(5);
    for (number, code) in wrong.iter().enumerate() {
        let page = if number % 2 == 0 { here.gives(code).await } else { there.gives(code).await };
        page.shows(Sight::CodeRefused);
        assert_eq!(page.wait().is_some(), number == 4, "try {number}");
    }
    let right = here.authenticator().fresh_code();
    there.gives(&right).await.shows(Sight::TooSoon);
    here.gives(&right).await.shows(Sight::TooSoon);
}

/// Fails unless what is done at the first gateway soon holds at the second, and closes what is open there.
async fn holds_at_second(what: &str, nodes: &Nodes, bob: &mut Visitor, act: impl AsyncFnOnce(&mut Visitor)) {
    let mut there = nodes.at_second(bob);
    there.opens("/reports").await.shows(Sight::Dashboard);
    let open = live(&there).await;
    act(bob).await;
    let done = Instant::now();
    soon(HEARD, &format!("{what} holds at the other gateway"), async || {
        there.is_sent("/reports").await.is_some_and(|place| place.starts_with("/_2fa/"))
    })
    .await;
    end(open).await;
    took(CLOSED, &format!("{what} closes what was open there"), done.elapsed());
    nodes.news();
    there.opens("/reports").await;
    assert!(!there.page().is_of_the_dashboard());
    assert_eq!(nodes.news(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_holds_everywhere() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let mut bob = nodes.enrolled("bob").await;
    let mut alice = nodes.enrolled("alice").await;
    holds_at_second("a reset", &nodes, &mut bob, async |_| {
        alice.resets("Bob Brown").await.announces("Bob Brown");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_by_a_command_holds_everywhere() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let mut bob = nodes.enrolled("bob").await;
    holds_at_second("a reset by a command", &nodes, &mut bob, async |_| {
        assert_eq!(nodes.installation.json(&["accounts", "reset", "id-bob"])["reset"], true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_holds_everywhere() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let mut bob = nodes.enrolled("bob").await;
    holds_at_second("a logout", &nodes, &mut bob, async |bob| {
        bob.is_sent_by("/_2fa/logout", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_by_its_owner_holds_everywhere() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let mut bob = nodes.enrolled("bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    holds_at_second("the end of a session", &nodes, &mut bob, async |_| {
        let others = elsewhere.opens("/_2fa/profile").await.other_sessions();
        let ended = elsewhere.posts("/_2fa/profile/sessions/end", &[("session", &others[0])]).await;
        ended.announces("The session was ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requirement_holds_everywhere() {
    let nodes = Nodes::on(Cluster::shared(), optional()).await;
    let mut bob = nodes.logged_in("bob").await;
    let mut alice = nodes.enrolled("alice").await;
    holds_at_second("a requirement", &nodes, &mut bob, async |_| {
        let asked = alice.posts("/_2fa/settings/requirement", &[("requirement", "required")]).await;
        asked.announces("now required");
    })
    .await;
}

/// A browser is sent from gateway to gateway as it comes, and each of them goes by what it remembers.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_enrolled_at_one_is_not_sent_in_circles_by_another() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    for login in ["bob", "alice", "carol"] {
        let mut here = nodes.logged_in(login).await;
        // The other remembers somebody who has nothing.
        nodes.at_second(&here).opens("/reports").await.shows(Sight::Enrollment);
        here.opens("/reports").await.shows(Sight::Enrollment);
        here.enrolls().await;
        nodes.at_second(&here).opens("/reports").await.shows(Sight::Dashboard);
        // The same in a browser that waits for a challenge.
        let mut waiting = here.elsewhere();
        waiting.logs_in().await;
        let mut there = nodes.at_second(&waiting);
        assert!(there.opens("/_2fa/enroll").await.offers("/_2fa/verify"));
    }
}
