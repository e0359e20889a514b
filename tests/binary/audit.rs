//! `vestibule audit export` and `audit verify`: all of it, for programs, and whether it is as it was.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::support::{optional, until};

/// Whatever could forge a line, or make one read as something else.
const HOSTILE: &str = "Bob\u{2028}{\"event\":\"FORGED\"}\u{202e}\u{feff}\u{200b}Brown";

/// The documents of an export, each from a line of its own.
fn exported(installation: &Installation, arguments: &[&str]) -> Vec<Value> {
    let ended = installation.run(&[&["audit", "export"], arguments].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.printed.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect()
}

fn events(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["event"].as_str().expect("a word")).collect()
}

fn store(installation: &Installation) -> Connection {
    Connection::open(installation.file("vestibule.db")).expect("the store is there")
}

async fn all_is_linked(installation: &Installation, entries: i64) {
    until("everything is linked", async || {
        let verdict = installation.json(&["audit", "verify"]);
        verdict["entries"] == entries && verdict["not_linked_yet"] == 0
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_shows_what_was_done_to_it() {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    installation.json(&["organizations", "require", "acme"]);
    installation.json(&["accounts", "reset", "id-bob"]);
    all_is_linked(&installation, 3).await;
    let verdict = installation.json(&["audit", "verify"]);
    let end = verdict["end"].as_str().expect("an end").to_owned();
    let expected = json!({
        "ok": true, "entries": 3, "first_place": 1, "last_place": 3, "end": end, "not_linked_yet": 0, "flaws": [],
        "more_flaws": 0,
    });
    assert_eq!(verdict, expected);
    let good = installation.run(&["audit", "verify", "--noted", &end]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.printed.contains("3 entries from place 1 to 3, as they were linked"), "{good:?}");

    let store = store(&installation);
    store.execute_batch("UPDATE audit SET subject_name = 'Eve' WHERE number = 1").expect("it can be written");
    let changed = installation.run(&["audit", "verify"]);
    assert_eq!(changed.code, 1, "{changed:?}");
    assert!(changed.printed.contains("place 1: entry 1 was changed, or moved here"), "{changed:?}");
    assert!(changed.printed.contains("NOT as they were linked"), "{changed:?}");
    let changed = installation.run(&["audit", "verify", "--json"]);
    let document: Value = serde_json::from_str(&changed.printed).expect("one JSON document");
    let flaws = json!([{ "flaw": "changed", "place": 1, "number": 1 }]);
    assert_eq!((changed.code, &document["ok"], &document["flaws"]), (1, &json!(false), &flaws));
    store.execute_batch("UPDATE audit SET subject_name = 'Bob Brown' WHERE number = 1").expect("it can be written");

    store.execute_batch("CREATE TABLE before AS SELECT * FROM audit; DELETE FROM audit WHERE number = 2").expect("so");
    let gone = installation.run(&["audit", "verify"]);
    assert!(gone.code == 1 && gone.printed.contains("place 2: gone, entry 2\n"), "{gone:?}");
    store.execute_batch("DELETE FROM audit; INSERT INTO audit SELECT * FROM before; DROP TABLE before").expect("so");

    // With a hand that knows how it is kept.
    let cut_off = "DELETE FROM audit WHERE number = 3; DELETE FROM audit_chain WHERE place = 3;
                   UPDATE audit_chain_ends SET place = 2, link = (SELECT link FROM audit_chain WHERE place = 2)";
    store.execute_batch(cut_off).expect("it can be written");
    assert_eq!(installation.run(&["audit", "verify"]).code, 0, "nothing else shows it");
    let cut = installation.run(&["audit", "verify", "--noted", &end]);
    assert!(cut.code == 1 && cut.printed.contains("place 3: not what was noted"), "{cut:?}");
    assert_eq!(installation.run(&["audit", "verify", "--noted", "3"]).code, 2);
}

#[tokio::test]
async fn what_was_too_old_is_said_to_be_so() {
    let kept = optional().with("key_file = ", "audit_retention = \"30d\"\nkey_file = ");
    let installation = Installation::new(&kept).await;
    installation.json(&["accounts", "list"]);
    let old = "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1200)
               INSERT INTO audit (at, kind, actor, organization, organization_name)
               SELECT value, 'key_added', 'operator', 0, '' FROM n";
    store(&installation).execute_batch(old).expect("it can be written");
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    until("what is old is deleted", async || {
        let verdict = installation.json(&["audit", "verify"]);
        (&verdict["entries"], &verdict["last_place"]) == (&json!(1), &json!(1201))
    })
    .await;
    let verified = installation.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    for line in [
        "1 entries from place 1201 to 1201, as they were linked",
        "those before place 1201 were deleted by audit_retention",
    ] {
        assert!(verified.printed.contains(line), "{verified:?}");
    }
    store(&installation)
        .execute_batch("UPDATE audit_chain_ends SET cut = NULL, cut_link = NULL, cut_seal = NULL")
        .expect("so");
    let missed = installation.run(&["audit", "verify"]);
    assert_eq!(missed.code, 1, "{missed:?}");
    let said = "places 1 to 1200: gone with their links, and audit_retention has left no word of that";
    assert!(missed.printed.contains(said), "{missed:?}");
}

#[tokio::test]
async fn an_export_is_complete_and_no_name_forges_a_line_of_it() {
    let installation = Installation::new(&optional()).await;
    installation.dashboard.changes("bob", |bob| HOSTILE.clone_into(&mut bob.name));
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    // What a dashboard can't name anybody, whoever writes to the database can.
    let written = "INSERT INTO audit (at, kind, actor, subject_name, organization, organization_name)
                   SELECT at, kind, 'operator', 'x' || char(10) || char(27) || char(155) || '{\"event\":\"FORGED\"}', 0, ''
                   FROM audit";
    store(&installation).execute_batch(written).expect("it can be written");
    let many = "WITH RECURSIVE n(value) AS (SELECT 3 UNION ALL SELECT value + 1 FROM n WHERE value < 1300)
                INSERT INTO audit (at, kind, actor, organization, organization_name)
                SELECT value, 'key_added', 'operator', 0, '' FROM n";
    store(&installation).execute_batch(many).expect("it can be written");
    all_is_linked(&installation, 1300).await;

    let ended = installation.run(&["audit", "export"]);
    let hidden = |c: char| c != '\n' && (c.is_control() || "\u{2028}\u{202e}\u{feff}\u{200b}".contains(c));
    assert!(!ended.printed.contains(hidden), "what deceives is escaped");
    let documents = exported(&installation, &["--config", "vestibule.toml"]);
    let numbers: Vec<_> = documents.iter().map(|document| document["number"].as_i64().expect("a number")).collect();
    assert_eq!(numbers, (1..=1300).collect::<Vec<_>>(), "a document for each entry, the oldest first");
    assert!(documents.iter().all(|document| document["event"] != "FORGED"));
    assert_eq!(documents[0]["name"], HOSTILE, "and reads back as it was");

    let fields = [
        "account",
        "actor",
        "address",
        "event",
        "link",
        "milliseconds",
        "name",
        "number",
        "organization",
        "organization_number",
        "place",
        "request",
        "time",
    ];
    assert_eq!(documents[0].as_object().expect("an object").keys().collect::<Vec<_>>(), fields);
    let end = installation.json(&["audit", "verify"])["end"].clone();
    let last = &documents[1299];
    assert_eq!(end, format!("{}:{}", last["place"], last["link"].as_str().expect("a link")));
    let printed = installation.run(&["audit", "--limit", "2000"]).printed;
    assert_eq!(printed.lines().count(), 1301, "nor in the table for people");
}

#[tokio::test]
async fn without_the_keys_of_the_store_nothing_is_said() {
    let installation = Installation::new(&optional()).await;
    installation.run(&["audit", "verify"]).is_refused(&["no keys yet"]);
    assert!(!installation.file("vestibule.key").exists(), "nor is a key made");
    assert_eq!(exported(&installation, &[]), [] as [Value; 0]);
    drop(installation.serve().await);
    assert_eq!(installation.run(&["audit", "verify"]).code, 0);
    let key = installation.file("vestibule.key");
    std::fs::rename(&key, installation.file("away")).expect("renamed");
    installation.run(&["audit", "verify"]).is_refused(&["vestibule.key", "missing"]);
    let other = Installation::new(&optional()).await;
    drop(other.serve().await);
    std::fs::copy(other.file("vestibule.key"), &key).expect("copied");
    installation.run(&["audit", "verify"]).is_refused(&["vestibule.key", "does not belong to this store"]);
}

#[tokio::test]
async fn what_the_operator_does_is_told_once_and_goes_along() {
    let installation = Installation::new(&optional()).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    for arguments in [
        &["organizations", "require", "acme"][..],
        &["organizations", "require", "acme"],
        &["organizations", "optional", "acme"],
        &["accounts", "reset", "id-bob"],
        &["key", "rotate"],
        &["key", "rotate"],
    ] {
        installation.json(arguments);
    }
    installation.run(&["accounts", "reset", "id-bob"]).is_refused(&["no key"]);
    let done = [
        "enrolled",
        "requirement_turned_on",
        "requirement_turned_off",
        "reset",
        "key_added",
        "key_rotated",
        "key_retired",
    ];
    let documents = exported(&installation, &[]);
    assert_eq!(events(&documents), done);
    assert!(documents[1..].iter().all(|document| document["actor"] == "operator"));
    all_is_linked(&installation, 7).await;
    let end = installation.json(&["audit", "verify"])["end"].as_str().expect("an end").to_owned();
    gateway.is_told_to_stop();
    gateway.ends().await;

    installation.json(&["store", "copy", "--to", "sqlite:copy.db"]);
    let configuration = std::fs::read_to_string(installation.file("vestibule.toml")).expect("it is there");
    let copy = configuration.replace("sqlite:vestibule.db", "sqlite:copy.db");
    std::fs::write(installation.file("copy.toml"), copy).expect("written");
    let copied = exported(&installation, &["--config", "copy.toml"]);
    assert_eq!(events(&copied), [&done[..], &["store_copied"]].concat());
    assert_eq!(copied[..7], exported(&installation, &[])[..], "with their places and links");
    let verdict = installation.json(&["audit", "verify", "--config", "copy.toml", "--noted", &end]);
    assert_eq!((&verdict["entries"], &verdict["not_linked_yet"]), (&json!(7), &json!(1)), "{verdict:#}");
}
