//! What `console` reads beside the queues: who may come in from elsewhere, and which workers it asks.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};

use super::reader::SettingsReader;

/// A shorter one is guessed, whatever the limit on tries.
const SHORTEST: usize = 12;

/// The console's own settings.
#[derive(Debug)]
pub(crate) struct ConsoleConfig {
    /// `None`: the printed link lets in.
    pub(crate) password: Option<SecretString>,
    /// The names by which a proxy's users reach it.
    pub(crate) hosts: Vec<String>,
    /// The workers whose `/readyz` it asks.
    pub(crate) workers: Vec<SocketAddr>,
}

/// Reads the settings of a console that listens there.
pub(crate) fn console(read: &mut SettingsReader<'_>, listen: SocketAddr) -> Option<ConsoleConfig> {
    let password = read.secret("CONSOLE_PASSWORD", |password| match password.expose_secret().chars().count() {
        SHORTEST.. => Ok(password.clone()),
        _ => Err("must have 12 characters or more"),
    });
    let hosts = read.parsed("CONSOLE_HOSTS", hosts);
    let workers = read.parsed("CONSOLE_WORKERS", workers);
    if !listen.ip().is_loopback() && password.is_none() {
        read.missing("CONSOLE_PASSWORD", "--listen is not loopback, so that others reach it");
    }
    if listen.ip().is_unspecified() && hosts.is_none() {
        read.missing("CONSOLE_HOSTS", "--listen is every address, so that none of them is its name");
    }
    Some(ConsoleConfig { password, hosts: hosts.unwrap_or_default(), workers: workers.unwrap_or_default() })
}

fn hosts(text: &str) -> Result<Vec<String>, &'static str> {
    const RULE: &str = "must be names like console.acme.example, with a comma between two, and :PORT if it is not 443";
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ['.', '-', ':'].contains(&c);
    let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
    let is_name = |name: &String| !name.is_empty() && name.chars().all(is_plain);
    if names.iter().all(is_name) { Ok(names) } else { Err(RULE) }
}

fn workers(text: &str) -> Result<Vec<SocketAddr>, &'static str> {
    let all: Result<_, _> = text.split(',').map(|address| address.trim().parse()).collect();
    all.map_err(|_| "must be addresses like 10.0.0.7:8080, with a comma between two")
}
