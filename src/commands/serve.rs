//! `vestibule serve`: runs the gateway until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Common, Failed, wait};
use crate::clock::Clock;
use crate::config;
use crate::huge_pages;
use crate::listener::Given;
use crate::open_files::{allow_many, allowed};
use crate::reload::Running;
use crate::service_manager::{State, tell};
use crate::start::prepare_on;
use crate::telemetry::{causes, start_logging};

/// Starts the gateway; SIGHUP has it read its configuration again, SIGTERM and SIGINT end it once what is in flight is
/// done.
pub(super) fn run(common: &Common) -> Result<ExitCode, Failed> {
    // First of all, since it changes the environment: there are no other threads yet that could look at it.
    let given = Given::from_environment()?;
    huge_pages::avoid();
    let file = config::find(common.config.as_deref())?;
    let config = config::load(&file)?;
    start_logging(config.log);
    allow_many();
    wait(async {
        // Caught before anything else is done: uncaught, it would end the process.
        let hang_up = signal(SignalKind::hangup())?;
        let prepared = prepare_on(given, config, Clock::system()).await?;
        let shutdown = CancellationToken::new();
        tokio::spawn(stop_on_signal(shutdown.clone())?);
        tokio::spawn(reload_on_signal(hang_up, Arc::clone(prepared.running()), file));
        for address in prepared.addresses() {
            tracing::info!(%address, "listening");
        }
        tracing::info!(connections = prepared.connections(), open_files = allowed(), "there is room for visitors");
        if let Ok(address) = prepared.operations_address() {
            tracing::info!(%address, "operations");
        }
        // Every socket listens and the store answers: whoever comes from here on is attended to.
        tell(State::Ready);
        prepared.run(shutdown).await?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// Takes in what the key file and the configuration say by then, at each SIGHUP.
async fn reload_on_signal(mut hang_up: Signal, running: Arc<Running>, file: PathBuf) {
    while hang_up.recv().await.is_some() {
        tell(State::Reloading);
        read_keys(&running).await;
        let (running, file) = (Arc::clone(&running), file.clone());
        if tokio::task::spawn_blocking(move || running.reload(&file)).await.is_err() {
            tracing::error!("a reload ended in a panic");
        }
        tell(State::Ready);
    }
}

/// Reads the key file again. If it can't be used, the keys from before stay.
async fn read_keys(running: &Running) {
    match running.gateway().keys.read_again().await {
        Ok(keys) => {
            let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
            tracing::info!(keys = keys.join(", "), "read the key file again");
        }
        Err(error) => tracing::error!(error = causes(&error), "the keys from before stay"),
    }
}

/// Cancels `shutdown` at the first SIGTERM or SIGINT. Both are caught from here on.
fn stop_on_signal(shutdown: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell(State::Stopping);
        tracing::info!("stopping: what is in flight is finished first");
        shutdown.cancel();
    })
}
