//! Who is believed about where visitors come from.

use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn from_where_is_what_a_trusted_proxy_says_and_nobody_else() {
    let trusting = required().with("[operations]", "trusted_proxies = [\"127.0.0.1/32\"]\n\n[operations]");
    for (configuration, expected) in [(required(), "127.0.0.1"), (trusting, "192.0.2.7")] {
        let world = World::open(configuration).await;
        let bob = world.visitor("bob");
        let mut bob = if expected == "127.0.0.1" { bob } else { bob.over_tls() };
        bob.logs_in().await;
        bob.opens("/").await.shows(Sight::Enrollment);
        let form = bob.form_request("/_2fa/enroll", &[("code", "x")]);
        bob.sends(form.with("X-Forwarded-For", "198.51.100.1, 192.0.2.7")).await.shows(Sight::FirstCodeRefused);
        let mut alice = world.enrolled("alice").await;
        let rows = alice.opens("/_2fa/settings/audit").await.rows();
        let refused = rows.iter().find(|row| row[0] == "Wrong code").expect("it is logged");
        assert!(refused[4].starts_with(expected), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_is_believed_to_have_come_over_tls() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    let request = bob.navigation("/reports").with("X-Forwarded-Proto", "https");
    bob.sends(request).await;
    assert!(bob.cookie("__Host-vestibule").is_none());
    assert!(bob.cookie("vestibule").is_some());
}
