//! A disk that is full under a SQLite store.

use std::process::Command;
use std::time::Duration;

use crate::figures::{counted, soon};
use crate::installation::{Installation, Running};
use crate::support::{Sight, required};

/// How large a file of the gateway may become while its disk is full.
const FULL: &str = "400000";

/// Starts a gateway none of whose files may become larger: for it the disk is full. What it writes then fails, and does not
/// end it.
async fn on_a_small_disk(installation: &Installation) -> Running {
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; exec prlimit --fsize={FULL}:unlimited \"$0\" serve");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_vestibule")]);
    installation.started(shell.current_dir(installation.folder())).await
}

fn gets_room(gateway: &Running) {
    let mut command = Command::new("prlimit");
    let process = gateway.process().to_string();
    let done = command.args(["--pid", &process, "--fsize=unlimited:unlimited"]).status();
    assert!(done.expect("there is prlimit").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_shuts_the_door_until_there_is_room() {
    let installation = Installation::new(&required()).await;
    let gateway = on_a_small_disk(&installation).await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    let form = elsewhere.page().clone();

    // Strangers fill it up.
    let mut strangers = 0;
    while gateway.asked("/readyz").await.status == 200 {
        strangers += 1;
        assert!(strangers < 5000, "the disk does not become full");
        let login = format!("stranger-{strangers}");
        installation.dashboard.hires(&login, "Mx Stranger", "acme");
        let mut stranger = installation.visitor(&gateway, &login);
        stranger.logs_in().await;
        stranger.opens("/reports").await;
        assert!(!stranger.page().is_of_the_dashboard());
    }
    counted("strangers until the disk was full", strangers);
    installation.dashboard.news();
    let code = elsewhere.authenticator().fresh_code();
    elsewhere.gives(&code).await.shows(Sight::StoreGone);
    assert_eq!(installation.dashboard.news(), [""; 0]);
    // Who was let in before stays so: that takes no room.
    bob.opens("/reports").await.shows(Sight::Dashboard);

    gets_room(&gateway);
    soon(Duration::from_secs(5), "room on the disk, until the gateway is ready", async || {
        gateway.asked("/readyz").await.status == 200
    })
    .await;
    elsewhere.shows_again(form);
    elsewhere.gives(&code).await.shows(Sight::Dashboard);
    gateway.is_told_to_stop();
    let (status, _) = gateway.ends().await;
    assert_eq!(status.code(), Some(0));
    let file = rusqlite::Connection::open(installation.file("vestibule.db")).expect("the store is there");
    let health: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(health, "ok");
}
