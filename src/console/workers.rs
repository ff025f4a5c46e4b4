//! The workers that `CONSOLE_WORKERS` names: what each says of its reactions at `/readyz`.
//!
//! Enters: addresses. Leaves: a line a reaction and worker. It is no failure if one does not answer: that is its line.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::timeout;

use crate::telemetry::health;

/// A page does not wait longer for a worker.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most characters of a line: another program may listen there.
const LONGEST: usize = 300;

/// What one worker said of one reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    pub(super) worker: String,
    /// `ready`, or what it waits for.
    pub(super) line: String,
    #[serde(skip)]
    reaction: String,
}

/// What all of them said, and who said nothing.
#[derive(Debug, Default)]
pub(super) struct Answers {
    told: Vec<Told>,
    pub(super) silent: Vec<String>,
}

impl Answers {
    pub(super) fn of<'a>(&'a self, reaction: &'a str) -> impl Iterator<Item = &'a Told> {
        self.told.iter().filter(move |told| told.reaction == reaction)
    }
}

/// Asks all of them at once.
pub(super) async fn ask(workers: &[SocketAddr]) -> Answers {
    let ask = async |worker: SocketAddr| (worker, timeout(PATIENCE, health::ask(worker, "/readyz")).await);
    let mut answers = Answers::default();
    for (worker, answer) in join_all(workers.iter().copied().map(ask)).await {
        match answer {
            Ok(Ok((200 | 503, body))) => answers.told.extend(lines(&worker.to_string(), &body)),
            Ok(Ok((status, _))) => answers.silent.push(format!("{worker} answers {status} at /readyz")),
            Ok(Err(why)) => answers.silent.push(why),
            Err(_) => answers.silent.push(format!("no answer from {worker} within 1 s")),
        }
    }
    answers
}

fn lines(worker: &str, body: &str) -> Vec<Told> {
    let told = |(reaction, line): (&str, &str)| Told {
        worker: worker.to_owned(),
        line: line.chars().take(LONGEST).collect(),
        reaction: reaction.to_owned(),
    };
    body.lines().filter_map(|line| line.split_once(": ")).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reaction_has_the_lines_of_its_own_workers() {
        let told = lines("10.0.0.7:8080", "email: paused: waiting for smtp\nprofile: ready\n<p>no line</p>\n");
        let answers = Answers { told, silent: Vec::new() };
        let of = |reaction| answers.of(reaction).map(|told| told.line.as_str()).collect::<Vec<_>>();
        assert_eq!(of("email"), ["paused: waiting for smtp"]);
        assert_eq!((of("profile"), of("crm")), (vec!["ready"], vec![]));
    }
}
