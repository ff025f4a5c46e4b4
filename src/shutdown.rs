//! Stopping: the first SIGTERM, SIGINT, SIGQUIT or SIGHUP cancels a token; a second one ends the process at once.
//! A worker logs both. A command prints its own message instead.
//!
//! Enters: the process's signals. Leaves: a token; the rest of the process watches it. Promises: a process that was
//! started under `nohup` goes on when its terminal closes.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit code after a second signal: work in flight was left behind.
const IMPATIENT: i32 = 130;

/// Starts listening, for a worker: both signals are logged. Must be called inside the runtime.
///
/// # Errors
/// If the process cannot listen for signals.
pub fn on_signal() -> io::Result<CancellationToken> {
    listen(
        || info!("stopping: the last long poll and what runs are finished first; once more to leave at once"),
        || warn!("leaving at once: what was in flight will come again"),
    )
}

/// Starts listening, for a command that reports its own end: nothing is logged. Must be called inside the runtime.
///
/// # Errors
/// If the process cannot listen for signals.
pub(crate) fn on_interrupt() -> io::Result<CancellationToken> {
    listen(|| (), || ())
}

fn listen(stopping: fn(), leaving: fn()) -> io::Result<CancellationToken> {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::hangup()];
    let heard = kinds.into_iter().filter(|kind| *kind != SignalKind::hangup() || !is_ignored(*kind));
    let mut signals = heard.map(signal).collect::<io::Result<Vec<_>>>()?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        any(&mut signals).await;
        stopping();
        told.cancel();
        any(&mut signals).await;
        leaving();
        std::process::exit(IMPATIENT);
    });
    Ok(stop)
}

async fn any(signals: &mut [Signal]) {
    poll_fn(|context| {
        // Poll every signal, not only until the first is ready: a signal that was not polled does not wake this task.
        let came = signals.iter_mut().filter_map(|signal| signal.poll_recv(context).is_ready().then_some(())).count();
        if came > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Was this process started with the signal ignored, as `nohup` does it? `false` where there is no `/proc`.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> (kind.as_raw_value() - 1)) & 1 == 1)
}
