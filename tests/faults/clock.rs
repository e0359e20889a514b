//! Clocks that jump, forward and back, under the built program: no code is accepted twice, no session lives for longer, and
//! all is well once the clock is.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::figures::{soon, took};
use crate::installation::{Installation, Running};
use crate::nodes::{Nodes, end, live};
use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, required};

/// How soon what was open with a session that is over is closed.
const CLOSED: Duration = Duration::from_secs(5);

/// What libfaketime makes a program's clock show: the machine's time, and so much more. What measures how long something
/// takes goes on as it did, as on a machine whose clock is set.
struct Clock(PathBuf);

impl Clock {
    fn of(installation: &Installation) -> Self {
        let clock = Self(installation.file("clock"));
        clock.is_ahead(0);
        clock
    }

    /// From now on, by so many seconds.
    fn is_ahead(&self, seconds: i64) {
        let written = self.0.with_extension("new");
        std::fs::write(&written, format!("{seconds:+}\n")).expect("the folder is ours");
        std::fs::rename(written, &self.0).expect("the folder is ours");
    }

    fn shown(&self) -> i64 {
        std::fs::read_to_string(&self.0).expect("it was written").trim().parse().expect("seconds")
    }

    /// Starts a gateway that goes by it.
    async fn gateway(&self, installation: &Installation, file: &str) -> Running {
        let mut command = installation.command(&["serve", "--config", file]);
        command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", &self.0);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        installation.started(&mut command).await
    }
}

/// Debian keeps it in a folder of each architecture's.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists()).expect("libfaketime is installed: `tests/run install` does that")
}

/// Has somebody set up an authenticator, and returns the code that this used up.
async fn enrolls(somebody: &mut Visitor) -> String {
    somebody.logs_in().await;
    somebody.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    somebody.scans();
    let code = somebody.authenticator().fresh_code();
    let page = somebody.gives(&code).await;
    page.shows(Sight::RecoveryCodes);
    somebody.recovery_codes = page.recovery_codes();
    code
}

async fn challenged(somebody: &Visitor) -> Visitor {
    let mut browser = somebody.elsewhere();
    browser.logs_in().await;
    browser.opens("/reports").await.shows(Sight::Challenge);
    browser
}

/// Fails unless none of these codes is accepted.
async fn are_refused(somebody: &Visitor, codes: &[String]) {
    let mut thief = challenged(somebody).await;
    for code in codes {
        thief.gives(code).await.shows(Sight::CodeRefused);
    }
}

