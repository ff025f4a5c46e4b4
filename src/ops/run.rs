//! `run`: consume until told to stop.

use super::{Exit, complain, configured};
use crate::app::{self, REACTIONS, RunError};
use crate::config::{self, Environment};
use crate::redis_link::RedisError;
use crate::shutdown;
use crate::worker::Summary;

pub(super) async fn run(environment: &Environment, only: &[String]) -> Exit {
    let config = match configured(environment, |read| config::run(read, REACTIONS, only)) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let Ok(stop) = shutdown::on_signal() else {
        complain("this process cannot listen for signals");
        return Exit::Bug;
    };
    ended(app::run(config, stop).await)
}

/// How a run's end is told.
pub(super) fn ended(ended: Result<Vec<Summary>, RunError>) -> Exit {
    match ended {
        Ok(_) => Exit::Clean,
        Err(error) => {
            complain(&error);
            match error {
                RunError::Misfit(_) | RunError::Redis(RedisError::BadUrl) => Exit::Config,
                RunError::Queue { .. } | RunError::Listen(_) | RunError::Redis(_) => Exit::Unavailable,
                RunError::Compose(_) | RunError::Ended(_) => Exit::Bug,
            }
        }
    }
}
