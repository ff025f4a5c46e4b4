//! `run`: consume until told to stop.

use super::{Exit, complain, deaf, observed};
use crate::app::{self, REACTIONS, RunError};
use crate::config::{self, Environment};
use crate::redis_link::RedisError;
use crate::shutdown;
use crate::worker::Summary;

pub(super) async fn run(environment: &Environment, only: &[String]) -> Exit {
    let (config, telemetry) = match observed(environment, REACTIONS, |read| config::run(read, REACTIONS, only)) {
        Ok(started) => started,
        Err(exit) => return exit,
    };
    let Ok(stop) = shutdown::on_signal() else { return deaf() };
    let result = app::run(config, &telemetry, stop).await;
    telemetry.stop().await;
    ended(result)
}

/// How a run's end is told.
pub(super) fn ended(ended: Result<Vec<Summary>, RunError>) -> Exit {
    match ended {
        Ok(_) => Exit::Clean,
        Err(error) => {
            complain(&error);
            match error {
                RunError::Misfit(_) | RunError::Aws(_) | RunError::Redis(RedisError::BadUrl) => Exit::Config,
                RunError::Queue { .. } | RunError::Listen(_) | RunError::Redis(_) => Exit::Unavailable,
                RunError::Compose(_) | RunError::Ended => Exit::Bug,
            }
        }
    }
}
