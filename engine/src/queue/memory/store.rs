//! The messages of one queue, and the rules by which they come and go.
//!
//! Enters: one step at a time, under the queue's lock. Leaves: what that step changes. Promises: the port's contract
//! about visibility, receipts and groups. Knows no waiting, and only the faults of a receive.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::faults::Fault;
use crate::queue::{Attempt, Attributes, Body, Delivery, QueueError, ReceiptHandle};
use crate::timestamp::Timestamp;

/// How long a FIFO queue remembers deduplication ids. SQS's own figure.
const DEDUPLICATION: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Store {
    is_fifo: bool,
    messages: VecDeque<StoredMessage>,
    /// Numbers the messages: the first part of a receipt. Each copy of a message has its own number.
    last_number: u64,
    recent: HashMap<String, (Instant, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct StoredMessage {
    pub(super) id: String,
    number: u64,
    body: String,
    attributes: Attributes,
    /// SQS's `MessageGroupId`. On a FIFO queue, the order is kept within it; on a standard queue it is the fairness
    /// group, and has no effect here.
    group_id: Option<String>,
    sent_at_millis: i64,
    received: u32,
    visible_at: Instant,
    moved_by_queue: bool,
}

/// What one receive took.
pub(super) struct TakenMessages {
    pub(super) deliveries: Vec<Delivery>,
    /// Messages that were received too often, to move to the DLQ.
    pub(super) exhausted: Vec<StoredMessage>,
}

impl Store {
    pub(super) fn new(is_fifo: bool) -> Self {
        Self { is_fifo, messages: VecDeque::new(), last_number: 0, recent: HashMap::new() }
    }

    pub(super) fn put(&mut self, mut message: StoredMessage) {
        self.last_number += 1;
        message.number = self.last_number;
        self.messages.push_back(message);
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn visible(&self) -> usize {
        let now = Instant::now();
        self.messages.iter().filter(|message| message.visible_at <= now).count()
    }

    pub(super) fn next_visible(&self) -> Option<Instant> {
        let now = Instant::now();
        // A visible message that was not taken is blocked by its group, until another of the group is settled or
        // appears.
        self.messages.iter().map(|message| message.visible_at).filter(|at| *at > now).min()
    }

    /// The id of the message that first had this deduplication id; `None`: this message is the first.
    pub(super) fn first_of(&mut self, deduplication_id: &str, message_id: &str) -> Option<String> {
        let now = Instant::now();
        self.recent.retain(|_, (at, _)| now.duration_since(*at) < DEDUPLICATION);
        if let Some((_, first)) = self.recent.get(deduplication_id) {
            return Some(first.clone());
        }
        self.recent.insert(deduplication_id.to_owned(), (now, message_id.to_owned()));
        None
    }

    pub(super) fn take(
        &mut self,
        at_most: usize,
        max_receive_count: Option<u32>,
        visibility: Duration,
        fault: Option<Fault>,
    ) -> TakenMessages {
        let now = Instant::now();
        let fault = fault.filter(|_| !self.is_fifo);
        let exhausted = self.remove_exhausted(now, max_receive_count);
        let blocked: BTreeSet<String> = if self.is_fifo { self.groups_in_flight(now) } else { BTreeSet::new() };
        let takes = |message: &StoredMessage| {
            message.visible_at <= now && message.group_id.as_ref().is_none_or(|group| !blocked.contains(group))
        };
        let mut chosen: Vec<usize> = (0..self.messages.len()).filter(|n| takes(&self.messages[*n])).collect();
        if fault == Some(Fault::Reordered) {
            chosen.reverse();
        }
        chosen.truncate(at_most);
        let mut deliveries = Vec::new();
        for n in chosen {
            if fault == Some(Fault::Duplicate) {
                self.put(self.messages[n].clone());
            }
            let is_fifo = self.is_fifo;
            deliveries.push(self.messages[n].hand_out(now + visibility, is_fifo));
        }
        TakenMessages { deliveries, exhausted }
    }

    /// Refuses a receipt that has expired, or that a later receive has replaced: SQS may say yes to such a receipt
    /// and do nothing. If the message is gone, that counts as deleted, as with SQS.
    pub(super) fn delete(&mut self, receipt: &str) -> Result<(), QueueError> {
        let (number, _) = parts(receipt).ok_or(QueueError::NotInFlight)?;
        if self.messages.iter().any(|message| message.number == number) {
            let n = self.in_flight(receipt)?;
            self.messages.remove(n);
        }
        Ok(())
    }

    pub(super) fn hide(&mut self, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        let n = self.in_flight(receipt)?;
        self.messages[n].visible_at = Instant::now() + delay;
        Ok(())
    }

    /// The position of the message whose latest receipt this is, if it is in flight.
    fn in_flight(&self, receipt: &str) -> Result<usize, QueueError> {
        let (number, received) = parts(receipt).ok_or(QueueError::NotInFlight)?;
        let now = Instant::now();
        let is = |m: &StoredMessage| m.number == number && m.received == received && m.visible_at > now;
        self.messages.iter().position(is).ok_or(QueueError::NotInFlight)
    }

    fn remove_exhausted(&mut self, now: Instant, most: Option<u32>) -> Vec<StoredMessage> {
        let is_exhausted =
            |message: &StoredMessage| message.visible_at <= now && most.is_some_and(|most| message.received >= most);
        let (exhausted, rest): (Vec<_>, Vec<_>) = self.messages.drain(..).partition(is_exhausted);
        self.messages = rest.into();
        exhausted
    }

    fn groups_in_flight(&self, now: Instant) -> BTreeSet<String> {
        self.messages.iter().filter(|message| message.visible_at > now).filter_map(|m| m.group_id.clone()).collect()
    }
}

impl StoredMessage {
    pub(super) fn new(body: &str, attributes: Attributes, group_id: Option<String>, visible_at: Instant) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            number: 0,
            body: body.to_owned(),
            attributes,
            group_id,
            sent_at_millis: Timestamp::now().unix_millis(),
            received: 0,
            visible_at,
            moved_by_queue: false,
        }
    }

    /// The same message, marked as moved to the DLQ by the queue.
    pub(super) fn moved(self) -> Self {
        Self { moved_by_queue: true, ..self }
    }

    fn hand_out(&mut self, visible_at: Instant, is_fifo: bool) -> Delivery {
        self.received += 1;
        self.visible_at = visible_at;
        let (group, fairness) = if is_fifo { (self.group_id.clone(), None) } else { (None, self.group_id.clone()) };
        Delivery {
            message_id: self.id.clone(),
            body: Body::new(self.body.clone()),
            attributes: self.attributes.clone(),
            attempt: Attempt::new(self.received),
            sent_at_millis: self.sent_at_millis,
            group,
            fairness,
            moved_by_queue: self.moved_by_queue,
            trace_header: None,
            receipt: ReceiptHandle::new(format!("{}#{}", self.number, self.received)),
        }
    }
}

/// A receipt is the message's number and the number of the receive.
fn parts(receipt: &str) -> Option<(u64, u32)> {
    let (number, received) = receipt.split_once('#')?;
    Some((number.parse().ok()?, received.parse().ok()?))
}
