//! `healthcheck`: the container's health check. It needs no shell and no curl in the image.

use std::net::SocketAddr;

use super::{CommandResult, Context, Exit, configured, fail_with};
use crate::config;
use crate::telemetry::health;

pub(super) async fn healthcheck(context: &Context<'_>) -> CommandResult {
    let address: SocketAddr = configured(context, |read| Some(config::http_addr(read)))?;
    health::check(address).await.map_err(fail_with(Exit::Unavailable))?;
    Ok(Exit::Clean)
}
