//! A backup of what runs, and what is good of it once it was put back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use vestibule::clock::Clock;

use crate::cluster::Cluster;
use crate::installation::{Installation, Running};
use crate::postgres::{on, url};
use crate::support::visitor::Visitor;
use crate::support::{Sight, required, until};

/// Bob, signed in; and what he gives after the backup: a code, and a recovery code.
struct Story {
    bob: Visitor,
    used: String,
    spent: String,
}

impl Story {
    async fn begins(installation: &Installation, gateway: &Running) -> Self {
        let mut bob = installation.visitor(gateway, "bob");
        bob.logs_in().await;
        bob.enrolls().await;
        bob.opens("/reports").await.shows(Sight::Dashboard);
        let (used, spent) = (String::new(), bob.recovery_codes[0].clone());
        Self { bob, used, spent }
    }

    async fn goes_on(&mut self) {
        self.used = self.bob.authenticator().fresh_code();
        let mut elsewhere = self.bob.elsewhere();
        elsewhere.logs_in().await;
        elsewhere.opens("/reports").await.shows(Sight::Challenge);
        elsewhere.gives(&self.used).await.shows(Sight::Dashboard);
        let mut lost = self.bob.elsewhere();
        lost.logs_in().await;
        lost.opens("/reports").await.shows(Sight::Challenge);
        lost.recovers_with(&self.spent).await.shows(Sight::Dashboard);
    }

    /// After the backup was put back, neither the session nor any code that was good until then opens anything; the code that
    /// is shown after the next one does.
    async fn has_not_happened(self, gateway: &Running) {
        let Self { bob, used, spent } = self;
        let codes = bob.recovery_codes.clone();
        let mut bob = bob.in_front_of(gateway.gateway());
        bob.opens("/reports").await.shows(Sight::Challenge);
        bob.gives(&used).await.shows(Sight::CodeRefused);
        for code in [&spent, &codes[1]] {
            bob.recovers_with(code).await.shows(Sight::RecoveryCodeRefused);
        }
        let next = bob.authenticator().code(1);
        // Each wait is half of a step at most.
        until("half of a step", async || Clock::system().now().as_secs() % 30 >= 15).await;
        until("the next step", async || bob.authenticator().code(1) != next).await;
        bob.opens("/reports").await.shows(Sight::Challenge);
        let code = bob.authenticator().code(1);
        bob.gives(&code).await.shows(Sight::Dashboard);
        bob.opens("/_2fa/profile").await.says("You have no recovery codes left");
    }
}

async fn stopped(gateway: Running) {
    gateway.is_told_to_stop();
    gateway.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_after_a_backup_is_not_good_again_once_it_was_put_back() {
    let installation = Installation::new(&required()).await;
    let gateway = installation.serve().await;
    let mut story = Story::begins(&installation, &gateway).await;
    // While others come.
    let mut command = installation.command(&["store", "backup", "--to", "backup.db"]);
    let mut making = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
    until("the backup is made", async || {
        let mut yann = installation.visitor(&gateway, "yann");
        yann.logs_in().await;
        yann.opens("/reports").await.shows(Sight::Enrollment);
        making.try_wait().expect("a child").is_some()
    })
    .await;
    let made = making.wait_with_output().expect("it has ended");
    let said = String::from_utf8(made.stdout).expect("UTF-8");
    assert!(made.status.success() && said.contains("backup.db") && said.contains("vestibule.key"), "{said}");
    let (backup, place) = (installation.file("backup.db"), installation.file("vestibule.db"));
    assert_eq!(fs::metadata(&backup).expect("made").permissions().mode() & 0o777, 0o600);
    installation.run(&["store", "backup", "--to", "backup.db"]).is_refused(&["backup.db", "is there already"]);
    installation.run(&["store", "backup", "--to", "no/where.db"]).is_refused(&["no/where.db", "directory must exist"]);
    story.goes_on().await;

    stopped(gateway).await;
    fs::copy(&backup, &place).expect("put back");
    // Nobody has to think of anything: whoever opens it first ends what has to be.
    let gateway = installation.serve().await;
    assert!(gateway.log().contains("\"event\":\"store_restored\""), "{}", gateway.log());
    let log = installation.json(&["audit"]);
    assert_eq!((&log[0]["event"], &log[0]["actor"]), (&json!("store_restored"), &json!("gateway")), "{log:#}");
    story.has_not_happened(&gateway).await;
}

#[tokio::test]
async fn the_operator_can_take_a_backup_in_by_hand_and_is_told_what_ended() {
    let installation = Installation::new(&required()).await;
    installation.run(&["store", "restored"]).is_refused(&["there is no store", "vestibule.db"]);
    let gateway = installation.serve().await;
    let mut story = Story::begins(&installation, &gateway).await;
    installation.json(&["store", "backup", "--to", "backup.db"]);
    stopped(gateway).await;
    fs::rename(installation.file("backup.db"), installation.file("vestibule.db")).expect("put back");
    assert_eq!(installation.json(&["store", "restored"]), json!({ "sessions": 1, "recovery_codes": 10 }));
    // In a store that is in use, too, which may have come from anywhere.
    let gateway = installation.serve().await;
    story.bob = story.bob.in_front_of(gateway.gateway());
    story.bob.opens("/reports").await.shows(Sight::Challenge);
    assert_eq!(installation.json(&["store", "restored"]), json!({ "sessions": 0, "recovery_codes": 0 }));
    let said = installation.run(&["store", "restored"]);
    assert!(said.printed.contains("make new recovery codes"), "{said:?}");
}

/// A program of the server's, at the database of that name; what it prints.
fn client(program: &str, database: &str, arguments: &[&str], input: Option<&Path>) -> Vec<u8> {
    let (folder, port) = Cluster::shared().socket();
    let mut command = Command::new(program);
    command.args(["-h", folder.to_str().expect("UTF-8"), "-p", &port.to_string(), "-U", "vestibule"]);
    command.args(arguments).arg(database);
    if let Some(input) = input {
        command.stdin(fs::File::open(input).expect("readable"));
    }
    let output = command.stderr(Stdio::inherit()).output().expect("the server's programs are installed");
    assert!(output.status.success(), "{program}: {output:?}");
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_was_put_back_into_a_database_revives_nothing_after_one_word() {
    let database = Cluster::shared().store().await;
    let installation = Installation::new(&on(required(), &url(&database.name))).await;
    installation.run(&["store", "backup", "--to", "x"]).is_refused(&["pg_dump", "vestibule store restored"]);
    let gateway = installation.serve().await;
    let mut story = Story::begins(&installation, &gateway).await;
    let dump = installation.file("dump.sql");
    fs::write(&dump, client("pg_dump", &database.name, &["-Fp"], None)).expect("ours");
    story.goes_on().await;

    stopped(gateway).await;
    Cluster::shared().drop(&database).await;
    client("createdb", &database.name, &[], None);
    client("psql", &database.name, &["-q", "-v", "ON_ERROR_STOP=1"], Some(&dump));
    let ended: Value = installation.json(&["store", "restored"]);
    assert_eq!(ended, json!({ "sessions": 1, "recovery_codes": 10 }));
    let gateway = installation.serve().await;
    story.has_not_happened(&gateway).await;
}
