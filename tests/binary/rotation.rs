//! Going over to another key while gateways run: nobody is turned away, and nothing of the old key is left.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::cluster::Cluster;
use crate::installation::{Ended, Installation, Running};
use crate::postgres::{on, url};
use crate::support::visitor::Visitor;
use crate::support::{Sight, required, until};

async fn enrolled(installation: &Installation, gateway: &Running, login: &str) -> Visitor {
    let mut visitor = installation.visitor(gateway, login);
    visitor.logs_in().await;
    visitor.enrolls().await;
    visitor.opens("/reports").await.shows(Sight::Dashboard);
    visitor
}

/// The public names of the keys in the file, the newest first.
fn keys(installation: &Installation) -> Vec<String> {
    let shown = installation.json(&["key", "show"]);
    shown.as_array().expect("a list").iter().map(|key| key["key"].as_str().expect("a name").to_owned()).collect()
}

fn steps(installation: &Installation, expected: &str) {
    let done = installation.json(&["key", "rotate"]);
    assert_eq!(done["step"], expected, "{done:#}");
}

/// Everything in the store's files.
fn kept(installation: &Installation) -> Vec<u8> {
    let store = rusqlite::Connection::open(installation.file("vestibule.db")).expect("the store");
    // What was deleted is overwritten only by this.
    store.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").expect("nobody else is at it");
    std::fs::read(installation.file("vestibule.db")).expect("the store")
}

/// Whether a sealed value with this key's name is in there: it begins with the format and the name.
fn has_sealed(kept: &[u8], key: &str) -> bool {
    let mut mark = vec![1];
    mark.extend((0..4).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).expect("hexadecimal")));
    kept.windows(mark.len()).any(|window| window == mark)
}

#[tokio::test]
async fn a_rotation_leaves_nothing_of_the_old_key_and_everybody_signed_in() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut bob = enrolled(&installation, &gateway, "bob").await;
    let mut yann = installation.visitor(&gateway, "yann");
    yann.logs_in().await;
    yann.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    yann.scans();
    let old = keys(&installation);

    steps(&installation, "added");
    let both = keys(&installation);
    assert_eq!((both.len(), &both[1]), (2, &old[0]));
    let waiting = installation.json(&["key", "rotate"]);
    assert_eq!((&waiting["step"], &waiting["enrollments"]), (&json!("waiting"), &json!(1)), "{waiting:#}");
    assert_eq!(waiting["resealed"], 1, "{waiting:#}");
    assert_eq!(installation.json(&["key", "show"])[1]["role"], "still needed");

    // Nobody has told the gateway of the new key.
    yann.gives_a_fresh_code().await.shows(Sight::RecoveryCodes);
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    steps(&installation, "done");
    assert_eq!(keys(&installation), [both[0].clone()]);

    bob.opens("/reports").await.shows(Sight::Dashboard);
    let mut lost = bob.elsewhere();
    lost.logs_in().await;
    lost.opens("/reports").await.shows(Sight::Challenge);
    let code = bob.recovery_codes[0].clone();
    lost.recovers_with(&code).await.shows(Sight::Dashboard);
    let events = installation.json(&["audit"]);
    let events: Vec<_> = events.as_array().expect("a list").iter().map(|entry| entry["event"].clone()).collect();
    for event in ["key_added", "key_rotated", "key_retired"] {
        assert!(events.contains(&json!(event)), "no {event} in {events:?}");
    }

    gateway.is_told_to_stop();
    let (_, log) = gateway.ends().await;
    assert!(!log.contains("panic"), "{log}");
    let kept = kept(&installation);
    assert!(has_sealed(&kept, &both[0]) && !has_sealed(&kept, &both[1]));
    let gateway = installation.serve().await;
    yann.in_front_of(gateway.gateway()).opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_key_that_may_still_be_needed_has_to_be_there() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut yann = installation.visitor(&gateway, "yann");
    yann.logs_in().await;
    yann.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    steps(&installation, "added");
    steps(&installation, "waiting");
    gateway.is_told_to_stop();
    gateway.ends().await;
    let file = installation.file("vestibule.key");
    let text = std::fs::read_to_string(&file).expect("the keys");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    for one in &lines {
        std::fs::write(&file, one).expect("ours");
        installation.run(&["serve"]).is_refused(&["vestibule.key", "does not belong to this store"]);
        installation.run(&["key", "rotate"]).is_refused(&["vestibule.key", "does not belong to this store"]);
    }
    std::fs::write(&file, text).expect("ours");
    installation.serve().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_go_on_while_keys_come_and_go() {
    let installation = Installation::new(&required()).await;
    keep_signing_in(installation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_go_on_on_all_gateways_of_a_database_while_keys_come_and_go() {
    let database = Cluster::shared().store().await;
    keep_signing_in(Installation::new(&on(required(), &url(&database.name))).await).await;
}

/// Two gateways; on them people sign in, each once, for as long as rotations follow one another.
async fn keep_signing_in(installation: Installation) {
    const PEOPLE: usize = 12;
    let gateways = [installation.serve().await, installation.serve().await];
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let login = format!("user{number}");
        installation.dashboard.hires(&login, &login, "acme");
        let gateway = &gateways[number % 2];
        people.push(enrolled(&installation, gateway, &login).await);
    }
    let over = Arc::new(AtomicBool::new(false));
    let rotations = std::thread::spawn({
        let (over, folder) = (Arc::clone(&over), installation.folder().to_owned());
        move || {
            let mut done = 0;
            while done < 2 || !over.load(Ordering::SeqCst) {
                let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
                command.args(["key", "rotate", "--json"]).current_dir(&folder).env_clear();
                let ended = Ended::of(&mut command);
                assert_eq!(ended.code, 0, "{}", ended.said);
                done += usize::from(ended.printed.contains("\"done\""));
            }
        }
    });
    for person in &people {
        let mut elsewhere = person.elsewhere();
        elsewhere.signs_in().await;
        elsewhere.opens("/reports").await.shows(Sight::Dashboard);
    }
    over.store(true, Ordering::SeqCst);
    rotations.join().expect("every step was done");
    for person in &mut people {
        person.opens("/reports").await.shows(Sight::Dashboard);
    }
}

#[tokio::test]
async fn a_reload_reads_the_keys_again_and_says_which_there_are() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    steps(&installation, "added");
    let both = keys(&installation);
    gateway.is_told_to_reload();
    until("the log names both keys", async || gateway.log().contains(&both.join(", "))).await;
    std::fs::write(installation.file("vestibule.key"), "nonsense").expect("ours");
    gateway.is_told_to_reload();
    until("the log says that they stay", async || gateway.log().contains("the keys from before stay")).await;
    enrolled(&installation, &gateway, "bob").await;
}
