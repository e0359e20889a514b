//! `vestibule serve`: runs the gateway until it is told to stop.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Common, Failed, wait};
use crate::clock::Clock;
use crate::start::prepare;
use crate::telemetry::start_logging;

/// Starts the gateway; SIGTERM and SIGINT end it once what is in flight is done.
pub(super) fn run(common: &Common) -> Result<ExitCode, Failed> {
    let config = common.load()?;
    start_logging(config.log);
    wait(async {
        let prepared = prepare(config, Clock::system()).await?;
        let shutdown = CancellationToken::new();
        tokio::spawn(stop_on_signal(shutdown.clone())?);
        for address in prepared.addresses() {
            tracing::info!(%address, "listening");
        }
        if let Ok(address) = prepared.operations_address() {
            tracing::info!(%address, "operations");
        }
        prepared.run(shutdown).await?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
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
        tracing::info!("stopping: what is in flight is finished first");
        shutdown.cancel();
    })
}
