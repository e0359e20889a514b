//! Trouble on PostgreSQL: restarts, broken connections, deadlocks, a COMMIT of unknown outcome. What is answered is so.

use std::sync::Arc;

use tokio_postgres::Client;
use vestibule::second_factor::account::Factor;
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::throttle::Bucket;
use vestibule::store::postgres::PostgresStore;
use vestibule::store::{Cursor, Effect, Store};

use crate::cluster::{Cluster, connect, until};
use crate::engines::{Place, on_postgres, runtime};
use crate::world::{World, at, by, by_operator, new_session, session_of, sighting, token};

/// The server itself, past the store.
async fn server(world: &World) -> Client {
    let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
    connect(database).await
}

#[test]
fn a_store_goes_on_when_the_server_was_restarted() {
    let cluster = Cluster::start(5432, &["fsync = off"], |_| {});
    runtime().block_on(async {
        let world = World::at(Place::Postgres(cluster.store().await)).await;
        let ann = world.person("acme", "ann").await;
        let before = world.other.cursor().await.expect("read");
        for step in 101..105 {
            cluster.restart();
            // Every connection is dead; nobody who asks now is told so.
            let session = world.sign_in(ann.id, step, at(step)).await;
            assert!(world.is_signed_in(&session).await);
            world.other.ready().await.expect("ready");
        }
        assert_eq!(world.other.changes_since(before).await.expect("read"), (vec![], before));
    });
}

#[test]
fn a_server_that_is_away_for_long_is_told_and_found_again() {
    let cluster = Cluster::start(5432, &["fsync = off"], |_| {});
    runtime().block_on(async {
        let world = World::at(Place::Postgres(cluster.store().await)).await;
        cluster.stop();
        let error = world.store.ready().await.expect_err("nobody is there");
        assert_eq!(error.to_string(), "the store can't be written to");
        cluster.go_on();
        until(async || world.store.ready().await.is_ok()).await;
    });
}

#[test]
fn what_can_not_be_logged_is_not_done() {
    on_postgres(async |world: World| {
        let ann = world.person("acme", "ann").await;
        let refuse =
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''the log is full''; END';
                      CREATE TRIGGER refuse BEFORE INSERT ON audit EXECUTE FUNCTION refuse()";
        server(&world).await.batch_execute(refuse).await.expect("good SQL");
        let acme = Authority::Operator(world.organization("acme").await.id);
        let error = world.store.reset_account(acme, ann.id, by_operator(at(1))).await.expect_err("it can't be logged");
        assert_eq!(error.to_string(), "the store can't reset an account");
        assert!(matches!(world.account(ann.id).await.factor, Factor::Enrolled { .. }));
        assert!(world.is_signed_in(&ann.session).await);
        world.store.ready().await.expect("the store goes on");
    });
}

#[test]
fn a_caller_that_goes_away_does_not_take_its_work_along() {
    on_postgres(async |world: World| {
        let ann = world.visitor("acme", "ann").await.id;
        let holder = server(&world).await;
        holder.batch_execute("BEGIN").await.expect("begun");
        holder.execute("SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE", &[&ann.0]).await.expect("locked");
        let store = Arc::clone(&world.store);
        let charge = tokio::spawn(async move { store.charge_attempt(ann, Bucket::Code, at(1)).await });
        let observer = server(&world).await;
        is_waited_for(&observer).await;
        charge.abort();
        assert!(charge.await.expect_err("gone").is_cancelled());
        holder.batch_execute("COMMIT").await.expect("let go");
        let counted = "SELECT count(*) FROM failed_tries";
        until(async || observer.query_one(counted, &[]).await.expect("asked").get::<_, i64>(0) == 1).await;
    });
}

#[test]
fn the_store_works_on_any_runtime() {
    on_postgres(async |world: World| {
        let Place::Postgres(database) = world.place.clone() else { panic!("it is about PostgreSQL") };
        std::thread::spawn(move || {
            let small = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let store = small().block_on(PostgresStore::open(&database, None)).expect("opened");
            for _ in 0..2 {
                small().block_on(store.sight(sighting("acme", "ann"))).expect("sighted");
            }
        })
        .join()
        .expect("it ends well");
        assert_eq!(world.store.cursor().await.expect("read"), Cursor(0));
    });
}

#[test]
fn what_lost_to_a_deadlock_is_done_again() {
    on_postgres(async |world: World| {
        let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
        let ann = world.person("acme", "ann").await;
        let rival = server(&world).await;
        // Who looks for a deadlock finds it and gives up; the rival does not look.
        let looking = format!("ALTER DATABASE {} SET deadlock_timeout = '3s'", database.name);
        rival.batch_execute(&looking).await.expect("set");
        rival.batch_execute("SET deadlock_timeout = '1h'; BEGIN").await.expect("begun");
        rival.execute("SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE", &[&ann.session.id.0]).await.expect("locked");
        let store = PostgresStore::open(database, None).await.expect("opened");
        let matched = world.step(ann.id, 101).await;
        let step_up = tokio::spawn(async move {
            let effect = Effect::StepUp { session: ann.session.id, digest: token() };
            store.accept_step(ann.id, matched, effect, by(ann.id, at(1))).await
        });
        is_waited_for(&server(&world).await).await;
        rival.execute("SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE", &[&ann.id.0]).await.expect("locked");
        rival.batch_execute("COMMIT").await.expect("committed");
        session_of(step_up.await.expect("it ends well").expect("answered"));
    });
}

/// Waits until a transaction waits for another.
async fn is_waited_for(observer: &Client) {
    let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    until(async || !observer.query(waiting, &[]).await.expect("asked").is_empty()).await;
}

/// From now on the first connection that writes to the audit log ends there; with `deferred`, when it commits.
async fn end_the_first_that_logs(world: &World, deferred: bool) {
    let kind = if deferred { "CONSTRAINT TRIGGER" } else { "TRIGGER" };
    let when = if deferred { "DEFERRABLE INITIALLY DEFERRED" } else { "" };
    let sql = format!(
        "CREATE SEQUENCE times;
         CREATE FUNCTION end_the_first() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
             IF nextval(''times'') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL;
         END';
         CREATE {kind} end_the_first AFTER INSERT ON audit {when} FOR EACH ROW EXECUTE FUNCTION end_the_first()"
    );
    server(world).await.batch_execute(&sql).await.expect("good SQL");
}

#[test]
fn what_a_broken_connection_undid_is_done_again() {
    on_postgres(async |world: World| {
        let ann = world.person("acme", "ann").await;
        end_the_first_that_logs(&world, false).await;
        world.sign_in(ann.id, 101, at(1)).await;
        assert_eq!(world.store.sessions_of(ann.id).await.expect("listed").len(), 2, "once");
    });
}

#[test]
fn what_may_have_been_committed_or_not_is_an_error_and_not_tried_again() {
    on_postgres(async |world: World| {
        let ann = world.person("acme", "ann").await;
        end_the_first_that_logs(&world, true).await;
        let (matched, effect) = (world.step(ann.id, 101).await, Effect::SignIn(new_session()));
        let error = world.store.accept_step(ann.id, matched, effect, by(ann.id, at(1))).await.expect_err("unknown");
        assert_eq!(error.to_string(), "the store can't accept a code");
        let times = server(&world).await.query_one("SELECT last_value FROM times", &[]).await.expect("read");
        assert_eq!(times.get::<_, i64>(0), 1, "once");
        world.sign_in(ann.id, 101, at(2)).await;
    });
}
