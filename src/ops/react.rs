//! A reaction of your own, run as `user-events run` runs ours: what your `main` calls.

use super::run::ended;
use super::{Exit, deaf, observed, panics};
use crate::app;
use crate::config::{self, Environment, ReactionNeeds};
use crate::handlers::Handler;
use crate::shutdown;

/// Consumes with `handler` until told to stop.
///
/// Its [`Handler::NAME`] names its variables, as [`config::prefix`] says: `crm` reads
/// `CRM_QUEUE_URL`, and `CRM_WORKER_CONCURRENCY` before `WORKER_CONCURRENCY`. Whatever else begins with `CRM_` is
/// yours to read, from the same [`Environment`]; if it is no text, nothing starts. Effects are recorded at `REDIS_URL`. Logs, metrics, traces, health endpoint, signals and exit codes are those of `user-events run`.
/// The process's panic hook is ours from here on: it tells where a panic was, and never its message.
pub async fn react<H: Handler>(handler: H, environment: &Environment) -> Exit {
    panics::keep_to_themselves();
    let own = [ReactionNeeds { name: H::NAME, mail: false }];
    let read = |read: &mut config::Reader<'_>| {
        read.texts(&config::of_reaction(H::NAME, ""));
        config::run(read, &own, &[H::NAME.to_owned()])
    };
    let (config, telemetry) = match observed(environment, &own, read) {
        Ok(started) => started,
        Err(exit) => return exit,
    };
    match shutdown::on_signal() {
        Ok(stop) => {
            let result = app::run_own(config, handler, &telemetry, stop).await;
            telemetry.stop().await;
            ended(result)
        }
        Err(_) => deaf(),
    }
}
