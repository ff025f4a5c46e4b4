//! Asks the worker at `HTTP_ADDR` for its state, for `status` and `doctor`.
//!
//! Enters: an address. Leaves: a line for each reaction that runs there: `ready`, or what it waits for. It is no error
//! if nobody or another program listens there: then there are no lines. It judges nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::telemetry::health;

/// What each reaction's worker said, by the reaction's name.
#[derive(Debug, Default)]
pub(super) struct WorkerStates(BTreeMap<String, String>);

impl WorkerStates {
    /// A reaction's line. `None`: its worker was not asked.
    pub(super) fn of(&self, reaction: &str) -> Option<&str> {
        self.0.get(reaction).map(String::as_str)
    }
}

pub(super) async fn ask(address: SocketAddr) -> WorkerStates {
    match health::ask(address, "/readyz").await {
        Ok((200 | 503, body)) => WorkerStates::from(body.as_str()),
        _ => WorkerStates::default(),
    }
}

impl From<&str> for WorkerStates {
    /// Reads lines of the form `name: text`, at most 300 characters each. Another program's page hardly has such lines.
    fn from(body: &str) -> Self {
        let lines = body.lines().filter_map(|line| line.split_once(": "));
        let cut = |text: &str| text.chars().take(300).collect::<String>();
        Self(lines.map(|(name, text)| (name.to_owned(), cut(text))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::READY;

    #[test]
    fn each_reaction_has_its_own_line_and_one_that_runs_elsewhere_has_none() {
        let states = WorkerStates::from("email: paused: waiting for smtp (554 5.7.1 at dot)\nprofile: ready\n");
        assert_eq!(states.of("email"), Some("paused: waiting for smtp (554 5.7.1 at dot)"));
        assert_eq!((states.of("profile"), states.of("crm")), (Some(READY), None));
        assert_eq!(WorkerStates::from("<html>\n<p>404</p>").of("email"), None);
    }
}
