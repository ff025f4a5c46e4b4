//! A request, and what became of one try of it.
//!
//! Enters: a script or a command, and the key or the server that it is for. Leaves: the server's answer. Promises: a script
//! is loaded into any server that does not know it.

use std::sync::Arc;

use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, Value};

use super::error::RedisFault;
use super::server::Server;
use super::slots::Address;

/// A request.
pub(super) struct Call<'a> {
    pub(super) to: To<'a>,
    pub(super) what: What<'a>,
}

/// Which server it is for. A server that is alone gets every call.
#[derive(Clone, Copy)]
pub(super) enum To<'a> {
    /// The server that has this key.
    Key(&'a str),
    Server(&'a Address),
}

pub(super) enum What<'a> {
    Script { script: &'a Script, key: &'a str, args: &'a [&'a str] },
    Command(Cmd),
}

/// How far a try has come. It may be cut off at any moment.
#[derive(Default)]
pub(super) struct Try {
    /// The server that was asked last.
    pub(super) server: Option<Arc<Server>>,
    /// The connection that is in use.
    pub(super) serial: Option<u64>,
    /// Why it is not done yet.
    pub(super) heard: Option<RedisFault>,
}

impl<'a> Call<'a> {
    pub(super) fn of_key(key: &'a str, command: Cmd) -> Self {
        Self { to: To::Key(key), what: What::Command(command) }
    }

    pub(super) fn of_script(script: &'a Script, key: &'a str, args: &'a [&'a str]) -> Self {
        Self { to: To::Key(key), what: What::Script { script, key, args } }
    }

    /// Sends it to this server. `asking`: the key is being handed over to it.
    pub(super) async fn send(&self, server: &Arc<Server>, asking: bool, of: &mut Try) -> RedisResult<Value> {
        (of.server, of.serial) = (Some(server.clone()), None);
        let (serial, connection) = server.connection().await?;
        of.serial = Some(serial);
        let send = async |command: Cmd| match asking {
            false => connection.call(command).await,
            true => connection.call_with_asking(command).await,
        };
        match &self.what {
            What::Command(command) => send(command.clone()).await,
            What::Script { script, key, args } => {
                // Not `Script::invoke_async`: it copies each argument twice, once into a place of its own.
                let mut call = redis::cmd("EVALSHA");
                call.arg(script.get_hash()).arg(1).arg(*key).arg(*args);
                match send(call.clone()).await {
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                        connection.load(script).await?;
                        send(call).await
                    }
                    answer => answer,
                }
            }
        }
    }
}

impl Try {
    /// The connection that was used is not used again.
    pub(super) fn leaves(&mut self) {
        if let (Some(server), Some(serial)) = (&self.server, self.serial.take()) {
            server.forget(serial);
        }
    }
}
