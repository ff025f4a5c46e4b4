//! A record that nobody can read is its own event's fault: nothing pauses, and what happened is not asked to be recorded again.

use user_events::idempotency::{Begin, Claim, Lease, LedgerError, Release, Request, Setbacks};

use super::*;

const RULE: &str = "its field gen is no number";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Claim,
    Begin,
    Commit,
}

/// A ledger with one record, which breaks before this step.
struct Breaks(Step, MemoryLedger);

impl Breaks {
    async fn ask<T>(&self, at: Step, call: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
        if at == self.0 { Err(LedgerError::Broken(RULE)) } else { call.await }
    }
}

impl Ledger for Breaks {
    const SERVER: &'static str = "memory";

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        self.ask(Step::Claim, self.1.claim(request, token, terms)).await
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.ask(Step::Begin, self.1.begin(lease, terms)).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.1.renew(lease, terms).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        self.ask(Step::Commit, self.1.commit(lease, receipt, terms)).await
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        self.1.release(lease, why).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// An effect behind the fence.
struct Fenced(Arc<AtomicUsize>);

impl Handler for Fenced {
    type Event = UserSignedUp;
    const NAME: &'static str = "fenced";

    async fn handle(&self, _event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let crossing = fence.cross().await?;
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Handled::done(crossing))
    }
}

/// One event, until its message is gone; answers the worker's count, the effects, and the DLQ.
async fn one_event(breaks: Step) -> (Count, usize, MemoryQueue) {
    let dlq = MemoryQueue::new("work-dlq", VISIBILITY);
    let queue = MemoryQueue::with_dlq("work", VISIBILITY, &dlq, 5);
    let effects = Arc::new(AtomicUsize::new(0));
    send(&queue, &event("user-1"));
    let ledger = Breaks(breaks, MemoryLedger::default());
    let (began, worker) =
        (Instant::now(), Running::with_ledger(queue.clone(), Fenced(effects.clone()), settings(), ledger));
    emptied(&queue).await;
    assert!(began.elapsed() < seconds(5), "nothing was waited for: {:?}", began.elapsed());
    (worker.tally.read(), effects.load(Ordering::SeqCst), dlq)
}

#[tokio::test(start_paused = true)]
async fn a_record_broken_before_the_effect_is_a_letter_that_says_how() {
    for step in [Step::Claim, Step::Begin] {
        let (count, effects, dlq) = one_event(step).await;
        assert_eq!((count.of("record_broken"), count.of("unavailable"), effects), (1, 0, 0));
        let letters = letters(&dlq).await;
        assert_eq!(letters.iter().map(reason).collect::<Vec<_>>(), ["record_broken"]);
        assert!(letters[0].attributes["failure.detail"].value.ends_with(RULE));
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_breaks_after_the_effect_ends_the_asking_at_once() {
    let (count, effects, dlq) = one_event(Step::Commit).await;
    assert_eq!((count.of("done_unrecorded"), effects, dlq.depth()), (1, 1, EMPTY));
}
