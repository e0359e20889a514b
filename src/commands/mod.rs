//! The command line: arguments in, exit code out.

mod accounts;
mod audit;
mod check;
mod key;
mod organizations;
mod output;
mod render;
mod serve;
mod store;
mod ticket;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::core_dumps;
use crate::opening::open_store;
use crate::second_factor::event::Occasion;
use crate::store::Store;
use crate::telemetry::causes;

/// The second factor for dashboards that only have a password.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, about, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// The configuration file [default: vestibule.toml, then /etc/vestibule/vestibule.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print for programs: one JSON document
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve,
    /// Say everything that is wrong with the configuration
    Check(check::Check),
    /// Print the configuration of a server in front that asks Vestibule about each request
    #[command(subcommand)]
    Render(render::Render),
    /// Accounts: who has a second factor, the reset of a lost key, and tickets to enroll with
    #[command(subcommand)]
    Accounts(accounts::Accounts),
    /// Organizations: whether they require a second factor
    #[command(subcommand)]
    Organizations(organizations::Organizations),
    /// The keys that seal secrets at rest
    #[command(subcommand)]
    Key(key::Key),
    /// What happened, the newest first
    Audit(audit::Audit),
    /// Where everything is kept: backups, and copying it to another place
    #[command(subcommand)]
    Store(store::Store),
}

/// Why a command failed: one line for people.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the process was started with. Wrong usage ends it with exit code 2.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = core_dumps::forbid().map_err(|refused| format!("core dumps can't be forbidden: {refused}").into());
    match done.and_then(|()| dispatch(arguments)) {
        Ok(code) => code,
        Err(failed) => {
            output::complain(&causes(failed.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<ExitCode, Failed> {
    let common = arguments.common;
    match arguments.command {
        Command::Serve => serve::run(&common),
        Command::Check(check) => check.run(&common),
        Command::Render(render) => render.run(&common),
        Command::Accounts(accounts) => wait(accounts.run(&common)),
        Command::Organizations(organizations) => wait(organizations.run(&common)),
        Command::Key(key) => wait(key.run(&common)),
        Command::Audit(audit) => wait(audit.run(&common)),
        Command::Store(store) => wait(store.run(&common)),
    }
}

/// Runs what has to wait for the store.
fn wait(command: impl Future<Output = Result<ExitCode, Failed>>) -> Result<ExitCode, Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

impl Common {
    fn load(&self) -> Result<Config, Failed> {
        let path = config::find(self.config.as_deref())?;
        Ok(config::load(&path)?)
    }

    /// The configuration, and its store.
    async fn open(&self) -> Result<(Config, Arc<dyn Store>), Failed> {
        let config = self.load()?;
        let store = open_store(&config, &occasion()).await?;
        Ok((config, store))
    }
}

/// The operator does something, now.
fn occasion() -> Occasion {
    Occasion::of_the_operator(Clock::system().now())
}
