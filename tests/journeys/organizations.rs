//! Two organizations behind one dashboard: for each, the other does not exist.

use crate::support::world::World;
use crate::support::{Sight, optional, required};

const LIST: &str = "/_2fa/settings/security";
const RESET: &str = "/_2fa/settings/security/reset";

#[tokio::test]
async fn an_account_of_another_organization_is_not_found_as_one_that_never_was() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut zoe = world.enrolled("zoe").await;
    let account = world.account("id-bob");
    let (theirs, never) = (account.as_str(), "987654321");

    let mut looks = Vec::new();
    for number in [theirs, never] {
        let shown = zoe.opens(&format!("{LIST}?reset={number}")).await;
        shown.shows(Sight::NotFound);
        let reset = zoe.posts(RESET, &[("account", number)]).await;
        reset.shows(Sight::NotFound);
        looks.push([shown.without_id_and_time(), reset.without_id_and_time()]);
    }
    assert_eq!(looks[0], looks[1]);
    bob.opens("/reports").await.shows(Sight::Dashboard);

    // The same when the last code is old: the account is looked for before a code is.
    world.passes(std::time::Duration::from_mins(6));
    let old = [zoe.posts(RESET, &[("account", theirs)]).await, zoe.posts(RESET, &[("account", never)]).await];
    old[0].shows(Sight::NotFound);
    assert_eq!(old[0].without_id_and_time(), old[1].without_id_and_time());
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn numbers_that_are_none_are_not_found_either() {
    let world = World::open(required()).await;
    world.enrolled("bob").await;
    let mut zoe = world.enrolled("zoe").await;
    for number in
        ["", "x", "-1", "0", "1.0", "+1", " 1", "0x1", "1 OR 1=1", "99999999999999999999999", "1,2", "\u{661}"]
    {
        zoe.posts(RESET, &[("account", number)]).await.shows(Sight::NotFound);
    }
    zoe.posts(RESET, &[]).await.shows(Sight::NotFound);
    let bob = world.account("id-bob");
    let zoes = world.account("id-zoe");
    zoe.posts(RESET, &[("account", &zoes), ("account", &bob)]).await.shows(Sight::NotFound);
    let more = [("account", bob.as_str()), ("organization", "acme"), ("organization_id", "1"), ("realm", "insights")];
    zoe.posts(RESET, &more).await.shows(Sight::NotFound);
}

#[tokio::test]
async fn lists_counts_and_logs_leave_the_other_out() {
    let world = World::open(optional()).await;
    world.enrolled("bob").await;
    world.logged_in("carol").await.opens("/").await;
    world.enrolled("yann").await;
    let mut alice = world.enrolled("alice").await;
    let mut zoe = world.enrolled("zoe").await;
    for (admin, own, other) in
        [(&mut alice, ["Alice Ames", "Bob Brown"], "globex"), (&mut zoe, ["Yann Young", "Zoe Zimmer"], "acme.example")]
    {
        let list = admin.opens(LIST).await;
        assert_eq!(list.listed(), own);
        list.says_nothing_of(other);
        let audit = admin.opens("/_2fa/settings/audit").await;
        assert!(audit.rows().iter().all(|row| own.contains(&row[2].as_str())), "{:?}", audit.rows());
        assert_eq!(admin.opens(&format!("{LIST}?q={other}")).await.listed(), [""; 0]);
    }
    alice.opens("/_2fa/settings").await.says("2 of 3 people");
    zoe.opens("/_2fa/settings").await.says("2 of 2 people");
}

#[tokio::test]
async fn the_switch_of_one_is_not_that_of_the_other() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    let mut yann = world.logged_in("yann").await;
    let mut zoe = world.enrolled("zoe").await;
    for fields in [&[("requirement", "required")][..], &[("requirement", "required"), ("organization", "acme")]] {
        zoe.posts("/_2fa/settings/requirement?organization=acme", fields).await.shows(Sight::Settings);
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
    yann.opens("/reports").await.shows(Sight::Enrollment);
}

#[tokio::test]
async fn whoever_moves_to_another_organization_is_another_account_there() {
    let world = World::open(optional()).await;
    let mut alice = world.enrolled("alice").await;
    alice.opens("/_2fa/settings").await.shows(Sight::Settings);
    world.dashboard().changes("alice", |alice| "globex".clone_into(&mut alice.company));
    world.a_moment_passes();
    // The session was that of the account at acme.
    alice.opens("/_2fa/settings/security").await.shows(Sight::LimitedAccess);
    alice.opens("/_2fa/profile").await.says("Off");
    let mut zoe = world.enrolled("zoe").await;
    assert_eq!(zoe.opens(LIST).await.listed(), ["Zoe Zimmer"]);
}

#[tokio::test]
async fn names_of_organizations_are_compared_to_the_letter() {
    let world = World::open(required()).await;
    world.dashboard().changes("carol", |carol| "Acme".clone_into(&mut carol.company));
    let mut bob = world.enrolled("bob").await;
    let mut carol = world.enrolled("carol").await;
    assert_eq!(carol.opens(LIST).await.listed(), ["Carol Cole"]);
    carol.posts(RESET, &[("account", &world.account("id-bob"))]).await.shows(Sight::NotFound);
    bob.opens("/reports").await.shows(Sight::Dashboard);
}
