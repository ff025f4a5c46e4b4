//! A rate, so many things a second: waits until the next one is due.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Waits until as many as `done` may be done since `started`, at `rate` a second; or until `stop`.
pub(crate) async fn until_due(rate: u32, started: Instant, done: u64, stop: &CancellationToken) {
    let due = started + Duration::from_secs(1).mul_f64(done as f64 / f64::from(rate));
    let _ = stop.run_until_cancelled(sleep_until(due)).await;
}
