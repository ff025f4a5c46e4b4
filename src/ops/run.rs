//! `run`: consume until told to stop.

use super::{Exit, complain, configured};
use crate::app::{self, REACTIONS, RunError};
use crate::config::{self, Environment};
use crate::redis_link::RedisError;
use crate::shutdown;

pub(super) async fn run(environment: &Environment, only: &[String]) -> Exit {
    let config = match configured(environment, |read| config::run(read, REACTIONS, only)) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let Ok(stop) = shutdown::on_signal() else {
        complain("this process cannot listen for signals");
        return Exit::Bug;
    };
    match app::run(config, stop).await {
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
