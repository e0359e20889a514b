//! What is SQLite's own: the file, who may read it, what else it might be, and other processes that open it.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use vestibule::second_factor::account::{AccountId, Factor, OrganizationId};
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::session::TokenDigest;
use vestibule::store::sqlite::{OpenError, SqliteClaim, SqliteStore};
use vestibule::store::{AccountQuery, AuditQuery, Counts};

use crate::child::Child;
use crate::engines::{Place, runtime, sqlite};
use crate::world::{NOON, World, at, by_operator, sighting};

/// A directory of its own, and the path of a store in it.
fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("vestibule.db");
    (directory, file)
}

fn world(file: &Path) -> World {
    runtime().block_on(World::at(Place::Sqlite(file.to_owned())))
}

fn refused(file: &Path) -> OpenError {
    match SqliteStore::open(file) {
        Ok(_) => panic!("{} was opened", file.display()),
        Err(error) => error,
    }
}

/// The text names the file, so that the operator knows which one is meant.
fn assert_names(error: &OpenError, file: &Path) {
    assert!(error.to_string().contains(file.to_str().expect("UTF-8")), "{error}");
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).permissions().mode() & 0o7777
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[test]
fn nobody_else_can_read_a_new_store_or_its_log() {
    let (_directory, file) = place();
    let store = sqlite(&file);
    runtime().block_on(store.sight(sighting("acme", "ann"))).expect("sighted");
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&file, suffix)), 0o600, "{suffix}");
    }
}

#[test]
fn a_store_that_others_could_read_is_closed_to_them() {
    let (_directory, file) = place();
    drop(sqlite(&file));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
    let _store = sqlite(&file);
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&file, suffix)), 0o600, "{suffix}");
    }
}

#[test]
fn a_store_that_was_closed_is_one_file() {
    let (directory, file) = place();
    runtime().block_on(sqlite(&file).sight(sighting("acme", "ann"))).expect("sighted");
    let left: Vec<_> = fs::read_dir(directory.path()).expect("readable").map(|e| e.expect("an entry").path()).collect();
    assert_eq!(left, [file]);
}

#[test]
fn what_was_written_is_there_when_the_store_is_opened_again() {
    let (_directory, file) = place();
    let first = runtime().block_on(sqlite(&file).sight(sighting("acme", "ann"))).expect("sighted");
    let again = runtime().block_on(sqlite(&file).account(first.0.id)).expect("read");
    assert_eq!(again, Some(first));
}

#[test]
fn an_empty_file_becomes_a_store() {
    let (_directory, file) = place();
    fs::write(&file, "").expect("written");
    runtime().block_on(sqlite(&file).ready()).expect("ready");
}

#[test]
fn a_file_name_is_not_read_as_an_address() {
    let (directory, _) = place();
    let file = directory.path().join("file:vestibule.db?mode=memory");
    runtime().block_on(sqlite(&file).ready()).expect("ready");
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn many_gateways_that_start_at_once_make_one_store() {
    for _ in 0..10 {
        let (_directory, file) = place();
        let stores: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| sqlite(&file))).collect();
            starts.into_iter().map(|start| start.join().expect("started")).collect()
        });
        let sighted =
            stores.iter().map(|store| runtime().block_on(store.sight(sighting("acme", "ann"))).expect("sighted"));
        let accounts: Vec<_> = sighted.collect();
        assert!(accounts.iter().all(|account| *account == accounts[0]));
    }
}

#[test]
fn a_missing_directory_is_told() {
    let (directory, _) = place();
    let file = directory.path().join("missing").join("vestibule.db");
    let error = refused(&file);
    assert!(matches!(error, OpenError::Create { .. }), "{error:?}");
    assert_names(&error, &file);
    assert!(error.source().expect("a cause").to_string().contains("No such file"), "{error:?}");
}

