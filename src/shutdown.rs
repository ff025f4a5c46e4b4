//! Told to stop: SIGTERM or SIGINT cancels a token; a second one ends the process at once.
//!
//! Enters: the process's signals. Leaves: a token that everything waiting listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit code after a second signal: work in flight was left behind.
const IMPATIENT: i32 = 130;

/// Starts listening. Must be called inside the runtime.
///
/// # Errors
/// If the process cannot listen for signals.
pub fn on_signal() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        info!("stopping: the last long poll and what runs are finished first; once more to leave at once");
        told.cancel();
        either(&mut terminate, &mut interrupt).await;
        warn!("leaving at once: what was in flight will come again");
        std::process::exit(IMPATIENT);
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
