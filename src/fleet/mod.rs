//! What each worker of a reaction says of itself, wherever it runs: for `status`, `doctor`, and whoever watches.
//!
//! Enters: a worker's vitals and its queue's calls. Leaves: a [`Report`], as JSON in Redis by [`redis`], renewed every
//! [`RENEWED`] and forgotten [`KEPT`] after the last; and the [`Bill`] of several. Promises: no report holds an address, a body or
//! a secret. Knows no queue's server.

mod rate;
pub mod redis;
mod retrying;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use self::rate::Rate;
pub use self::retrying::{Retrying, retrying};
use engine::event::Timestamp;
use engine::queue::Calls;
use engine::worker::Vitals;

/// How often a worker reports.
pub const RENEWED: Duration = Duration::from_secs(15);
/// How soon a worker reports that it waits for something, or does no longer.
pub const LOOK: Duration = Duration::from_secs(1);
/// How long a report is kept: three may be lost.
pub const KEPT: Duration = Duration::from_secs(60);

/// A worker's state and what it has done since it started. A field that an older release did not write is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Its queue's ARN.
    pub queue: String,
    /// The release it runs.
    pub version: String,
    /// When it started.
    pub since: String,
    /// Messages that it may work on at once.
    pub slots: u64,
    /// Messages received and not settled.
    pub in_flight: u64,
    /// What it waits for; `None`: it works.
    pub paused: Option<String>,
    /// Messages that are through: deleted, or moved to the DLQ.
    pub handled: u64,
    /// Those of them that were moved to the DLQ.
    pub dead: u64,
    /// Calls to SQS.
    pub calls: u64,
    /// What SQS bills of them.
    pub billed: u64,
    /// Receives among them.
    pub receives: u64,
    /// Receives that brought nothing.
    pub empty_receives: u64,
    /// US dollars a million calls.
    pub price: f64,
    /// Messages that were through a second, over the last [`RENEWED`].
    pub rate: f64,
    /// The age of the oldest message that it holds or has received within the last minute, in seconds.
    pub oldest: Option<u64>,
    /// What it retries: deferred or failed within the last hour, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retrying: Vec<Retrying>,
    /// Messages that came more than once and are through, by their ids: another worker may still think that it retries them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
}

/// A report, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The worker's name: its task or machine, and its process.
    pub worker: String,
    /// How long ago it said this.
    pub ago: Duration,
    /// What it said.
    pub report: Report,
}

/// What messages cost, over all workers of a reaction, each since its start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// How many workers it is of.
    pub workers: usize,
    /// Messages that are through.
    pub handled: u64,
    /// Calls to SQS for each of them; `None`: there are none yet.
    pub calls_a_message: Option<f64>,
    /// The share of receives that brought nothing; `None`: there was no receive.
    pub empty_share: Option<f64>,
    /// US dollars for the calls of a million messages, at the workers' prices.
    pub dollars_a_million: Option<f64>,
}

impl Report {
    /// What a worker says now.
    #[must_use]
    pub fn of(queue: &str, vitals: &Vitals, calls: &Calls, price: f64, since: Timestamp) -> Self {
        let (count, calls, retries) = (vitals.count(), calls.read(), vitals.retries());
        let by = |ends: &[&str]| {
            let of = count.verdicts.iter().filter(|((_, verdict), _)| ends.contains(verdict));
            of.map(|(_, times)| times).sum()
        };
        Self {
            queue: queue.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: since.to_string(),
            slots: vitals.slots() as u64,
            in_flight: vitals.held() as u64,
            paused: vitals.hindrance(),
            handled: by(&["delete", "quarantine"]),
            dead: by(&["quarantine"]),
            calls: calls.total(),
            billed: calls.billed,
            receives: calls.actions.get("ReceiveMessage").copied().unwrap_or(0),
            empty_receives: calls.empty_receives,
            price,
            rate: 0.0,
            oldest: vitals.oldest().map(|age| age.as_secs()),
            retrying: retries.again.into_iter().map(Retrying::from).collect(),
            over: retries.over,
        }
    }

    /// The same, with the rate since the last reports.
    #[must_use]
    pub fn at(self, rate: &mut Rate, now: Instant) -> Self {
        Self { rate: rate.count(now, self.handled), ..self }
    }
}

impl Bill {
    /// The bill of these workers; `None`: there are none.
    #[must_use]
    pub fn of(fleet: &[Reported]) -> Option<Self> {
        let sum = |count: fn(&Report) -> u64| fleet.iter().map(|one| count(&one.report)).sum::<u64>();
        let (handled, receives) = (sum(|report| report.handled), sum(|report| report.receives));
        let of = |part: f64, whole: u64| (whole > 0).then(|| part / whole as f64);
        let dollars = fleet.iter().map(|one| one.report.billed as f64 * one.report.price).sum();
        (!fleet.is_empty()).then_some(Self {
            workers: fleet.len(),
            handled,
            calls_a_message: of(sum(|report| report.calls) as f64, handled),
            empty_share: of(sum(|report| report.empty_receives) as f64, receives),
            dollars_a_million: of(dollars, handled),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(handled: u64, calls: u64, receives: u64, price: f64) -> Reported {
        let report = Report { handled, calls, billed: calls, receives, empty_receives: 10, price, ..Report::default() };
        Reported { worker: "w".to_owned(), ago: Duration::ZERO, report }
    }

    #[test]
    fn a_bill_is_of_all_workers_together_and_each_at_its_price() {
        let bill = Bill::of(&[reported(600, 150, 70, 0.4), reported(400, 50, 30, 0.8)]).expect("two workers");
        assert_eq!((bill.workers, bill.handled), (2, 1000));
        assert_eq!((bill.calls_a_message, bill.empty_share), (Some(0.2), Some(0.2)));
        let dollars = bill.dollars_a_million.expect("messages");
        assert!((dollars - 0.1).abs() < 1e-9, "{dollars}");
    }

    #[test]
    fn without_messages_there_is_no_share_and_without_workers_no_bill() {
        let bill = Bill::of(&[reported(0, 3, 0, 0.4)]).expect("a worker");
        assert_eq!((bill.calls_a_message, bill.empty_share, bill.dollars_a_million), (None, None, None));
        assert_eq!(Bill::of(&[]), None);
    }

    #[test]
    fn a_report_of_an_older_or_a_newer_release_is_read() {
        let read: Report = serde_json::from_str(r#"{"version":"9.9.9","handled":3,"mood":"fine"}"#).expect("JSON");
        assert_eq!(read, Report { version: "9.9.9".to_owned(), handled: 3, ..Report::default() });
    }
}