#[test]
fn a_directory_is_no_store() {
    let (directory, _) = place();
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Open { .. }), "{error:?}");
    assert_names(&error, directory.path());
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_as_it_is() {
    for content in [b"hello".to_vec(), b"notes of a meeting\n".repeat(1000), vec![0; 100], vec![0xff; 100_000]] {
        let (_directory, file) = place();
        fs::write(&file, &content).expect("written");
        let error = refused(&file);
        assert!(matches!(error, OpenError::NotAStore { .. }), "{error:?}");
        assert_names(&error, &file);
        assert_eq!(fs::read(&file).expect("readable"), content);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let other_programs = [
        "CREATE TABLE notes (text)",
        "PRAGMA application_id = 252006673; CREATE TABLE notes (text)",
        "PRAGMA user_version = 1",
        "PRAGMA journal_mode = WAL; CREATE TABLE notes (text)",
    ];
    for sql in other_programs {
        let (_directory, file) = place();
        Connection::open(&file).expect("opened").execute_batch(sql).expect("good SQL");
        let content = fs::read(&file).expect("readable");
        let error = refused(&file);
        assert!(matches!(error, OpenError::NotAStore { .. }), "{sql}: {error:?}");
        assert_names(&error, &file);
        assert_eq!(fs::read(&file).expect("readable"), content);
    }
}

#[test]
fn a_store_of_a_later_release_is_refused_and_left_as_it_is() {
    let (_directory, file) = place();
    drop(sqlite(&file));
    Connection::open(&file).expect("opened").execute_batch("PRAGMA user_version = 99").expect("good SQL");
    let content = fs::read(&file).expect("readable");
    let error = refused(&file);
    assert!(matches!(error, OpenError::Newer { found: 99, known: 5, .. }), "{error:?}");
    assert_names(&error, &file);
    assert!(error.to_string().contains("version 99"), "{error}");
    assert_eq!(fs::read(&file).expect("readable"), content);
}

#[test]
fn a_store_that_a_later_release_brought_further_is_used_if_that_release_allows_it() {
    let (_directory, file) = place();
    drop(sqlite(&file));
    let header = |oldest: i32| {
        Connection::open(&file).expect("opened").pragma_update(None, "user_version", oldest * 0x1_0000 + 99)
    };
    header(1).expect("set");
    runtime().block_on(sqlite(&file).ready()).expect("it only added");
    let claim = SqliteClaim::new(&file).err().expect("what it can't copy in full is not copied");
    assert!(matches!(claim, OpenError::Newer { found: 99, .. }), "{claim:?}");
    header(98).expect("set");
    let error = refused(&file);
    assert!(matches!(error, OpenError::Newer { found: 99, known: 5, .. }), "{error:?}");
}

#[test]
fn a_store_of_the_first_release_is_brought_up_to_date() {
    let (_directory, file) = place();
    let connection = Connection::open(&file).expect("opened");
    connection.execute_batch(include_str!("../../src/store/sqlite/migrations/0001_first.sql")).expect("good SQL");
    let filled = "PRAGMA user_version = 1; PRAGMA application_id = 0x56657374;
                  INSERT INTO organizations VALUES (1, 'site', 'acme', 'required');
                  INSERT INTO accounts (id, organization, user_id, listing) VALUES (1, 1, 'ann', 'ann');
                  INSERT INTO pending_enrollments VALUES (zeroblob(32), 1, zeroblob(9), 1800000000000, NULL);";
    connection.execute_batch(filled).expect("good SQL");
    runtime().block_on(async {
        let world = World::at(Place::Sqlite(file)).await;
        let begun = world.store.pending_enrollment(TokenDigest([0; 32]), NOON).await.expect("read").expect("there");
        assert_eq!((begun.account, begun.ticket), (AccountId(1), None));
        let ticket = world.ticket(&world.account(AccountId(1)).await).await;
        assert!(world.enrollment_by(ticket, AccountId(1), NOON).await.is_some());
    });
}

#[test]
fn a_damaged_store_is_told() {
    let (_directory, file) = place();
    drop(sqlite(&file));
    let mut content = fs::read(&file).expect("readable");
    content[100..4000].fill(0xaa);
    fs::write(&file, content).expect("written");
    let error = refused(&file);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert_names(&error, &file);
    assert!(error.source().is_some());
}

#[test]
fn a_store_that_can_only_be_read_is_told() {
    let (directory, file) = place();
    drop(sqlite(&file));
    for (path, mode) in [(directory.path(), 0o555), (&file, 0o444)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }
    let told = Child::refused_as_nobody(&directory, &file);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    assert_eq!(
        told,
        format!(
            "the store {file:?} is read-only; the file and its directory must be writable for the user Vestibule runs as"
        )
    );
    assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o444);
}

