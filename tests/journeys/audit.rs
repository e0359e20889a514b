//! The audit log: who, whom, when, from where.

use std::time::Duration;

use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn it_tells_what_happened_the_latest_first() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    world.passes(Duration::from_mins(1));
    bob.logs_out().await;
    bob.logs_in().await;
    bob.opens("/reports").await;
    let wrong = bob.authenticator().wrong_code();
    bob.gives(&wrong).await.shows(Sight::CodeRefused);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    let mut alice = world.enrolled("alice").await;
    alice.posts("/_2fa/settings/requirement", &[("requirement", "required")]).await.shows(Sight::Settings);
    alice.resets("Bob Brown").await.shows(Sight::Security);

    let page = alice.opens("/_2fa/settings/audit").await;
    page.shows(Sight::Audit);
    let told: Vec<_> = page.rows().into_iter().map(|row| format!("{} | {} | {}", row[0], row[2], row[3])).collect();
    assert_eq!(
        told,
        [
            "2-factor authentication reset | Alice Ames | Bob Brown",
            "2-factor authentication made required | Alice Ames | Everybody",
            "Authenticator set up | Alice Ames | Alice Ames",
            "Code accepted | Bob Brown | Bob Brown",
            "Wrong code | Bob Brown | Bob Brown",
            "Logged out | Bob Brown | Bob Brown",
            "Authenticator set up | Bob Brown | Bob Brown",
        ]
    );
    for row in page.rows() {
        assert!(row[1].contains("15 Jan 2027"), "when: {row:?}");
        assert!(row[4].contains("127.0.0.1 Request "), "from where, and in which request: {row:?}");
    }
}

#[tokio::test]
async fn refused_recovery_codes_and_the_lock_are_in_it_too() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    bob.opens("/").await;
    bob.recovers_with("0000").await.shows(Sight::RecoveryCodeRefused);
    for _ in 0..20 {
        bob.opens("/").await;
        let wrong = bob.authenticator().wrong_code();
        let page = bob.gives(&wrong).await;
        world.passes(page.wait().unwrap_or_default());
    }
    let mut alice = world.enrolled("alice").await;
    let page = alice.opens("/_2fa/settings/audit").await;
    page.says("Wrong recovery code");
    page.says("Authenticator locked after too many wrong codes");
}

#[tokio::test]
async fn a_long_log_has_pages() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for _ in 0..30 {
        bob.logs_out().await;
        bob.signs_in().await;
    }
    let mut alice = world.enrolled("alice").await;
    assert_eq!(alice.opens("/_2fa/settings/audit").await.rows().len(), 25);
    let second = alice.opens("/_2fa/settings/audit?page=2").await;
    assert_eq!(second.rows().len(), 25);
    assert_eq!(alice.opens("/_2fa/settings/audit?page=3").await.rows().len(), 62 - 50);
}
