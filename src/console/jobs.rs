//! Long deeds: each is a job that a page watches and that can be stopped.
//!
//! Enters: work that reports how far it is. Leaves: a page a job, with its progress and its outcome. Promises: a reaction
//! has at most one job at a time; when the console ends, every job is told to stop and waited for.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::refusal::Refusal;
use super::visit::{Answer, Visit};
use engine::event::Timestamp;

/// How many jobs that have ended are remembered.
const REMEMBERED: usize = 50;

/// How a job ended, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) is_well: bool,
    pub(crate) words: String,
}

/// How far a job is. Clones are the same job's.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Job>);

impl Progress {
    /// This many are done.
    pub(crate) fn at(&self, done: u64) {
        self.0.done.store(done, Ordering::Relaxed);
    }

    /// There are this many in all.
    pub(crate) fn of(&self, all: u64) {
        self.0.all.store(all, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Job {
    id: u64,
    reaction: &'static str,
    /// What it does: "redrive of 120 letters of email".
    what: String,
    /// Where its results are seen.
    back: String,
    since: Timestamp,
    done: AtomicU64,
    /// 0: nobody knows.
    all: AtomicU64,
    stop: CancellationToken,
    outcome: OnceLock<Ended>,
}

/// All jobs of this console.
#[derive(Default)]
pub(crate) struct Jobs {
    known: Mutex<VecDeque<Arc<Job>>>,
    running: TaskTracker,
    stop: CancellationToken,
}

impl Jobs {
    /// Starts a job; leaves the address of its page. `back` is the page where its results are seen.
    ///
    /// # Errors
    /// 409: the reaction has a job already.
    pub(crate) fn start<F>(
        &self,
        reaction: &'static str,
        what: impl Into<String>,
        back: impl Into<String>,
        work: impl FnOnce(Progress, CancellationToken) -> F,
    ) -> Result<String, Refusal>
    where
        F: Future<Output = Ended> + Send + 'static,
    {
        let mut known = self.known();
        if let Some(other) = known.iter().find(|job| job.reaction == reaction && job.outcome.get().is_none()) {
            return Err(Refusal::conflict(format_args!("another job is at work on {reaction}: {}", other.what)));
        }
        let job = Arc::new(Job {
            id: known.back().map_or(1, |last| last.id + 1),
            reaction,
            what: what.into(),
            back: back.into(),
            since: Timestamp::now(),
            done: AtomicU64::new(0),
            all: AtomicU64::new(0),
            stop: self.stop.child_token(),
            outcome: OnceLock::new(),
        });
        known.push_back(job.clone());
        let ended = known.iter().filter(|job| job.outcome.get().is_some()).count();
        if ended > REMEMBERED
            && let Some(at) = known.iter().position(|job| job.outcome.get().is_some())
        {
            known.remove(at);
        }
        let (address, ends) = (address(job.id), EndsAnyway(job.clone()));
        let work = work(Progress(job.clone()), job.stop.clone());
        self.running.spawn(async move {
            let outcome = work.await;
            // Set once: here, or by `ends` if the work panics.
            let _ = ends.0.outcome.set(outcome);
        });
        Ok(address)
    }

    /// Tells every job to stop, and waits for it.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }

    fn find(&self, id: u64) -> Result<Arc<Job>, Refusal> {
        let found = self.known().iter().find(|job| job.id == id).cloned();
        found.ok_or_else(|| Refusal::not_found("there is no job of this number, or it ended long ago"))
    }

    fn known(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job whose work panicked has ended, too.
struct EndsAnyway(Arc<Job>);

impl Drop for EndsAnyway {
    fn drop(&mut self) {
        let words = "it broke off: the fault is ours, and the log names it".to_owned();
        let _ = self.0.outcome.set(Ended { is_well: false, words });
    }
}

fn address(id: u64) -> String {
    format!("/jobs/{id}")
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/jobs/{id}", get(show)).route("/jobs/{id}/stop", post(stop))
}

async fn show(visit: Visit, Path(id): Path<u64>) -> Answer {
    let job = visit.console.jobs.find(id)?;
    let (done, all) = (job.done.load(Ordering::Relaxed), job.all.load(Ordering::Relaxed));
    let outcome = job.outcome.get().map(|outcome| json!({ "is_well": outcome.is_well, "words": outcome.words }));
    let values = json!({
        "address": address(id), "what": job.what, "reaction": job.reaction, "back": job.back,
        "since": job.since.to_string(), "done": done, "all": all, "outcome": outcome,
        "is_stopping": job.stop.is_cancelled(),
    });
    visit.page("job.html", &job.what, values)
}

async fn stop(visit: Visit, Path(id): Path<u64>) -> Answer {
    let job = visit.console.jobs.find(id)?;
    job.stop.cancel();
    visit.go(&address(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well(words: &str) -> Ended {
        Ended { is_well: true, words: words.to_owned() }
    }

    /// A job that works until it is told to stop.
    fn endless(jobs: &Jobs, reaction: &'static str) -> Result<String, Refusal> {
        jobs.start(reaction, format!("redrive of {reaction}"), "/", |progress, stop| async move {
            progress.of(10);
            progress.at(3);
            stop.cancelled().await;
            well("stopped after 3 of 10")
        })
    }

    #[tokio::test]
    async fn a_reaction_has_one_job_at_a_time_and_the_end_waits_for_all() {
        let jobs = Jobs::default();
        assert_eq!((endless(&jobs, "email"), endless(&jobs, "profile")), (Ok("/jobs/1".into()), Ok("/jobs/2".into())));
        let refused = endless(&jobs, "email").expect_err("one is at work");
        assert_eq!(refused.words, "another job is at work on email: redrive of email");
        jobs.end().await;
        for id in [1, 2] {
            let job = jobs.find(id).expect("remembered");
            assert_eq!(job.outcome.get(), Some(&well("stopped after 3 of 10")));
            assert_eq!((job.done.load(Ordering::Relaxed), job.all.load(Ordering::Relaxed)), (3, 10));
        }
        assert!(endless(&jobs, "email").is_ok(), "the next may begin");
        assert!(jobs.find(9).is_err());
    }

    #[tokio::test]
    async fn a_job_that_breaks_off_has_ended_and_says_so() {
        let jobs = Jobs::default();
        let broken = jobs.start("email", "redrive", "/", |_, _| async { panic!("by this test") });
        assert!(broken.is_ok());
        jobs.end().await;
        let job = jobs.find(1).expect("remembered");
        assert!(job.outcome.get().is_some_and(|outcome| !outcome.is_well && outcome.words.starts_with("it broke off")));
    }

    #[tokio::test]
    async fn jobs_that_ended_long_ago_are_forgotten_and_those_at_work_are_not() {
        let jobs = Jobs::default();
        endless(&jobs, "email").expect("it begins");
        for _ in 0..=REMEMBERED {
            let begun = jobs.start("profile", "drop", "/", |_, _| async { well("done") });
            let id = begun.expect("it begins").rsplit('/').next().and_then(|id| id.parse().ok()).expect("a number");
            while jobs.find(id).is_ok_and(|job| job.outcome.get().is_none()) {
                tokio::task::yield_now().await;
            }
        }
        let begun = jobs.start("profile", "drop", "/", |_, _| async { well("done") });
        assert!(begun.is_ok() && jobs.find(1).is_ok() && jobs.find(2).is_err());
        jobs.end().await;
    }
}
