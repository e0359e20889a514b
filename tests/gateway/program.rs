//! The built program, as a service manager has it: what it says, and what it is told.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// What none of its lines takes, unless something is broken.
const TOO_LONG: Duration = Duration::from_secs(40);

/// The program; killed when this is dropped.
pub(super) struct Program {
    child: Child,
    log: Receiver<String>,
}

impl Program {
    pub(super) fn serve(folder: &TempDir) -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_vestibule")).args(["serve", "--config"]).arg(file(folder)))
    }

    /// With these as the sockets that the service manager hands over: numbers 3 and 4.
    pub(super) fn serve_on(folder: &TempDir, one: &impl AsFd, other: &impl AsFd) -> Self {
        let script =
            "exec 3<&0 4>&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" serve --config \"$1\"";
        let another = |socket: &dyn AsFd| socket.as_fd().try_clone_to_owned().expect("another of it");
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_vestibule")]).arg(file(folder));
        Self::start(command.stdin(another(one)).stdout(another(other)))
    }

    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program");
        let stderr = child.stderr.take().expect("piped");
        let (line, log) = channel();
        thread::spawn(move || {
            for text in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        Self { child, log }
    }

    /// Every line of the log up to the first that has `mark` in it.
    pub(super) fn logged(&self, mark: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.log.recv_timeout(TOO_LONG);
            let line = line.unwrap_or_else(|_| panic!("{mark:?} was never logged, but {lines:#?}"));
            let found = line.contains(mark);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    /// Where it listens, by its log.
    pub(super) fn listens(&self) -> SocketAddr {
        let lines = self.logged("listening address=");
        let address = lines.last().and_then(|line| line.split("address=").nth(1)).expect("an address");
        address.trim().parse().expect("an address")
    }

    pub(super) fn hang_up(&self) {
        self.signal("-HUP");
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    /// Waits for its end. Returns how it ended, and the rest of its log.
    pub(super) fn ends(mut self) -> (ExitStatus, Vec<String>) {
        let mut lines = Vec::new();
        loop {
            match self.log.recv_timeout(TOO_LONG) {
                Ok(line) => lines.push(line),
                // With the process ends what it says.
                Err(RecvTimeoutError::Disconnected) => return (self.child.wait().expect("a child"), lines),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end, but says {lines:#?}"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("vestibule.toml")
}
