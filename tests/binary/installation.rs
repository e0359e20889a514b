//! An installation: a folder with a configuration, a dashboard behind it, and the binary.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::dashboard::Dashboard;
use crate::support::http::{Answer, Request};
use crate::support::time::Time;
use crate::support::until;
use crate::support::visitor::Visitor;
use crate::support::world::{Configuration, Place};

/// For programs, and everything there is to tell.
const LOG: &str = "[log]\nformat = \"json\"\nlevel = \"trace\"\n";

/// A folder with a configuration in it.
pub(crate) struct Installation {
    folder: TempDir,
    pub(crate) dashboard: Dashboard,
}

impl Installation {
    pub(crate) async fn new(configuration: &Configuration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dashboard = Dashboard::open().await;
        let text = format!("{}{LOG}", configuration.before(dashboard.address()));
        std::fs::write(folder.path().join("vestibule.toml"), text).expect("the folder can be written to");
        Self { folder, dashboard }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The binary, in the folder of the configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    /// What a command prints for programs.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, 0, "{}", ended.said);
        serde_json::from_str(&ended.printed).expect("one JSON document")
    }

    /// Starts the gateway, and waits until it listens.
    pub(crate) async fn serve(&self) -> Running {
        self.started(&mut self.command(&["serve"])).await
    }

    /// Starts it from a shell that has run these commands: `ulimit`.
    pub(crate) async fn serve_after(&self, commands: &str) -> Running {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{commands} && exec \"$0\" serve"), env!("CARGO_BIN_EXE_vestibule")]);
        self.started(shell.current_dir(self.folder.path()).env_clear()).await
    }

    /// Starts a gateway by that command, and waits until it listens.
    pub(crate) async fn started(&self, command: &mut Command) -> Running {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let reader = keep(child.stderr.take().expect("standard error is piped"), Arc::clone(&log));
        let mut running = Running { child, log, reader: Some(reader), gateway: None, operations: None };
        until("the gateway listens", async || {
            assert!(running.child.try_wait().expect("a child").is_none(), "it ended: {}", running.log());
            running.gateway = running.address("listening");
            running.operations = running.address("operations");
            running.gateway.is_some() && running.operations.is_some()
        })
        .await;
        running
    }

    /// Somebody with a browser, in front of a running gateway.
    pub(crate) fn visitor(&self, running: &Running, login: &str) -> Visitor {
        let (gateway, dashboard) = (running.gateway(), self.dashboard.clone());
        Visitor::new(login, Place { gateway, dashboard, time: Time { moved: None } })
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    /// On standard output.
    pub(crate) printed: String,
    /// On standard error.
    pub(crate) said: String,
}

impl Ended {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("it ends by itself");
        Self { code, printed: text(output.stdout), said: text(output.stderr) }
    }

    /// Fails unless it was refused, in words that have all of these in them.
    #[track_caller]
    pub(crate) fn is_refused(&self, words: &[&str]) {
        assert_eq!(self.code, 1, "{self:?}");
        for word in words {
            assert!(self.said.contains(word), "no {word:?} in {}", self.said);
        }
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!self.said.contains(word), "{}", self.said);
        }
        assert_eq!(self.printed, "");
    }
}

/// A gateway that runs. It is ended when dropped.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    gateway: Option<SocketAddr>,
    operations: Option<SocketAddr>,
}

impl Running {
    /// Its number among the processes of the machine.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The soft and the hard limit on open files, as the system counts them.
    pub(crate) fn open_files(&self) -> (String, String) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).expect("it runs");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("such a limit");
        let mut numbers = line.split_whitespace().map(str::to_owned);
        (numbers.next().expect("soft"), numbers.next().expect("hard"))
    }

    /// Whether the system may give it memory in pages of 2 MiB.
    pub(crate) fn may_have_huge_pages(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("THP_enabled:")).expect("Linux 5.0 says so");
        line.trim() != "0"
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway.expect("it listens")
    }

    pub(crate) fn operations(&self) -> SocketAddr {
        self.operations.expect("it listens")
    }

    /// Everything it has said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the operations listener answers.
    pub(crate) async fn asked(&self, path: &str) -> Answer {
        Request::new("GET", path).with("Host", "localhost").send(self.operations()).await
    }

    /// Asks it to stop.
    pub(crate) fn is_told_to_stop(&self) {
        self.gets_signal("TERM");
    }

    /// Asks it to read its files again.
    pub(crate) fn is_told_to_reload(&self) {
        self.gets_signal("HUP");
    }

    /// Ends it as a mistake of its own would that nothing catches.
    pub(crate) fn crashes(&self) {
        self.gets_signal("ABRT");
    }

    fn gets_signal(&self, signal: &str) {
        let told = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status();
        assert!(told.expect("there is a shell").success());
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn is_killed(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("it ends");
    }

    /// Waits until it has ended, and returns how, and everything it said.
    pub(crate) async fn ends(mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("the gateway ends", async || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        })
        .await;
        self.reader.take().map(JoinHandle::join).transpose().expect("the reader of the log ends with it");
        (status.expect("it ended"), self.log())
    }

    /// The address that its log tells with this message.
    fn address(&self, message: &str) -> Option<SocketAddr> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = lines
            .filter(|line| line["message"] == message)
            .find_map(|line| line["address"].as_str().map(str::to_owned));
        told.map(|address| address.parse().expect("an address"))
    }
}

impl Drop for Running {
    #[expect(clippy::print_stderr, reason = "shown for a test that failed, and for no other")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what it logged:\n{}", self.log());
        }
        // Whatever is left of a test that failed; after one that passed there is nothing to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Keeps what comes, so that the other side never waits.
fn keep(mut pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0; 8192];
        let mut pending = Vec::new();
        while let Ok(count @ 1..) = pipe.read(&mut bytes) {
            pending.extend_from_slice(&bytes[..count]);
            let whole = pending.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
            let lines: Vec<u8> = pending.drain(..whole).collect();
            let text = String::from_utf8(lines).expect("UTF-8");
            log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&pending));
    })
}