#[test]
fn a_store_of_the_first_release_is_brought_up_to_date_and_listed() {
    let (_directory, file) = place();
    let first = include_str!("../../src/store/sqlite/migrations/0001_first.sql");
    let people = "INSERT INTO organizations VALUES (1, 'site', 'acme', 'optional');
         INSERT INTO accounts (organization, user_id, name, listing, secret, enrolled_at, last_step)
         VALUES (1, 'u1', 'Ann', 'ann' || char(10, 10) || 'u1', x'00', 1, 1),
                (1, 'u2', 'Bob', 'bob' || char(10, 10) || 'u2', NULL, NULL, NULL);
         INSERT INTO audit (at, kind, actor, organization, organization_name)
         VALUES (1, 'store_copied', 'operator', 1, 'acme'), (2, 'key_added', 'operator', 0, '');
         PRAGMA user_version = 1; PRAGMA application_id = 0x56657374;";
    Connection::open(&file).expect("opened").execute_batch(&format!("{first}; {people}")).expect("made");
    let World { store, .. } = world(&file);
    runtime().block_on(async {
        let query = AccountQuery {
            organization: Some(OrganizationId(1)),
            enrolled_only: true,
            search: None,
            now: at(0),
            offset: 0,
            limit: 9,
        };
        let page = store.accounts(query.clone()).await.expect("listed");
        assert_eq!((page.total, page.rows[0].account.key.user.as_str()), (1, "u1"));
        assert_eq!(store.counts(OrganizationId(1)).await.expect("counted"), Counts { accounts: 2, enrolled: 1 });
        let log = AuditQuery { organization: None, subject: None, before: None, offset: 0, limit: 9 };
        assert_eq!(store.audit(log).await.expect("read").total, 2);
    });
    let letters = "SELECT count(*) FROM accounts_search WHERE accounts_search MATCH '\"bob\"'";
    let found: i64 = Connection::open(&file).expect("opened").query_row(letters, [], |row| row.get(0)).expect("asked");
    assert_eq!(found, 1);
}

#[test]
fn the_schema_is_the_one_on_record() {
    let (_directory, file) = place();
    drop(sqlite(&file));
    let connection = Connection::open(&file).expect("opened");
    let mut statement = connection
        .prepare("SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name")
        .expect("good SQL");
    let found: Vec<String> =
        statement.query_map([], |row| row.get(0)).expect("run").collect::<Result<_, _>>().expect("read");
    let found = format!("{}\n", found.join("\n"));
    let on_record = include_str!("sqlite_schema.sql");
    assert!(found == on_record, "tests/store/sqlite_schema.sql should be, if the change is meant:\n{found}");
}

#[test]
fn what_can_not_be_logged_is_not_done() {
    let (_directory, file) = place();
    let world = world(&file);
    runtime().block_on(async {
        let ann = world.person("acme", "ann").await;
        let refuse = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the log is full'); END";
        Connection::open(&file).expect("opened").execute_batch(refuse).expect("good SQL");
        let acme = Authority::Operator(world.organization("acme").await.id);
        let error = world.store.reset_account(acme, ann.id, by_operator(at(1))).await.expect_err("it can't be logged");
        assert_eq!(error.to_string(), "the store can't reset an account");
        assert!(matches!(world.account(ann.id).await.factor, Factor::Enrolled { .. }));
        assert!(world.is_signed_in(&ann.session).await);
        world.store.ready().await.expect("the store goes on");
    });
}

#[test]
fn a_store_that_can_not_be_written_to_is_not_ready() {
    let (_directory, file) = place();
    let store = sqlite(&file);
    let refuse = "CREATE TRIGGER full BEFORE UPDATE ON readiness BEGIN SELECT RAISE(ABORT, 'full'); END";
    Connection::open(&file).expect("opened").execute_batch(refuse).expect("good SQL");
    let error = runtime().block_on(store.ready()).expect_err("nothing can be written");
    assert_eq!(error.to_string(), "the store can't be written to");
}

#[test]
fn the_store_works_on_any_runtime() {
    let (_directory, file) = place();
    let store = sqlite(&file);
    for _ in 0..2 {
        let small = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        small.block_on(store.sight(sighting("acme", "ann"))).expect("sighted");
    }
}
