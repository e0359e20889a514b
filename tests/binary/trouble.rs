//! Why it does not start: it says which file, and what to do about it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::installation::{Ended, Installation};
use crate::support::optional;

/// An installation that ran once, and so has a store and a key.
async fn used() -> Installation {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    gateway.is_told_to_stop();
    gateway.ends().await;
    installation
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let busy = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = busy.local_addr().expect("a bound socket has an address").to_string();
    for place in ["[server]\nlisten = [\"127.0.0.1:0\"]", "[operations]\nlisten = \"127.0.0.1:0\""] {
        let changed = place.replace("127.0.0.1:0", &address);
        let installation = Installation::new(&optional().with(place, &changed)).await;
        installation.run(&["serve"]).is_refused(&[&address, "in use"]);
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    for mode in [0o644, 0o640, 0o604, 0o666, 0o660] {
        let installation = used().await;
        set_mode(&installation.file("vestibule.key"), mode);
        installation.run(&["serve"]).is_refused(&["vestibule.key", "chmod 600"]);
    }
}

#[tokio::test]
async fn the_key_that_it_makes_is_for_its_owner_alone_and_so_is_the_store() {
    let installation = used().await;
    for name in ["vestibule.key", "vestibule.db"] {
        let mode = installation.file(name).metadata().expect("it was made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_store_in_a_folder_that_is_not_there_is_named() {
    let elsewhere = optional().with("sqlite:vestibule.db", "sqlite:nowhere/vestibule.db");
    let installation = Installation::new(&elsewhere).await;
    installation.run(&["serve"]).is_refused(&["nowhere/vestibule.db", "directory must exist"]);
    installation.run(&["accounts", "list"]).is_refused(&["nowhere/vestibule.db", "directory must exist"]);
}

#[tokio::test]
async fn a_store_that_can_not_be_written_to_is_refused() {
    let installation = used().await;
    set_mode(&installation.file("vestibule.db"), 0o444);
    let mut command = installation.command(&["serve"]);
    if may_write(&installation.file("vestibule.db")) {
        // For the superuser nothing is read-only, so it runs as somebody else, with a copy of the binary that is in
        // their reach.
        set_mode(installation.folder(), 0o755);
        let copy = installation.file("vestibule");
        // By another process: while this one has it open for writing, a test beside could give that to its own child,
        // and what somebody has open for writing can't be run.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_vestibule")).arg(&copy).status();
        assert!(copied.expect("there is cp").success());
        command = Command::new(copy);
        command.arg("serve").current_dir(installation.folder()).uid(65534).gid(65534);
    }
    Ended::of(&mut command).is_refused(&["vestibule.db", "read-only", "must be writable"]);
}

fn may_write(path: &Path) -> bool {
    std::fs::OpenOptions::new().append(true).open(path).is_ok()
}

#[tokio::test]
async fn a_file_of_something_else_is_left_as_it_is() {
    let installation = Installation::new(&optional()).await;
    let path = installation.file("vestibule.db");
    std::fs::write(&path, "Dear diary, today I learned of databases. ".repeat(50)).expect("the folder is ours");
    let before = std::fs::read(&path).expect("it was written");
    installation.run(&["serve"]).is_refused(&["vestibule.db", "not a Vestibule store"]);
    assert!(std::fs::read(&path).expect("it is there") == before);

    let installation = Installation::new(&optional()).await;
    let path = installation.file("vestibule.db");
    let other = rusqlite::Connection::open(&path).expect("a database");
    other.execute_batch("CREATE TABLE diary (text TEXT)").expect("a table");
    drop(other);
    installation.run(&["serve"]).is_refused(&["vestibule.db", "not a Vestibule store", "[store] url"]);
    installation.run(&["organizations", "list"]).is_refused(&["vestibule.db", "not a Vestibule store"]);
    let other = rusqlite::Connection::open(&path).expect("a database");
    let tables: i64 = other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("a schema");
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_store_of_a_later_release_is_not_touched() {
    let installation = used().await;
    let store = rusqlite::Connection::open(installation.file("vestibule.db")).expect("the store");
    store.pragma_update(None, "user_version", 999).expect("it can be written");
    drop(store);
    installation.run(&["serve"]).is_refused(&["vestibule.db", "version 999", "run the release that wrote it"]);
}

#[tokio::test]
async fn a_damaged_store_is_named() {
    let installation = used().await;
    let path = installation.file("vestibule.db");
    let mut bytes = std::fs::read(&path).expect("it was made");
    bytes[100..4096].fill(0xa5);
    std::fs::write(&path, bytes).expect("it is ours");
    installation.run(&["serve"]).is_refused(&["vestibule.db", "damaged", "backup"]);
}

#[tokio::test]
async fn a_key_of_another_store_is_refused() {
    let (one, other) = (used().await, used().await);
    std::fs::copy(other.file("vestibule.key"), one.file("vestibule.key")).expect("both are ours");
    one.run(&["serve"]).is_refused(&["vestibule.key", "does not belong to this store"]);
}

#[tokio::test]
async fn a_key_that_is_missing_is_not_made_anew_beside_a_store_that_was_sealed() {
    let installation = used().await;
    std::fs::remove_file(installation.file("vestibule.key")).expect("it was made");
    installation.run(&["serve"]).is_refused(&["vestibule.key", "missing", "put it back"]);
    assert!(!installation.file("vestibule.key").exists());
}

#[tokio::test]
async fn a_key_file_with_something_else_in_it_is_refused() {
    for text in ["", "\n", "secret", "-----BEGIN PRIVATE KEY-----\n", "\u{0}\u{1}"] {
        let installation = Installation::new(&optional()).await;
        let path = installation.file("vestibule.key");
        std::fs::write(&path, text).expect("the folder is ours");
        set_mode(&path, 0o600);
        installation.run(&["serve"]).is_refused(&["vestibule.key"]);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), text, "left as it is");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_named() {
    let tls = "[server.tls]\ncertificate = \"tls/fullchain.pem\"\nkey = \"tls/key.pem\"\n\n[operations]";
    let installation = Installation::new(&optional().with("[operations]", tls)).await;
    installation.run(&["serve"]).is_refused(&["tls/fullchain.pem", "tls/key.pem"]);
}

#[tokio::test]
async fn without_a_configuration_it_says_where_it_looked() {
    let installation = Installation::new(&optional()).await;
    std::fs::remove_file(installation.file("vestibule.toml")).expect("it was written");
    for command in [&["serve"][..], &["check"], &["accounts", "list"], &["organizations", "list"], &["audit"]] {
        installation.run(command).is_refused(&["vestibule.toml", "/etc/vestibule/vestibule.toml", "--config"]);
    }
    installation.run(&["serve", "--config", "other.toml"]).is_refused(&["other.toml"]);
}

#[tokio::test]
async fn a_configuration_with_problems_is_refused_by_every_command() {
    let installation = Installation::new(&optional().with("[totp]", "nonsense = 1\n[totp]")).await;
    for command in [&["serve"][..], &["accounts", "list"], &["organizations", "list"], &["audit"]] {
        installation.run(command).is_refused(&["vestibule.toml", "nonsense"]);
    }
    assert!(!installation.file("vestibule.db").exists(), "nothing was made");
}
