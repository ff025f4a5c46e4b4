//! The endpoint's messages, by number: who has them, until when, and how long they took.
//!
//! Enters: one call at a time. Leaves: rendered messages, counts, and moments. A message's number is all that differs
//! from one to the next, so bodies are put together and not kept.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio::time::Instant;

#[derive(Default)]
pub struct Store {
    generation: u64,
    size: usize,
    visible: VecDeque<u32>,
    /// By number: when it comes back, and which receive it was.
    in_flight: BTreeMap<u32, (Instant, u32)>,
    arrived_at: Vec<Instant>,
    /// By number: when it was handed out first.
    taken_at: Vec<Option<Instant>>,
    deleted: u64,
    received_again: u64,
    calls: BTreeMap<&'static str, u64>,
    first_call: Option<Instant>,
    started: Option<Instant>,
    latencies: Vec<u32>,
}

impl Store {
    pub fn reset(&mut self, preload: u32, size: usize) -> u64 {
        let now = Instant::now();
        *self = Self { generation: self.generation + 1, size, started: Some(now), ..Self::default() };
        self.visible = (0..preload).collect();
        self.arrived_at = vec![now; preload as usize];
        self.taken_at = vec![None; preload as usize];
        self.generation
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// One more message; `false`: another run has begun.
    pub fn arrive(&mut self, generation: u64) -> bool {
        if generation != self.generation {
            return false;
        }
        self.visible.push_back(self.arrived_at.len() as u32);
        self.arrived_at.push(Instant::now());
        self.taken_at.push(None);
        true
    }

    pub fn count(&mut self, kind: &'static str) {
        self.first_call.get_or_insert_with(Instant::now);
        *self.calls.entry(kind).or_default() += 1;
    }

    /// Messages as the answer to a receive; `None`: there are none, or the asker is of an earlier run.
    pub fn take(&mut self, at_most: usize, visibility: Duration, generation: u64) -> Option<String> {
        if generation != self.generation {
            return None;
        }
        self.show_expired();
        let numbers: Vec<u32> = (0..at_most).map_while(|_| self.visible.pop_front()).collect();
        if numbers.is_empty() {
            return None;
        }
        let now = Instant::now();
        let back_at = now + visibility;
        let mut answer = String::with_capacity(numbers.len() * (self.size + 1_600));
        answer.push_str("{\"Messages\":[");
        for (n, number) in numbers.iter().enumerate() {
            let receive = self.in_flight.get(number).map_or(0, |(_, receive)| *receive) + 1;
            self.in_flight.insert(*number, (back_at, receive));
            self.taken_at[*number as usize].get_or_insert(now);
            if n > 0 {
                answer.push(',');
            }
            self.render(&mut answer, *number, receive);
        }
        answer.push_str("]}");
        Some(answer)
    }

    pub fn delete(&mut self, receipt: &str) -> bool {
        let Some(number) = number(receipt) else { return false };
        if self.in_flight.remove(&number).is_none() {
            return true;
        }
        self.deleted += 1;
        let took = self.arrived_at[number as usize].elapsed().as_micros();
        self.latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
        true
    }

    pub fn hide(&mut self, receipt: &str, seconds: u64) -> bool {
        let entry = number(receipt).and_then(|number| self.in_flight.get_mut(&number));
        entry.map(|entry| entry.0 = Instant::now() + Duration::from_secs(seconds)).is_some()
    }

    /// What is asked for while messages are handed out: nothing that grows with them.
    pub fn stats(&self) -> Value {
        let since = |at: Option<Instant>| at.map(|at| at.elapsed().as_secs_f64());
        json!({
            "deleted": self.deleted, "received_again": self.received_again, "calls": self.calls,
            "visible": self.visible.len(), "in_flight": self.in_flight.len(),
            "first_call_ago": since(self.first_call), "started_ago": since(self.started),
        })
    }

    /// From a message's arrival to its delete, in microseconds.
    pub fn latencies(&self) -> Value {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let at = |part: f64| latencies.get(((latencies.len() as f64 - 1.0) * part) as usize).copied().unwrap_or(0);
        json!({ "p50_us": at(0.5), "p99_us": at(0.99) })
    }

    /// When each message arrived and was handed out first, by its number, in microseconds since 1970: the mail server,
    /// another process, says by the same clock when the mail was there. 0: it was not.
    pub fn moments(&self) -> Value {
        let (now, wall) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let micros = |at: Instant| (wall - (now - at)).as_micros() as u64;
        json!({
            "arrived_us": self.arrived_at.iter().map(|at| micros(*at)).collect::<Vec<_>>(),
            "taken_us": self.taken_at.iter().map(|at| at.map_or(0, micros)).collect::<Vec<_>>(),
        })
    }

    fn show_expired(&mut self) {
        if !self.visible.is_empty() {
            return;
        }
        let now = Instant::now();
        for (number, (back_at, _)) in &self.in_flight {
            if *back_at <= now && !self.visible.contains(number) {
                self.received_again += 1;
                self.visible.push_back(*number);
            }
        }
    }

    /// A message as SNS wraps it and SQS answers it: the event in a string in a string.
    fn render(&self, answer: &mut String, number: u32, receive: u32) {
        let padding = "x".repeat(self.size.saturating_sub(200));
        let event = format!(
            "{{\"type\":\"user.signed_up\",\"version\":\"2\",\"eventId\":\"e-{}-{number}\",\"userId\":\"u-{}-{number}\",\
             \"email\":\"u{number}@example.com\",\"plan\":\"pro\",\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"note\":\"{padding}\"}}",
            self.generation, self.generation
        );
        let notification = json!({
            "Type": "Notification", "MessageId": format!("00000000-0000-4000-8000-{number:012}"),
            "TopicArn": "arn:aws:sns:us-east-1:000000000000:user-events", "Message": event,
            "Timestamp": "2026-01-02T03:04:05.700Z", "SignatureVersion": "1",
            "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNKWLQjwu6A4VbeS0QHVCkhRS7fUQvi2egU3N858fiTDN6bkkOxYDVrY0Ad8L10Hs3zH81mtnPk5uvvolIC1CXGu43obcgFxeL3khZl8IKvO61GWB6jI9b5+gLPoBc1Q=",
            "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
            "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:000000000000:user-events:c9135db0-26c4-47ec-8998-413945fb5a96",
            "MessageAttributes": { "eventType": { "Type": "String", "Value": "user.signed_up" } }
        });
        let body = notification.to_string();
        let digest: String = Md5::digest(body.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let message = json!({
            "MessageId": format!("10000000-0000-4000-8000-{number:012}"), "ReceiptHandle": receipt(number, receive),
            "MD5OfBody": digest, "Body": body,
            "Attributes": { "ApproximateReceiveCount": receive.to_string(), "SentTimestamp": "1767323045678" }
        });
        answer.push_str(&message.to_string());
    }
}

/// As long as a real one, so that parsing and signing cost what they cost.
fn receipt(number: u32, receive: u32) -> String {
    format!("{number}#{receive}#{}", "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".repeat(6))
}

fn number(receipt: &str) -> Option<u32> {
    receipt.split('#').next()?.parse().ok()
}
