//! Other processes: the command line beside a gateway, and a gateway that is killed.

use rusqlite::Connection;
use vestibule::second_factor::account::Factor;

use crate::child::Child;
use crate::engines::Place;
use crate::world::{NOON, World};

on_every_engine! {
    another_process_works_on_the_same_store,
    what_was_answered_as_done_survives_a_kill,
}

async fn another_process_works_on_the_same_store(world: World) {
    let ann = world.person("acme", "ann").await;
    let before = world.store.cursor().await.expect("read");
    Child::resets(&world.place, ann.id);
    assert_eq!(world.account(ann.id).await.factor, Factor::Reset { at: NOON });
    assert!(!world.is_signed_in(&ann.session).await);
    let (changes, _) = world.store.changes_since(before).await.expect("read");
    assert_eq!(changes.len(), 2, "{changes:?}");
    world.enroll(ann.id).await;
}

async fn what_was_answered_as_done_survives_a_kill(world: World) {
    for confirmed_at_least in [1, 50, 200, 500, 1000] {
        let confirmed = Child::killed_while_signing_in(&world.place, confirmed_at_least);
        assert!(confirmed.len() >= confirmed_at_least);
        for sign_in in &confirmed {
            let session = world.store.verified_session(sign_in.digest).await.expect("read").expect("a session");
            assert_eq!(session.account, sign_in.account);
            let key = world.store.enrolled_key(sign_in.account).await.expect("read").expect("a key");
            assert!(key.last_step >= sign_in.step, "{:?} < {:?}", key.last_step, sign_in.step);
        }
        if let Place::Sqlite(file) = &world.place {
            let healthy: String = Connection::open(file)
                .expect("opened")
                .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                .expect("checked");
            assert_eq!(healthy, "ok");
        }
    }
}
