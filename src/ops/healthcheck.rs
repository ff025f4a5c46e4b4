//! `healthcheck`: the container's health check. It needs no shell and no curl in the image.

use std::net::SocketAddr;

use super::{Context, Exit, complain, configured};
use crate::config;
use crate::telemetry::health;

pub(super) async fn healthcheck(context: &Context<'_>) -> Exit {
    let address: SocketAddr = match configured(context, |read| Some(config::http_addr(read))) {
        Ok(address) => address,
        Err(exit) => return exit,
    };
    match health::check(address).await {
        Ok(()) => Exit::Clean,
        Err(problem) => {
            complain(problem);
            Exit::Unavailable
        }
    }
}
