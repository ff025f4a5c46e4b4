//! `run`: consume until told to stop.

use super::{Exit, complain, configured};
use crate::app::{self, REACTIONS, StartError};
use crate::config::{self, Environment};
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
                StartError::Queue { .. } | StartError::Listen(_) => Exit::Unavailable,
                StartError::Misfit(_) | StartError::Redis(_) => Exit::Config,
                StartError::Compose(_) => Exit::Bug,
            }
        }
    }
}