async fn is_ready(gateway: &Running) {
    assert_eq!(gateway.asked("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_by_seconds_changes_nothing() {
    let installation = Installation::new(&required()).await;
    let clock = Clock::of(&installation);
    let gateway = clock.gateway(&installation, "vestibule.toml").await;
    for (login, jump) in [("bob", 30), ("alice", -60)] {
        let mut somebody = installation.visitor(&gateway, login);
        let used = [enrolls(&mut somebody).await];
        let [_stream, mut socket] = live(&somebody).await;
        clock.is_ahead(jump);
        somebody.opens("/reports").await.shows(Sight::Dashboard);
        are_refused(&somebody, &used).await;
        is_ready(&gateway).await;
        clock.is_ahead(0);
        are_refused(&somebody, &used).await;
        challenged(&somebody).await.gives_a_fresh_code().await.shows(Sight::Dashboard);
        socket.says(b"\x81\x85\0\0\0\0again").await;
        socket.hears(b"again").await;
        somebody.opens("/reports").await.shows(Sight::Dashboard);
    }
}

/// Each time, somebody is signed in, has something open, and stands before the challenge in another browser.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_by_hours_ends_sessions_and_brings_none_back() {
    let installation = Installation::new(&required()).await;
    let clock = Clock::of(&installation);
    let gateway = clock.gateway(&installation, "vestibule.toml").await;
    for (number, jump) in [3600, -3600, 86_400, -86_400].into_iter().enumerate() {
        let login = format!("person-{number}");
        installation.dashboard.hires(&login, &login, "acme");
        let mut somebody = installation.visitor(&gateway, &login);
        let used = enrolls(&mut somebody).await;
        somebody.opens("/reports").await.shows(Sight::Dashboard);
        let mut waiting = challenged(&somebody).await;
        let open = live(&somebody).await;

        clock.is_ahead(jump);
        let jumped = Instant::now();
        end(open).await;
        took(CLOSED, &format!("a jump of {jump} s closes what was open"), jumped.elapsed());
        somebody.opens("/reports").await.shows(Sight::Challenge);
        // Long used up here, or not yet what it takes.
        are_refused(&somebody, &[used.clone(), somebody.authenticator().code(1)]).await;
        waiting.gives(&used).await;
        assert!(!waiting.page().is_of_the_dashboard());
        is_ready(&gateway).await;

        clock.is_ahead(0);
        somebody.opens("/reports").await.shows(Sight::Challenge);
        are_refused(&somebody, &[used]).await;
        waiting.opens("/reports").await.shows(Sight::Challenge);
        waiting.gives_a_fresh_code().await.shows(Sight::Dashboard);
        is_ready(&gateway).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_begins_again_after_a_clock_was_set_back() {
    let installation = Installation::new(&required()).await;
    let clock = Clock::of(&installation);
    let gateway = clock.gateway(&installation, "vestibule.toml").await;
    let mut bob = installation.visitor(&gateway, "bob");
    enrolls(&mut bob).await;
    let mut thief = challenged(&bob).await;
    let wrong = bob.authenticator().wrong_codes(12);
    for code in &wrong[..9] {
        if let Some(wait) = thief.gives(code).await.wait() {
            clock.is_ahead(clock.shown() + i64::try_from(wait.as_secs()).expect("minutes") + 1);
        }
    }
    thief.gives(&wrong[9]).await.shows(Sight::CodeRefused);
    thief.gives(&wrong[10]).await.shows(Sight::TooSoon);
    // The delay of before can't be told from any other; the next one holds.
    clock.is_ahead(clock.shown() - 3600);
    let mut thief = challenged(&bob).await;
    thief.gives(&wrong[10]).await.shows(Sight::CodeRefused);
    thief.gives(&wrong[11]).await.shows(Sight::TooSoon);
}

/// A minute is more than a code is good for, and less than a session may come from the future.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_gateways_a_minute_apart_one_takes_no_codes_and_both_agree() {
    let mut nodes = Nodes::on(Cluster::shared(), required()).await;
    let clock = Clock::of(&nodes.installation);
    clock.is_ahead(60);
    nodes.second = clock.gateway(&nodes.installation, "second.toml").await;
    let mut bob = nodes.installation.visitor(&nodes.first, "bob");
    let used = enrolls(&mut bob).await;
    nodes.at_second(&bob).opens("/reports").await.shows(Sight::Dashboard);
    let mut there = nodes.at_second(&challenged(&bob).await);
    there.opens("/reports").await.shows(Sight::Challenge);
    // What the phone shows is too old there.
    for code in [&used, &bob.authenticator().code(0)] {
        there.gives(code).await.shows(Sight::CodeRefused);
    }
    // Whoever is let in by the one that is ahead is so at the other; and neither for longer than at both.
    there.recovers_with(&bob.recovery_codes[0]).await;
    there.opens("/reports").await.shows(Sight::Dashboard);
    let mut here = there.in_front_of(nodes.first.gateway());
    here.opens("/reports").await.shows(Sight::Dashboard);
    let mut thief = challenged(&bob).await;
    thief.gives(&used).await.shows(Sight::CodeRefused);
    thief.gives_a_fresh_code().await.shows(Sight::Dashboard);
    assert_eq!(nodes.installation.json(&["accounts", "reset", "id-bob"])["reset"], true);
    for browser in [&mut here, &mut there] {
        soon(Duration::from_secs(1), "a reset holds, with clocks a minute apart", async || {
            browser.opens("/reports").await.offers("/_2fa/enroll")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_brings_no_code_and_no_session_back() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let jumps = |seconds: i64| {
        let clock = world.time().moved.as_ref().expect("it can be moved");
        clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    };
    let used = bob.authenticator().code(0);
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    let also_used = bob.authenticator().code(1);

    // A session of a time to come proves nothing.
    jumps(-3600);
    bob.in_front_of(world.gateway()).opens("/reports").await.shows(Sight::Challenge);
    for code in [&used, &also_used] {
        let mut thief = bob.elsewhere();
        thief.logs_in().await;
        thief.opens("/reports").await.shows(Sight::Challenge);
        thief.gives(code).await.shows(Sight::CodeRefused);
    }
    // What an hour ago would have been right was never given, and is passed over all the same.
    let mut thief = bob.elsewhere();
    thief.logs_in().await;
    thief.opens("/reports").await.shows(Sight::Challenge);
    let old = bob.authenticator().code(0);
    thief.gives(&old).await.shows(Sight::CodeRefused);

    jumps(3600);
    jumps(13 * 3600);
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Challenge);
    jumps(-13 * 3600);
    bob.opens("/reports").await;
    assert!(!bob.page().is_of_the_dashboard(), "a session that had run out came back");
    jumps(13 * 3600);
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
}
