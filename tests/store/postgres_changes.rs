//! The change feed on PostgreSQL, whose numbers are not committed in their order: slow transactions, and those given up.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use tokio_postgres::Client;
use vestibule::second_factor::account::AccountId;
use vestibule::second_factor::session::TokenDigest;
use vestibule::store::{Change, Cursor, Sighting, Store};

use crate::cluster::{connect, until};
use crate::engines::{Place, on_postgres};
use crate::world::{World, sighting, token};

/// The server itself, past the store.
async fn server(world: &World) -> Client {
    let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
    connect(database).await
}

/// A change in a transaction that is slow: it is neither committed nor given up yet.
async fn slow_change(world: &World, account: AccountId) -> Client {
    let slow = server(world).await;
    slow.batch_execute("BEGIN").await.expect("begun");
    slow.execute("INSERT INTO changes (at, account) VALUES (0, $1)", &[&account.0]).await.expect("written");
    slow
}

async fn rename(world: &World, user: &str, name: &str) {
    let seen = Sighting { name: Some(name.into()), ..sighting("acme", user) };
    world.store.sight(seen).await.expect("sighted");
}

async fn news(world: &World, cursor: Cursor) -> (Vec<Change>, Cursor) {
    world.other.changes_since(cursor).await.expect("read")
}

/// Reads until the reader has passed what holds it up, and hears the same each time.
async fn passed(world: &World, start: Cursor, expected: &[Change]) -> Cursor {
    until(async || {
        let (heard, cursor) = news(world, start).await;
        assert_eq!(heard, expected);
        cursor > start
    })
    .await;
    news(world, start).await.1
}

#[test]
fn a_change_is_heard_while_a_slow_one_before_it_is_not_committed_and_the_slow_one_after_that() {
    on_postgres(async |world: World| {
        let (ann, bob) = (world.visitor("acme", "ann").await.id, world.visitor("acme", "bob").await.id);
        let start = world.other.cursor().await.expect("read");
        let slow = slow_change(&world, ann).await;
        rename(&world, "bob", "Bob").await;
        let (heard, cursor) = news(&world, start).await;
        assert_eq!((heard, cursor), (vec![Change::Account(bob)], start), "heard, and not passed");
        assert_eq!(world.other.cursor().await.expect("read"), start, "whoever begins now has to hear the slow one too");
        slow.batch_execute("COMMIT").await.expect("committed");
        let (heard, cursor) = news(&world, start).await;
        assert_eq!(heard, [Change::Account(ann), Change::Account(bob)]);
        assert_eq!(news(&world, cursor).await, (vec![], cursor));
    });
}

#[test]
fn a_change_that_was_given_up_holds_nobody_up() {
    on_postgres(async |world: World| {
        let (ann, bob) = (world.visitor("acme", "ann").await.id, world.visitor("acme", "bob").await.id);
        let start = world.other.cursor().await.expect("read");
        let slow = slow_change(&world, ann).await;
        rename(&world, "bob", "Bob").await;
        assert_eq!(news(&world, start).await.1, start);
        slow.batch_execute("ROLLBACK").await.expect("given up");
        let cursor = passed(&world, start, &[Change::Account(bob)]).await;
        assert_eq!(news(&world, cursor).await, (vec![], cursor));
    });
}

#[test]
fn a_number_that_was_drawn_and_not_used_yet_can_not_be_used_once_it_was_passed() {
    on_postgres(async |world: World| {
        let (ann, bob) = (world.visitor("acme", "ann").await.id, world.visitor("acme", "bob").await.id);
        let start = world.other.cursor().await.expect("read");
        let late = server(&world).await;
        let drawn = late.query_one("SELECT nextval(pg_get_serial_sequence('changes', 'number'))", &[]).await;
        let drawn: i64 = drawn.expect("drawn").get(0);
        rename(&world, "bob", "Bob").await;
        let cursor = passed(&world, start, &[Change::Account(bob)]).await;
        assert!(cursor.0 > drawn, "passed");
        let sql = "INSERT INTO changes (number, at, account) VALUES ($1, 0, $2)";
        let refused = late.execute(sql, &[&drawn, &ann.0]).await.expect_err("the number is taken");
        assert_eq!(refused.as_db_error().and_then(|error| error.constraint()), Some("changes_pkey"));
    });
}

