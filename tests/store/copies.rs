//! A store that is copied to another place, of either engine: all of it arrives, and nothing of it comes back to life.

use tempfile::TempDir;
use tokio::task::LocalSet;
use vestibule::audit_chain;
use vestibule::copying::{self, CopyError};
use vestibule::second_factor::account::Requirement;
use vestibule::second_factor::event::EventKind;
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::sealing::Sealed;
use vestibule::second_factor::throttle::{Bucket, Charge};
use vestibule::second_factor::ticket::TicketDigest;
use vestibule::second_factor::totp::Step;
use vestibule::store::{Acceptance, AccountQuery, AuditEntry, Effect, MatchedStep, NewTicket, Store};

use crate::audit_chain::keys;
use crate::cluster::{Cluster, connect};
use crate::engines::Place;
use crate::world::{NOON, Person, World, at, by, by_operator, days, new_session, sighting};

on_every_engine! {
    everything_arrives_on_either_engine,
    nothing_that_was_over_comes_back,
    what_is_new_gets_numbers_of_its_own,
    a_store_that_has_been_used_takes_no_copy,
    a_store_without_anything_in_it_is_not_copied,
    a_store_in_use_is_neither_copied_nor_copied_to,
    a_copy_that_breaks_off_leaves_nothing_and_can_be_made_again,
    a_copy_that_differs_is_thrown_away,
}

/// When the copies are made.
const THEN: i64 = 1_000_000;

/// That of somebody who has no key.
const CARLS_TICKET: TicketDigest = TicketDigest([7; 32]);

/// Places that were never used, on each engine.
async fn new_places(folder: &TempDir) -> [Place; 2] {
    let file = folder.path().join("copy.db");
    [Place::Sqlite(file), Place::Postgres(Cluster::shared().store().await)]
}

async fn copy(from: &Place, to: &Place) -> Result<Vec<copying::Arrived>, Box<dyn std::error::Error>> {
    let copied = async {
        let (mut old, mut new) = (from.claim().await?, to.claim().await?);
        Ok(copying::copy(old.as_mut(), new.as_mut(), &by_operator(at(THEN))).await?)
    };
    LocalSet::new().run_until(copied).await
}

/// Something of everything there is, and then nobody has it open. Returns somebody who is signed in.
async fn lived_in(world: World) -> (Place, Person) {
    let ann = world.person("acme", "ann").await;
    world.sign_in(ann.id, 103, at(5)).await;
    world.recover(&ann, 0, at(6)).await;
    let bob = world.person("acme", "bob").await;
    world.fail(bob.id, Bucket::Code, 20).await;
    let carl = world.visitor("acme", "carl").await;
    world.pending(carl.id).await;
    let ticket = NewTicket { digest: CARLS_TICKET, expires: at(2 * THEN) };
    let acme = Authority::Operator(carl.organization);
    world.store.issue_ticket(acme, carl.id, ticket, by_operator(NOON)).await.expect("answered").expect("issued");
    let dora = world.person("globex", "dora").await;
    let globex = Authority::Operator(world.organization("globex").await.id);
    world.store.reset_account(globex, dora.id, by_operator(at(7))).await.expect("answered").expect("reset");
    world.store.set_requirement(globex, Requirement::Required, by_operator(at(8))).await.expect("set");
    // More than goes at a time.
    for number in 0..1200 {
        world.charge(carl.id, Bucket::Recovery, days(1).plus(std::time::Duration::from_hours(number))).await;
    }
    audit_chain::grow(world.store.as_ref(), &keys(1)).await.expect("linked");
    // Something was deleted because it was old, and something is new.
    assert_eq!(audit_chain::forget(world.store.as_ref(), &keys(1), at(1), 1).await.expect("forgotten"), 1);
    world.store.record_of_store(EventKind::KeyAdded, by_operator(at(9))).await.expect("recorded");
    // By the key that all secrets here are sealed with.
    world.store.set_key_check(Sealed([&[0; 5][..], &[7; 35]].concat())).await.expect("set");
    let World { place, store, other } = world;
    drop((store, other));
    (place, ann)
}

/// All that can be asked of a store.
async fn portrait(store: &dyn Store) -> (String, Vec<AuditEntry>) {
    let everyone =
        AccountQuery { organization: None, enrolled_only: false, search: None, now: NOON, offset: 0, limit: 1000 };
    let accounts = store.accounts(everyone).await.expect("listed");
    let mut told = vec![format!("{accounts:#?}{:?}", store.key_check().await.expect("read"))];
    for organization in store.organizations().await.expect("listed") {
        let counts = store.counts(organization.id).await.expect("counted");
        told.push(format!("{organization:?} {counts:?}"));
    }
    for record in &accounts.rows {
        let key = store.enrolled_key(record.account.id).await.expect("read").map(|key| (key.id, key.secret));
        told.push(format!("{key:?}"));
    }
    let everything =
        vestibule::store::AuditQuery { organization: None, subject: None, before: None, offset: 0, limit: 1000 };
    let log = store.audit(everything).await.expect("read");
    assert_eq!(log.total, log.rows.len() as u64);
    (told.concat(), log.rows)
}

