//! One reaction's dead letters, for the console: its DLQ, opened when it is first needed, and what was last seen in it.
//!
//! Enters: a way to open the DLQ. Leaves: what was last seen, or that a look goes on; a letter. Promises: a look is a job
//! like a deed, so the two never run at once, and the console's end waits until every letter is shown again.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::shelf::{Gathered, Seen, Shelf};
use crate::config::Queues;
use crate::console::jobs::{Ended, Progress};
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::letters::sqs::{SqsDlq, open};
use crate::letters::{Letter, Source, each};
use crate::reactions::EventType;
use crate::words::counted;
use engine::envelope::Topics;

/// How long a page waits for a look: one at a few hundred letters ends within it.
const PATIENCE: Duration = Duration::from_millis(700);

/// One reaction's dead letters.
pub(crate) struct Desk {
    pub(super) name: &'static str,
    /// The topics that its worker reads.
    pub(super) topics: Topics,
    aws: SdkConfig,
    queues: Queues,
    event_type: EventType,
    dlq: OnceCell<Arc<SqsDlq>>,
    pub(super) shelf: Shelf,
}

/// What a page knows of a DLQ.
pub(super) enum View {
    Seen(Arc<Seen>),
    /// A look, or a deed, is at work.
    Busy(String),
}

impl Desk {
    /// Makes no call.
    pub(crate) fn new(aws: SdkConfig, queues: Queues, event_type: EventType, topics: Topics) -> Arc<Self> {
        let (name, dlq, shelf) = (queues.name, OnceCell::new(), Shelf::new());
        Arc::new(Self { name, topics, aws, queues, event_type, dlq, shelf })
    }

    /// The desk of this reaction.
    ///
    /// # Errors
    /// 404: none is called so, or its queue is not set.
    pub(super) fn of<'v>(visit: &'v Visit, reaction: &str) -> Result<&'v Arc<Self>, Refusal> {
        let found = visit.console.letters.iter().find(|desk| desk.name == reaction);
        found.ok_or_else(|| Refusal::not_found("there is no reaction of this name whose queue is set here"))
    }

    /// The address of its list.
    pub(super) fn address(&self) -> String {
        format!("/letters/{}", self.name)
    }

    /// Its DLQ, opened.
    ///
    /// # Errors
    /// 503: which queue cannot be opened, and why.
    pub(super) async fn dlq(&self) -> Result<&Arc<SqsDlq>, Refusal> {
        let opening = async || open(&self.aws, self.queues.clone(), self.event_type).await.map(Arc::new);
        self.dlq.get_or_try_init(opening).await.map_err(Refusal::unavailable)
    }

    /// What was last seen; if that was nothing, or had this number, a look begins first.
    ///
    /// # Errors
    /// 503: the DLQ cannot be read.
    pub(super) async fn view(self: &Arc<Self>, visit: &Visit, older_than: Option<u64>) -> Result<View, Refusal> {
        let is_old = |seen: &Arc<Seen>| Some(seen.number) == older_than;
        if let Some(seen) = self.shelf.seen().filter(|seen| !is_old(seen)) {
            return Ok(View::Seen(seen));
        }
        // A look that took long has failed meanwhile.
        if let Some(failure) = self.shelf.take_failure() {
            return Err(Refusal::unavailable(failure));
        }
        let (before, dlq) = (self.shelf.ended(), self.dlq().await?.clone());
        let (desk, what) = (self.clone(), format!("look at the dead letters of {}", self.name));
        let begun = visit.console.jobs.start(self.name, what, self.address(), |progress, stop| async move {
            look(&desk, &dlq, &progress, &stop).await
        });
        self.shelf.await_end(before, PATIENCE).await;
        if let Some(failure) = self.shelf.take_failure() {
            return Err(Refusal::unavailable(failure));
        }
        match self.shelf.seen().filter(|seen| !is_old(seen)) {
            Some(seen) => Ok(View::Seen(seen)),
            None => Ok(View::Busy(
                begun.map_or_else(|refusal| refusal.words, |_| "the letters are being looked at".to_owned()),
            )),
        }
    }

    /// A letter that was seen. `None`: it is being looked for.
    ///
    /// # Errors
    /// 404: it was not seen. 503: the DLQ cannot be read.
    pub(super) async fn letter(self: &Arc<Self>, visit: &Visit, id: &str) -> Result<Option<Arc<Letter>>, Refusal> {
        let View::Seen(seen) = self.view(visit, None).await? else { return Ok(None) };
        if seen.gist(id).is_none() {
            return Err(Refusal::not_found("this letter was not there at the last look: it went back, or was dropped"));
        }
        if let Some(letter) = self.shelf.letter(id) {
            return Ok(Some(letter));
        }
        let (before, dlq) = (self.shelf.ended(), self.dlq().await?.clone());
        let (desk, wanted) = (self.clone(), id.to_owned());
        let (what, back) = (format!("look for letter {id} of {}", self.name), format!("{}/{id}", self.address()));
        // In the other case another job is at work: the page waits for it.
        let _ = visit.console.jobs.start(self.name, what, back, |progress, stop| async move {
            look_for(&desk, &dlq, &wanted, &progress, &stop).await
        });
        self.shelf.await_end(before, PATIENCE).await;
        match self.shelf.take_failure() {
            Some(failure) => Err(Refusal::unavailable(failure)),
            None => Ok(self.shelf.letter(id)),
        }
    }
}

async fn look(desk: &Desk, dlq: &SqsDlq, progress: &Progress, stop: &CancellationToken) -> Ended {
    if let Ok(count) = dlq.source.letters().await {
        progress.of(count);
    }
    let mut gathered = Gathered::default();
    let see = |letter| {
        gathered.add(letter);
        true
    };
    let looked = each(dlq, stop, see, &|count| progress.at(count)).await;
    match looked {
        Ok(is_whole) => {
            let words = format!("{} looked at, and left as they were", counted(gathered.count(), "letter"));
            desk.shelf.put(gathered, is_whole);
            Ended { is_well: is_whole, words }
        }
        Err(error) => failed(desk, &error.to_string()),
    }
}

async fn look_for(desk: &Desk, dlq: &SqsDlq, id: &str, progress: &Progress, stop: &CancellationToken) -> Ended {
    let mut found = None;
    let see = |letter: Letter| {
        found = (letter.id == id).then_some(letter);
        found.is_none()
    };
    let looked = each(dlq, stop, see, &|count| progress.at(count)).await;
    match (looked, found) {
        (Err(error), _) => failed(desk, &error.to_string()),
        (Ok(_), Some(letter)) => {
            desk.shelf.keep(letter);
            Ended { is_well: true, words: "the letter was found".to_owned() }
        }
        (Ok(_), None) => failed(desk, "the letter was not found: look at the list again"),
    }
}

fn failed(desk: &Desk, why: &str) -> Ended {
    let words = format!("the dead-letter queue of `{}`: {why}", desk.name);
    desk.shelf.fail(words.clone());
    Ended { is_well: false, words }
}