#[test]
fn a_change_whose_number_was_settled_meanwhile_gets_another() {
    on_postgres(async |world: World| {
        let ann = world.visitor("acme", "ann").await.id;
        let start = world.other.cursor().await.expect("read");
        // As a reader does with the numbers that the next changes are going to draw.
        let sql =
            "INSERT INTO changes (number, at) SELECT number, 0 FROM generate_series($1::BIGINT, $1 + 2) AS number";
        server(&world).await.execute(sql, &[&(start.0 + 1)]).await.expect("settled");
        rename(&world, "ann", "Ann").await;
        assert_eq!(news(&world, start).await, (vec![Change::Account(ann)], Cursor(start.0 + 4)));
    });
}

#[test]
fn of_many_changes_at_once_slow_and_given_up_ones_among_them_none_is_missed() {
    on_postgres(async |world: World| {
        let start = world.other.cursor().await.expect("read");
        let over = Arc::new(AtomicBool::new(false));
        // Two readers of the same feed, which settle the same gaps.
        let readers = [&world.store, &world.other]
            .map(|store| tokio::spawn(everything_heard(Arc::clone(store), start, Arc::clone(&over))));
        let mut writers = JoinSet::new();
        for _ in 0..8 {
            writers.spawn(slow_and_quick_changes(world.clone()));
        }
        let committed: HashSet<_> = writers.join_all().await.into_iter().flatten().collect();
        over.store(true, Ordering::SeqCst);
        assert_eq!(committed.len(), 8 * (ROUNDS + ROUNDS / 2));
        let last = server(&world).await.query_one("SELECT max(number) FROM changes", &[]).await.expect("read");
        let last: i64 = last.get(0);
        for reader in readers {
            let (heard, cursor) = reader.await.expect("it ends well");
            assert_eq!(heard, committed);
            until(async || {
                let (again, stands) = news(&world, cursor).await;
                assert!(again.iter().all(|change| matches!(change, Change::Session(told) if heard.contains(told))));
                stands.0 == last
            })
            .await;
        }
    });
}

const ROUNDS: usize = 50;

/// Each round draws a number, draws and commits a later one, and only then commits the first or gives it up. What was
/// committed.
async fn slow_and_quick_changes(world: World) -> Vec<TokenDigest> {
    let (slow, quick) = (server(&world).await, server(&world).await);
    let sql = "INSERT INTO changes (at, session) VALUES (0, $1)";
    let mut committed = vec![];
    for round in 0..ROUNDS {
        let (first, second) = (token(), token());
        // A reader that finds the number between drawing and writing takes it; then it is drawn anew, as the store does.
        loop {
            slow.batch_execute("BEGIN").await.expect("begun");
            if slow.execute(sql, &[&first.0.as_slice()]).await.is_ok() {
                break;
            }
            slow.batch_execute("ROLLBACK").await.expect("given up");
        }
        while quick.execute(sql, &[&second.0.as_slice()]).await.is_err() {}
        committed.push(second);
        if round % 2 == 0 {
            slow.batch_execute("COMMIT").await.expect("committed");
            committed.push(first);
        } else {
            slow.batch_execute("ROLLBACK").await.expect("given up");
        }
    }
    committed
}

/// What a reader hears that goes from where it stands to where it stands next, and once more when all is over.
async fn everything_heard(
    store: Arc<dyn Store>,
    start: Cursor,
    over: Arc<AtomicBool>,
) -> (HashSet<TokenDigest>, Cursor) {
    let (mut cursor, mut heard) = (start, HashSet::new());
    loop {
        let last = over.load(Ordering::SeqCst);
        let (changes, next) = store.changes_since(cursor).await.expect("read");
        assert!(next >= cursor, "never back");
        heard.extend(changes.into_iter().map(|change| match change {
            Change::Session(digest) => digest,
            other => panic!("{other:?}"),
        }));
        cursor = next;
        if last {
            return (heard, cursor);
        }
    }
}
