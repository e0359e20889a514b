//! The two versions: this one, and the next.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::installation::{Ended, Installation, Running};

/// A version of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    This,
    Next,
}

impl Release {
    fn program(self) -> &'static Path {
        static NEXT: OnceLock<PathBuf> = OnceLock::new();
        match self {
            Self::This => Path::new(env!("CARGO_BIN_EXE_vestibule")),
            Self::Next => NEXT.get_or_init(build),
        }
    }

    fn command(self, installation: &Installation, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.args(arguments).current_dir(installation.folder()).env_clear().env("RUST_BACKTRACE", "1");
        command
    }

    /// Starts a gateway of this version by the file of that name.
    pub(crate) async fn serves(self, installation: &Installation, file: &str) -> Running {
        installation.started(&mut self.command(installation, &["serve", "--config", file])).await
    }

    /// Runs a command of this version to its end.
    pub(crate) fn runs(self, installation: &Installation, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(installation, arguments))
    }
}

fn build() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/next");
    let built = Command::new(script).stderr(Stdio::inherit()).output().expect("there is Python");
    assert!(built.status.success(), "the next version does not build");
    String::from_utf8(built.stdout).expect("a path").trim().into()
}