async fn everything_arrives_on_either_engine(world: World) {
    let (from, ann) = lived_in(world).await;
    let folder = TempDir::new().expect("a temporary directory");
    let (before, log) = portrait(from.open().await.as_ref()).await;
    let mut digests = Vec::new();
    for to in new_places(&folder).await {
        let arrived = copy(&from, &to).await.expect("copied");
        digests.push(arrived.iter().map(|table| (table.rows, table.digest.as_ref().to_vec())).collect::<Vec<_>>());
        let store = to.open().await;
        let (after, copied_log) = portrait(store.as_ref()).await;
        assert_eq!(after, before);
        let (notes, copied_log) = copied_log.split_at(2);
        assert_eq!(copied_log, log);
        assert!(notes.iter().all(|note| note.kind == EventKind::StoreCopied && note.at == at(THEN)), "{notes:?}");
        let mut told: Vec<_> = notes.iter().map(|note| note.organization.as_str()).collect();
        told.sort_unstable();
        assert_eq!(told, ["acme", "globex"]);
        assert_eq!(store.recovery_codes_left(ann.id).await.expect("counted"), 9);
        let verdict = audit_chain::verify(store.as_ref(), &keys(1), None).await.expect("verified");
        assert_eq!((verdict.flaws, verdict.cut, verdict.new), (vec![], 1, 3), "the chain goes along");
        audit_chain::grow(store.as_ref(), &keys(1)).await.expect("linked");
        let verdict = audit_chain::verify(store.as_ref(), &keys(1), Some(verdict.end)).await.expect("verified");
        assert_eq!((verdict.flaws, verdict.new), (vec![], 0), "and goes on");
    }
    assert_eq!(digests[0], digests[1], "the same digests on both engines");
    assert!(digests[0].iter().all(|(rows, _)| *rows > 0), "something of everything: {digests:?}");
    let (unchanged, its_log) = portrait(from.open().await.as_ref()).await;
    assert_eq!((unchanged, its_log), (before, log), "the old store is as it was");
}

async fn nothing_that_was_over_comes_back(world: World) {
    let (from, ann) = lived_in(world).await;
    let folder = TempDir::new().expect("a temporary directory");
    for to in new_places(&folder).await {
        copy(&from, &to).await.expect("copied");
        let world = World::at(to).await;
        assert!(!world.is_signed_in(&ann.session).await);
        assert_eq!(world.store.sessions_of(ann.id).await.expect("listed"), []);
        // A ticket may have been used since, so none is good.
        let carl = world.visitor("acme", "carl").await;
        assert_eq!(world.enrollment_by(CARLS_TICKET, carl.id, at(THEN)).await, None);
        // A used recovery code stays used, others are good.
        for (code, accepted) in [(0, false), (1, true)] {
            let effect = Effect::SignIn(new_session());
            let spent = world.store.spend_recovery_code(ann.id, ann.codes[code], effect, by(ann.id, at(THEN)));
            assert_eq!(matches!(spent.await.expect("answered"), Acceptance::Accepted(_)), accepted, "{code}");
        }
        // Whatever an authenticator shows now or next, the old store may have accepted it after it was backed up.
        let key = world.store.enrolled_key(ann.id).await.expect("read").expect("a key");
        let now = Step::at(at(THEN)).0;
        for (step, accepted) in [(104, false), (now - 1, false), (now, false), (now + 1, false), (now + 2, true)] {
            let matched = MatchedStep { key: key.id, step: Step(step) };
            let effect = Effect::SignIn(new_session());
            let given = world.store.accept_step(ann.id, matched, effect, by(ann.id, at(THEN))).await.expect("answered");
            assert_eq!(matches!(given, Acceptance::Accepted(_)), accepted, "{}", step - now);
        }
        // Whoever was locked stays so.
        let everyone = AccountQuery {
            organization: None,
            enrolled_only: false,
            search: Some("bob".into()),
            now: NOON,
            offset: 0,
            limit: 9,
        };
        let bob = world.store.accounts(everyone).await.expect("listed").rows.remove(0);
        assert!(matches!(world.charge(bob.account.id, Bucket::Code, at(THEN)).await, Charge::Locked(_)));
    }
}

