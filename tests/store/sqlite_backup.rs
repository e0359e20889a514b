//! Backups of a file: what they are, and that none of them is used before it was made fit for that.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use vestibule::second_factor::account::Factor;
use vestibule::second_factor::event::{EventKind, Occasion};
use vestibule::store::Ended;
use vestibule::store::sqlite::{BackupError, OpenError, SqliteClaim, SqliteStore};

use crate::engines::{Place, runtime};
use crate::world::{Person, World, at};

struct Backup {
    _folder: TempDir,
    file: PathBuf,
    ann: Person,
}

/// A backup of a store in which Ann is signed in.
fn backup() -> Backup {
    let folder = TempDir::new().expect("a temporary directory");
    let (store, file) = (folder.path().join("vestibule.db"), folder.path().join("copy of it?.db"));
    let ann = runtime().block_on(async {
        let world = World::at(Place::Sqlite(store.clone())).await;
        let ann = world.person("acme", "ann").await;
        SqliteStore::back_up(&store, &file).expect("a backup");
        ann
    });
    Backup { _folder: folder, file, ann }
}

fn take_in(file: &Path) -> Result<Option<Ended>, OpenError> {
    SqliteStore::take_in(file, &Occasion::of_the_gateway(at(60)))
}

fn refusal(file: &Path) -> OpenError {
    SqliteStore::open(file).err().expect("it is not opened")
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn a_backup_is_one_file_that_only_its_owner_can_read() {
    let Backup { _folder, file, .. } = backup();
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(file.parent().expect("a folder")), ["copy of it?.db", "vestibule.db"]);
}

#[test]
fn a_backup_does_not_open_before_it_was_taken_in_and_then_has_everything_but_what_could_be_used_again() {
    let Backup { _folder, file, ann } = backup();
    assert!(matches!(refusal(&file), OpenError::Backup { .. }));
    assert!(matches!(SqliteClaim::new(&file).err(), Some(OpenError::Backup { .. })));
    let again = SqliteStore::back_up(&file, &beside(&file, ".again")).expect_err("it is none");
    assert!(matches!(again, BackupError::Open(OpenError::Backup { .. })), "{again:?}");
    // A release that knows nothing of backups takes it for no store of its.
    let mark: u32 =
        Connection::open(&file).expect("SQLite").query_row("PRAGMA application_id", [], |r| r.get(0)).expect("one");
    assert_ne!(mark, u32::from_be_bytes(*b"Vest"));

    assert_eq!(take_in(&file).expect("taken in"), Some(Ended { sessions: 1, recovery_codes: 10 }));
    assert_eq!(take_in(&file).expect("looked at"), None, "once");
    runtime().block_on(async {
        let world = World::at(Place::Sqlite(file)).await;
        assert!(matches!(world.account(ann.id).await.factor, Factor::Enrolled { .. }));
        assert!(!world.is_signed_in(&ann.session).await);
        let kinds: Vec<_> = world.audit_log().await.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [EventKind::Enrolled, EventKind::StoreRestored]);
    });
}

/// The release that made it may be the one before. Its store is not brought up to date by that.
#[test]
fn a_backup_of_an_earlier_release_stays_one_until_it_was_taken_in() {
    let folder = TempDir::new().expect("a temporary directory");
    let [store, file] = ["vestibule.db", "copy.db"].map(|name| folder.path().join(name));
    let earlier = include_str!("../../src/store/sqlite/migrations/0001_first.sql");
    let ann = "INSERT INTO organizations VALUES (1, 'site', 'acme', 'optional');
               INSERT INTO accounts (id, organization, user_id, listing) VALUES (1, 1, 'ann', 'ann');
               INSERT INTO recovery_codes VALUES (1, x'00');";
    let marks = format!("PRAGMA user_version = 1; PRAGMA application_id = {}", i32::from_be_bytes(*b"Vest"));
    Connection::open(&store).expect("SQLite").execute_batch(&format!("{earlier} {ann} {marks}")).expect("good SQL");
    SqliteStore::back_up(&store, &file).expect("a backup");
    for file in [&store, &file] {
        let file = Connection::open(file).expect("SQLite");
        assert_eq!(file.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)), Ok(1));
    }
    assert!(matches!(refusal(&file), OpenError::Backup { .. }));
    assert_eq!(take_in(&file).expect("taken in"), Some(Ended { sessions: 0, recovery_codes: 1 }));
    drop(SqliteStore::open(&file).expect("a store of this release"));
}

#[test]
fn of_many_gateways_that_find_a_backup_one_takes_it_in_and_all_open_it() {
    for _ in 0..5 {
        let Backup { _folder, file, .. } = backup();
        let taken: usize = std::thread::scope(|scope| {
            let start = || {
                let taken = take_in(&file).expect("taken in by somebody").is_some();
                drop(SqliteStore::open(&file).expect("a store by now"));
                usize::from(taken)
            };
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().expect("started")).sum()
        });
        assert_eq!(taken, 1);
    }
}

