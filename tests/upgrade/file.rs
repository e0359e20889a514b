//! On one SQLite file: the next release takes it over, and the one before goes on beside it or takes it back.

use std::path::Path;

use crate::installation::Installation;
use crate::release::Release;
use crate::support::{Sight, at_once, optional, until};

/// The version of the store in a file, and the oldest that can work with it.
fn version(file: &Path) -> (i64, i64) {
    let file = rusqlite::Connection::open(file).expect("the store is there");
    let header: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
    (header % 0x1_0000, header / 0x1_0000)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_release_takes_a_file_over_and_this_one_takes_it_back() {
    let installation = Installation::new(&optional()).await;
    let file = installation.file("vestibule.db");
    let this = Release::This.serves(&installation, "vestibule.toml").await;
    let mut bob = installation.visitor(&this, "bob");
    bob.logs_in().await;
    bob.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    bob.scans();
    let confirming = bob.authenticator().fresh_code();
    bob.gives(&confirming).await.shows(Sight::RecoveryCodes);
    this.is_told_to_stop();
    this.ends().await;
    let before = version(&file);

    // Two of them at once: one brings the file further.
    let started = at_once((0..2).map(|_| Release::Next.serves(&installation, "vestibule.toml"))).await;
    let [next, other] = <[_; 2]>::try_from(started).unwrap_or_else(|_| panic!("two"));
    assert_eq!(version(&file), (before.0 + 1, before.1));
    bob.in_front_of(other.gateway()).opens("/reports").await.shows(Sight::Dashboard);
    let mut there = bob.in_front_of(next.gateway());
    there.opens("/reports").await.shows(Sight::Dashboard);
    there.loses_session();
    there.opens("/reports").await.shows(Sight::Challenge);
    there.gives(&confirming).await.shows(Sight::CodeRefused);
    let code = there.authenticator().fresh_code();
    there.gives(&code).await.shows(Sight::Dashboard);

    // Commands of this release work beside it, but for the copy, which would leave out what they don't know.
    let shown = installation.json(&["accounts", "show", "id-bob"]);
    assert_eq!(shown["sessions"].as_array().map(Vec::len), Some(2), "{shown}");
    let copied = installation.run(&["store", "copy", "--to", "sqlite:copy.db"]);
    assert_eq!(copied.code, 1, "{copied:?}");
    for gateway in [next, other] {
        gateway.is_told_to_stop();
        gateway.ends().await;
    }
    installation
        .run(&["store", "copy", "--to", "sqlite:copy.db"])
        .is_refused(&[&format!("has version {}", before.0 + 1), &format!("knows version {} at most", before.0)]);

    let this = Release::This.serves(&installation, "vestibule.toml").await;
    let mut back = there.in_front_of(this.gateway());
    back.opens("/reports").await.shows(Sight::Dashboard);
    back.opens("/_2fa/profile").await.says("only a later release has words for");
    let mut thief = back.elsewhere();
    thief.logs_in().await;
    thief.opens("/reports").await.shows(Sight::Challenge);
    thief.gives(&code).await.shows(Sight::CodeRefused);
    assert_eq!(installation.json(&["accounts", "reset", "id-bob"])["reset"], true);
    until("the reset holds", async || back.is_sent("/reports").await.is_some()).await;
    back.opens("/reports").await.shows(Sight::Enrollment);
    assert_eq!(version(&file), (before.0 + 1, before.1), "it stays as it is");
}
