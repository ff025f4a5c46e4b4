//! Receives messages from an SQS queue and runs idempotent handlers on them: no event is lost, and no effect happens twice. The
//! limit of that promise is written in [`idempotency`].
//!
//! # The way of one message: eight stops
//!
//! | # | room | what happens | what goes on |
//! |---|------|--------------|--------------|
//! | 1 | [`publisher`] | the event is encoded once, its id fixed, and sent to a [`topic`] | (SNS wraps it, fans out) |
//! | 2 | [`queue`] | a long poll for as many as there are free slots; `queue::sqs` checks each field that AWS leaves optional | [`queue::Delivery`] |
//! | 3 | [`worker`] (`poll`) | a slot, a task, the message's span | the task owns the delivery |
//! | 4 | [`envelope`] | body → notification → event; pure | an [`event::Event`], or a named [`envelope::Refusal`] |
//! | 5 | [`idempotency`] | one atomic question: may we? | a lease, or "done", "busy", "conflict", "parked" |
//! | 6 | [`handler`] | the work, with the [`idempotency::Fence`] before the point of no return | [`handler::Handled`] |
//! | 7 | [`worker`] (`outcome`) | the one table: what happened → what we do | [`queue::Verdict`] |
//! | 8 | [`worker`] (`settle`) | batched delete, retry, or the DLQ with the reason | the delivery is spent |
//!
//! Stops 4 to 8 are joined by one function, in `worker/process.rs`, which fits on one screen.
//!
//! # An event and a handler of your own
//! The event is a type that reads its own fields; the handler is a name and one function. Here both run on the in-process
//! [`bus`]; a [`worker::Worker`] runs the same [`worker::Reaction`] on a queue.
//!
//! ```
//! use std::time::Duration;
//! use user_events_engine::bus::Bus;
//! use user_events_engine::event::{Event, EventError, Fields, Head, Published};
//! use user_events_engine::handler::{Handled, Handler, HandlerError};
//! use user_events_engine::idempotency::{Fence, Terms, memory::MemoryLedger};
//! use user_events_engine::worker::{Outcome, Reaction};
//!
//! #[derive(Debug)]
//! struct OrderPaid { head: Head, order: String }
//!
//! impl Event for OrderPaid {
//!     const TYPES: &'static [&'static str] = &["order.paid"];
//!
//!     fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
//!         Ok(Self { head, order: fields.parsed("orderId")? })
//!     }
//!
//!     fn head(&self) -> &Head {
//!         &self.head
//!     }
//!
//!     fn subject(&self) -> &str {
//!         &self.order
//!     }
//! }
//!
//! struct Receipt;
//!
//! impl Handler for Receipt {
//!     type Event = OrderPaid;
//!     const NAME: &'static str = "receipt";
//!
//!     async fn handle(&self, event: &OrderPaid, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
//!         // Whatever cannot be taken back comes after this line.
//!         let crossing = fence.cross().await?;
//!         println!("a receipt for order {}", event.order);
//!         Ok(Handled::done(crossing))
//!     }
//! }
//!
//! impl Published for OrderPaid {
//!     fn to_json(&self) -> String {
//!         let (id, time) = (self.head.id.as_str(), self.head.occurred_at);
//!         format!(r#"{{"type":"order.paid","eventId":"{id}","timestamp":"{time}","orderId":"{}"}}"#, self.order)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let second = Duration::from_secs(1);
//! let terms = Terms::new(30 * second, 3600 * second);
//! let bus = Bus::new().react(Reaction::recorded(Receipt, MemoryLedger::default(), terms, 10 * second));
//! let event = OrderPaid { head: Head::new("order.paid", 1), order: "7".to_owned() };
//! assert_eq!(bus.publish(&event).await[0].outcome, Outcome::Done);
//! assert_eq!(bus.publish(&event).await[0].outcome, Outcome::Duplicate);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! `sqs`, `sns` and `redis` (all on unless told) bring the adapters for real servers; without them there are those in memory
//! ([`queue::memory`], [`topic::memory`], [`idempotency::memory`]). `testing` brings the tests that every adapter passes,
//! for one of your own, and a world to try a handler in.
//!
//! # Who imports whom
//! The [`worker`] knows the ports ([`queue::Queue`], [`idempotency::Ledger`], [`handler::Handler`]) and no adapter; ports know
//! nobody. Who watches reads [`worker::Vitals`] or is a [`worker::Observer`]: nothing here knows a metric or a log's form.

pub mod backoff;
pub mod bus;
pub mod envelope;
pub mod event;
#[doc(hidden)]
pub mod failpoint;
pub mod handler;
pub mod idempotency;
pub mod publisher;
pub mod queue;
#[cfg(feature = "redis")]
pub mod redis_link;
mod refusal_code;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timestamp;
pub mod topic;
pub mod worker;
