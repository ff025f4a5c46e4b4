//! Judges a reaction's workers: the one on this machine by what it says, all of them by what they report in Redis.
//!
//! Enters: what the worker at `HTTP_ADDR` says, the reports. Leaves: findings. Pure.

use std::collections::BTreeMap;

use super::diagnosis::*;
use super::finding::Findings;
use crate::ops::table::counted;
use crate::standing::{READY, Reports};

/// How the state of a worker begins that waits for a person alone.
const BY_HAND: &str = "paused by ";

/// `here`: the worker at `HTTP_ADDR`; `None`: it was not asked. `reports`: `None`: Redis does not tell.
pub(super) fn judge(findings: &mut Findings, here: Option<&str>, reports: Option<&Reports>) {
    match (here, reports) {
        // The one here is among them.
        (Some(_), Some(reports)) if reports.fleet.len() > 1 => reported(findings, reports),
        (Some(READY), _) => findings.ok("worker", READY),
        (Some(waits), _) if waits.starts_with(BY_HAND) => findings.bad(PAUSED_BY_HAND, waits),
        (Some(waits), _) => findings.bad(PAUSED, waits),
        (None, None) => {
            findings.ok("worker (not asked)", "none answers at HTTP_ADDR, and Redis does not tell of any");
        }
        (None, Some(reports)) => reported(findings, reports),
    }
    if let Some(reports) = reports {
        releases(findings, reports);
    }
}

fn reported(findings: &mut Findings, reports: &Reports) {
    if let Some(pause) = &reports.pause {
        findings.bad(PAUSED_BY_HAND, pause.to_string());
    }
    if reports.fleet.is_empty() {
        return match reports.elsewhere.first() {
            Some(other) => findings.bad(WORKER_ELSEWHERE, format!("{} on {}", other.worker, other.report.queue)),
            None => findings.bad(NO_WORKER, "none"),
        };
    }
    let states = reports.states();
    let waits = |state: &&str| *state != READY && !state.starts_with(BY_HAND);
    let waiting: Vec<_> = states.iter().filter(|(state, _)| waits(state)).collect();
    for (state, workers) in &waiting {
        findings.bad(PAUSED, format!("{} of {}: {state}", workers, counted(reports.fleet.len() as u64, "worker")));
    }
    if waiting.is_empty() && reports.pause.is_none() {
        findings.ok("worker", format!("{} ready", counted(reports.fleet.len() as u64, "worker")));
    }
}

fn releases(findings: &mut Findings, reports: &Reports) {
    let mut releases = BTreeMap::<&str, u64>::new();
    reports.fleet.iter().for_each(|one| *releases.entry(&one.report.version).or_default() += 1);
    if releases.len() > 1 {
        let each = |(release, workers): (&&str, &u64)| format!("{} of {release}", counted(*workers, "worker"));
        findings.bad(RELEASES_DIFFER, releases.iter().map(each).collect::<Vec<_>>().join(", "));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::{Report, Reported};
    use crate::ops::doctor::finding::Finding;
    use engine::event::Timestamp;
    use engine::worker::Pause;

    fn worker(paused: Option<&str>, version: &str) -> Reported {
        let (queue, version) = ("arn:q".to_owned(), version.to_owned());
        let report = Report { queue, version, paused: paused.map(str::to_owned), ..Report::default() };
        Reported { worker: "host/1".to_owned(), ago: Duration::ZERO, report }
    }

    fn pause() -> Pause {
        let now = Timestamp::now();
        Pause { by: "anna".to_owned(), why: "move".to_owned(), since: now, until: now }
    }

    fn told(here: Option<&str>, reports: Option<&Reports>) -> Vec<(String, String)> {
        let mut findings = Findings::of("email");
        judge(&mut findings, here, reports);
        let code = |finding: &Finding| finding.diagnosis.map_or(finding.check, |found| found.code).to_owned();
        findings.all.iter().map(|finding| (code(finding), finding.seen.clone())).collect()
    }

    fn codes(here: Option<&str>, fleet: &[Reported]) -> Vec<String> {
        let reports = Reports { fleet: fleet.to_vec(), ..Reports::default() };
        told(here, Some(&reports)).into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn the_worker_here_speaks_for_itself_and_the_others_by_their_reports() {
        let down = Some("paused: waiting for smtp (554) since 10:00");
        assert_eq!(codes(Some(READY), &[worker(down, "1")]), ["worker"]);
        assert_eq!(codes(Some(READY), &[worker(None, "1"), worker(down, "1")]), ["paused"]);
        assert_eq!(codes(down, &[]), ["paused"]);
        assert_eq!(codes(Some("paused by anna: move (since 1, until 2)"), &[]), ["paused_by_hand"]);
        assert_eq!(codes(None, &[worker(None, "1"), worker(None, "1")]), ["worker"]);
        let reports = Reports { fleet: vec![worker(None, "1"), worker(down, "1")], ..Reports::default() };
        let seen = "1 of 2 workers: paused: waiting for smtp (554) since 10:00".to_owned();
        assert_eq!(told(None, Some(&reports)), [("paused".to_owned(), seen)]);
        assert_eq!(told(None, None)[0].0, "worker (not asked)");
    }

    #[test]
    fn a_pause_by_hand_is_told_once_and_is_no_outage() {
        let by_hand = pause().to_string();
        let reports = Reports { fleet: vec![worker(Some(&by_hand), "1")], pause: Some(pause()), ..Reports::default() };
        assert_eq!(
            told(None, Some(&reports)).into_iter().map(|(code, _)| code).collect::<Vec<_>>(),
            ["paused_by_hand"]
        );
    }

    #[test]
    fn no_worker_one_on_another_queue_and_two_releases_are_found() {
        assert_eq!(codes(None, &[]), ["no_worker"]);
        let elsewhere = Reports { elsewhere: vec![worker(None, "1")], ..Reports::default() };
        assert_eq!(told(None, Some(&elsewhere)), [("worker_elsewhere".to_owned(), "host/1 on arn:q".to_owned())]);
        let reports =
            Reports { fleet: vec![worker(None, "2"), worker(None, "1"), worker(None, "1")], ..Reports::default() };
        let releases = ("releases_differ".to_owned(), "2 workers of 1, 1 worker of 2".to_owned());
        assert_eq!(told(None, Some(&reports))[1], releases);
    }
}