#[test]
fn what_can_not_be_ended_leaves_a_backup_as_it_was() {
    let Backup { _folder, file, .. } = backup();
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the log is full'); END";
    Connection::open(&file).expect("SQLite").execute_batch(refuse).expect("good SQL");
    assert!(matches!(take_in(&file).expect_err("it can't be logged"), OpenError::NotRestored { .. }));
    assert!(matches!(refusal(&file), OpenError::Backup { .. }));
    Connection::open(&file).expect("SQLite").execute_batch("DROP TRIGGER full").expect("good SQL");
    assert_eq!(take_in(&file).expect("taken in"), Some(Ended { sessions: 1, recovery_codes: 10 }));
}

/// What a store that was killed had not written into its own file would be read as a part of the backup.
#[test]
fn the_log_of_another_store_beside_a_backup_is_noticed() {
    let Backup { _folder, file, .. } = backup();
    let folder = file.parent().expect("a folder");
    let (running, left) = (folder.join("vestibule.db"), beside(&file, "-wal"));
    let writer = Connection::open(&running).expect("SQLite");
    writer.execute_batch("UPDATE accounts SET name = 'of another'").expect("good SQL");
    fs::copy(beside(&running, "-wal"), &left).expect("copied");
    let before = fs::read(&file).expect("readable");
    let error = take_in(&file).expect_err("it would be spoiled");
    assert!(matches!(error, OpenError::LogOfAnother { .. }), "{error:?}");
    assert_eq!(fs::read(&file).expect("readable"), before);
    fs::remove_file(left).expect("moved away");
    assert_eq!(take_in(&file).expect("taken in"), Some(Ended { sessions: 1, recovery_codes: 10 }));
}

#[test]
fn nothing_that_is_there_already_is_overwritten_and_nothing_is_left_of_a_backup_that_fails() {
    let Backup { _folder, file, .. } = backup();
    let folder = file.parent().expect("a folder");
    let store = folder.join("vestibule.db");
    let before = fs::read(&file).expect("readable");
    let error = SqliteStore::back_up(&store, &file).expect_err("it is there");
    assert!(matches!(error, BackupError::Taken { .. }), "{error:?}");
    assert!(matches!(SqliteStore::back_up(&store, &store).expect_err("itself"), BackupError::Taken { .. }));
    assert_eq!(fs::read(&file).expect("readable"), before);
    let error = SqliteStore::back_up(&store, &folder.join("missing/copy.db")).expect_err("nowhere");
    assert!(matches!(error, BackupError::Create { .. }), "{error:?}");
    let error = SqliteStore::back_up(&folder.join("missing.db"), &folder.join("copy.db")).expect_err("of nothing");
    assert!(matches!(error, BackupError::Open(_)), "{error:?}");
    fs::write(folder.join("notes"), "hello").expect("ours");
    let error = SqliteStore::back_up(&folder.join("notes"), &folder.join("copy.db")).expect_err("of something else");
    assert!(matches!(error, BackupError::Open(OpenError::NotAStore { .. })), "{error:?}");
    assert_eq!(names(folder), ["copy of it?.db", "notes", "vestibule.db"]);
}

/// Each sign-in uses up a step and opens a session in one transaction, so a moment has as many of the one as of the other.
#[test]
fn a_backup_is_of_one_moment_though_people_sign_in() {
    let folder = TempDir::new().expect("a temporary directory");
    let store = folder.path().join("vestibule.db");
    runtime().block_on(async {
        let world = World::at(Place::Sqlite(store.clone())).await;
        let ann = world.person("acme", "ann").await;
        let (done, mut told) = tokio::sync::oneshot::channel::<()>();
        let signing_in = {
            let world = world.clone();
            tokio::spawn(async move {
                let mut step = 100;
                while told.try_recv().is_err() {
                    step += 1;
                    world.sign_in(ann.id, step, at(step)).await;
                }
                step
            })
        };
        for number in 0..10 {
            let file = folder.path().join(format!("{number}.db"));
            let (from, to) = (store.clone(), file.clone());
            tokio::task::spawn_blocking(move || SqliteStore::back_up(&from, &to)).await.expect("ended").expect("made");
            let copy = Connection::open(file).expect("SQLite");
            let number = |sql| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
            assert_eq!(number("SELECT last_step - 100 FROM accounts"), number("SELECT count(*) - 1 FROM sessions"));
            assert_eq!(copy.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)), Ok("ok".into()));
        }
        done.send(()).expect("somebody signs in");
        assert!(signing_in.await.expect("ended") > 100);
    });
}
