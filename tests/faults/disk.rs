//! A disk that is full under a SQLite store.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::figures::{counted, soon};
use crate::installation::{Installation, Running};
use crate::support::{Sight, required};

/// How large a file of the gateway may become while its disk is full.
const FULL: &str = "800000";

/// How large a file system is that is mounted for a store.
const SIZE: &str = "2m";

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

/// Fails unless the door is shut while the disk is full, and opens by itself once it is not.
async fn shuts_the_door(
    installation: &Installation,
    gateway: Running,
    fill: impl AsyncFnOnce(&Running),
    empty: impl FnOnce(&Running),
) {
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    let form = elsewhere.page().clone();

    fill(&gateway).await;
    installation.dashboard.news();
    let code = elsewhere.authenticator().fresh_code();
    elsewhere.gives(&code).await.shows(Sight::StoreGone);
    assert_eq!(gateway.asked("/readyz").await.status, 503);
    assert_eq!(installation.dashboard.news(), [""; 0]);
    // Who was let in before stays so: that takes no room.
    bob.opens("/reports").await.shows(Sight::Dashboard);

    empty(&gateway);
    soon(Duration::from_secs(5), "room on the disk, until the gateway is ready", async || {
        gateway.asked("/readyz").await.status == 200
    })
    .await;
    elsewhere.shows_again(form);
    elsewhere.gives(&code).await.shows(Sight::Dashboard);
    let store = seen_by(&gateway, &installation.file("disk/vestibule.db"));
    let health: String = rusqlite::Connection::open(store)
        .and_then(|store| store.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .expect("checked");
    assert_eq!(health, "ok");
    gateway.is_told_to_stop();
    let (status, _) = gateway.ends().await;
    assert_eq!(status.code(), Some(0));
}

/// A file as a process sees it, which may have file systems of its own.
fn seen_by(gateway: &Running, file: &Path) -> PathBuf {
    Path::new("/proc").join(gateway.process().to_string()).join("root").join(file.strip_prefix("/").expect("absolute"))
}

async fn installation() -> Installation {
    let installation = Installation::new(&required().with("sqlite:vestibule.db", "sqlite:disk/vestibule.db")).await;
    std::fs::create_dir(installation.file("disk")).expect("the folder is ours");
    installation
}

/// Strangers come until nothing can be written for them any more.
async fn strangers_fill_it(installation: &Installation, gateway: &Running) {
    let mut strangers = 0;
    while gateway.asked("/readyz").await.status == 200 {
        strangers += 1;
        assert!(strangers < 5000, "the disk does not become full");
        let login = format!("stranger-{strangers}");
        installation.dashboard.hires(&login, "Mx Stranger", "acme");
        let mut stranger = installation.visitor(gateway, &login);
        stranger.logs_in().await;
        stranger.opens("/reports").await;
        assert!(!stranger.page().is_of_the_dashboard());
    }
    counted("strangers until the disk was full", strangers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_shuts_the_door_until_there_is_room() {
    let installation = installation().await;
    let gateway = on_a_small_disk(&installation).await;
    let fill = async |gateway: &Running| strangers_fill_it(&installation, gateway).await;
    shuts_the_door(&installation, gateway, fill, gets_room).await;
}

/// Some other program writes until the file system has no room left: not for a page of the store, nor for its log.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_shuts_the_door_until_there_is_room() {
    let installation = installation().await;
    let disk = installation.file("disk");
    let mount = format!("mount -t tmpfs -o size={SIZE},mode=700 none '{}'", disk.display());
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    let may_mount = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
        .status()
        .expect("there is unshare");
    if !may_mount.success() {
        counted("file systems that may be mounted here (the kernel forbids it)", 0);
        return;
    }
    command.arg(format!("{mount} && exec \"$0\" serve")).arg(env!("CARGO_BIN_EXE_vestibule"));
    let gateway = installation.started(command.current_dir(installation.folder())).await;
    let other = seen_by(&gateway, &disk.join("other"));
    let fill = async |_: &Running| {
        let mut file = File::create(&other).expect("it is there");
        for size in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    };
    let empty = |_: &Running| std::fs::remove_file(&other).expect("it is there");
    shuts_the_door(&installation, gateway, fill, empty).await;
}