async fn what_is_new_gets_numbers_of_its_own(world: World) {
    let (from, _) = lived_in(world).await;
    let folder = TempDir::new().expect("a temporary directory");
    for to in new_places(&folder).await {
        copy(&from, &to).await.expect("copied");
        let world = World::at(to).await;
        let before = world.store.cursor().await.expect("read");
        let log = world.audit_log().await.len();
        let zoe = world.person("initech", "zoe").await;
        assert_eq!(zoe.id.0, 5, "after the four that were there");
        assert_eq!(world.audit_log().await.len(), log + 1);
        assert_eq!(world.other.changes_since(before).await.expect("read").0.len(), 1);
        let counts = world.store.counts(world.organization("initech").await.id).await.expect("counted");
        assert_eq!((counts.accounts, counts.enrolled), (1, 1));
    }
}

async fn a_store_that_has_been_used_takes_no_copy(world: World) {
    let (from, _) = lived_in(world).await;
    let folder = TempDir::new().expect("a temporary directory");
    for to in new_places(&folder).await {
        let used = to.open().await;
        used.sight(sighting("acme", "somebody")).await.expect("sighted");
        drop(used);
        let refused = copy(&from, &to).await.expect_err("it is used");
        assert!(matches!(refused.downcast_ref(), Some(CopyError::NotEmpty)), "{refused}");
        let (kept, log) = portrait(to.open().await.as_ref()).await;
        assert!(kept.contains("somebody") && !kept.contains("ann") && log.is_empty(), "left as it was");
    }
}

async fn a_store_without_anything_in_it_is_not_copied(world: World) {
    let World { place, store, other } = world;
    drop((store, other));
    let folder = TempDir::new().expect("a temporary directory");
    for to in new_places(&folder).await {
        let refused = copy(&place, &to).await.expect_err("nothing is there");
        assert!(matches!(refused.downcast_ref(), Some(CopyError::NothingThere)), "{refused}");
    }
}

async fn a_store_in_use_is_neither_copied_nor_copied_to(world: World) {
    let folder = TempDir::new().expect("a temporary directory");
    world.person("acme", "ann").await;
    let served = world.place.clone();
    for other in new_places(&folder).await {
        for (from, to) in [(&served, &other), (&other, &served)] {
            let refused = copy(from, to).await.expect_err("it is in use");
            assert!(refused.to_string().contains("is in use"), "{refused}");
        }
    }
    world.store.ready().await.expect("nobody is kept from anything");
}

/// Has the engine do that to every row of a table that is added.
async fn at_each_row(place: &Place, table: &str, sqlite: &str, postgres: &str) {
    match place {
        Place::Sqlite(file) => {
            drop(place.open().await);
            let sql = format!("CREATE TRIGGER meddles AFTER INSERT ON {table} BEGIN {sqlite}; END");
            rusqlite::Connection::open(file).expect("opened").execute_batch(&sql).expect("good SQL");
        }
        Place::Postgres(database) => {
            let sql = format!(
                "CREATE FUNCTION meddles() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {postgres}; RETURN NEW; END';
                 CREATE TRIGGER meddles BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION meddles()"
            );
            connect(database).await.batch_execute(&sql).await.expect("good SQL");
        }
    }
}

async fn meddles_no_more(place: &Place, table: &str) {
    match place {
        Place::Sqlite(file) => {
            rusqlite::Connection::open(file).expect("opened").execute_batch("DROP TRIGGER meddles").expect("ours");
        }
        Place::Postgres(database) => {
            let sql = format!("DROP TRIGGER meddles ON {table}");
            connect(database).await.batch_execute(&sql).await.expect("ours");
        }
    }
}

async fn a_copy_that_breaks_off_leaves_nothing_and_can_be_made_again(world: World) {
    let (from, _) = lived_in(world).await;
    let folder = TempDir::new().expect("a temporary directory");
    for to in new_places(&folder).await {
        at_each_row(&to, "audit", "SELECT RAISE(ABORT, 'full')", "RAISE ''full''").await;
        let broken = copy(&from, &to).await.expect_err("it is full");
        assert!(matches!(broken.downcast_ref(), Some(CopyError::Store(_))), "{broken}");
        let store = to.open().await;
        assert_eq!(store.organizations().await.expect("listed"), []);
        drop(store);
        meddles_no_more(&to, "audit").await;
        copy(&from, &to).await.expect("copied");
    }
}

async fn a_copy_that_differs_is_thrown_away(world: World) {
    let (from, _) = lived_in(world).await;
    let folder = TempDir::new().expect("a temporary directory");
    for to in new_places(&folder).await {
        let (sqlite, postgres) = ("UPDATE accounts SET reset_at = 1 WHERE user_id = 'carl'", "NEW.email := ''x''");
        at_each_row(&to, "accounts", sqlite, postgres).await;
        let refused = copy(&from, &to).await.expect_err("it differs");
        assert!(matches!(refused.downcast_ref(), Some(CopyError::Differs { table: "accounts" })), "{refused}");
        assert_eq!(to.open().await.organizations().await.expect("listed"), []);
    }
}
