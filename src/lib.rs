//! Carries an event from the service that publishes it to the services that react to it, over
//! Amazon SNS and SQS: no event is lost, and no effect happens twice. `user.signed_up` and two reactions to it are built in.
//!
//! ```text
//! AuthService ── publish ──► SNS topic ──► SQS email queue   ──► worker `email`   ──► SMTP   (welcome mail, once)
//!                                   └────► SQS profile queue ──► worker `profile` ──► Redis  (profile, once)
//!                                   └────► … the next reaction, without a change to the publisher
//! ```
//!
//! # The way of one message: eight stops
//!
//! | # | room | what happens | what goes on |
//! |---|------|--------------|--------------|
//! | 1 | [`publisher`] | the event is encoded once, its id fixed, and sent to a [`topic`] | (SNS wraps it, fans out) |
//! | 2 | [`queue::sqs`] | a long poll for as many as there are free slots; AWS's Options end here | [`queue::Delivery`] |
//! | 3 | [`worker`] (`poll`) | a slot, a task, the message's span | the task owns the delivery |
//! | 4 | [`envelope`] | body → notification → event; pure | an [`event::Event`], or a named [`envelope::Refusal`] |
//! | 5 | [`idempotency`] | one atomic question: may we? | a lease, or "done", "busy", "conflict", "parked" |
//! | 6 | [`handlers`] | the work, with the [`idempotency::Fence`] before the point of no return | [`handlers::Handled`] |
//! | 7 | [`worker`] (`outcome`) | the one table: what happened → what we do | [`queue::Verdict`] |
//! | 8 | [`worker`] (`settle`) | batched delete, retry, or the DLQ with the reason | the delivery is spent |
//!
//! Stops 4 to 8 are joined by one corridor, `worker/process.rs`, which fits on one screen.
//!
//! An event and a reaction of your own need none of our code changed: a type that is an [`event::Event`], a
//! [`handlers::Handler`], and [`ops::main`] with your list of [`reactions`]; see `examples/orders.rs`. In ECS, [`ecs`] protects a
//! task at work from scale-in.
//!
//! The same handlers run without a broker on the in-process [`bus`], and without an account in
//! `user-events demo`, on [`queue::memory`], [`topic::memory`] and [`idempotency::memory`]. A reaction, tried on the bus:
//!
//! ```
//! use std::time::Duration;
//! use user_events::bus::Bus;
//! use user_events::event::UserSignedUp;
//! use user_events::handlers::{Handled, Handler, HandlerError};
//! use user_events::idempotency::{Fence, Terms, memory::MemoryLedger};
//! use user_events::worker::{Outcome, Reaction};
//!
//! struct Greeter;
//!
//! impl Handler for Greeter {
//!     type Event = UserSignedUp;
//!     const NAME: &'static str = "greeter";
//!
//!     async fn handle(&self, event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
//!         // Whatever cannot be taken back comes after this line.
//!         let crossing = fence.cross().await?;
//!         println!("hello, {}", event.user_id.as_str());
//!         Ok(Handled::done(crossing))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let second = Duration::from_secs(1);
//! let terms = Terms { lease: 30 * second, retention: 3600 * second, max_sends: 2 };
//! let bus = Bus::new().react(Reaction::new(Greeter, MemoryLedger::default(), terms, 10 * second));
//! let event = UserSignedUp::new("123".parse()?, "user@example.com".parse()?, None);
//! assert_eq!(bus.publish(&event).await[0].outcome, Outcome::Done);
//! assert_eq!(bus.publish(&event).await[0].outcome, Outcome::Duplicate);
//! # Ok(())
//! # }
//! ```
//!
//! # Who watches
//! What the process does is told by [`telemetry`]: one line a delivery, `/metrics`, and where a collector is
//! configured one trace from publish to effect. The engine knows nothing of it: a worker has
//! [`worker::Vitals`] that anybody may read and a [`worker::Observer`] that it tells, and queue and ledger
//! are decorated from outside.
//!
//! # Who imports whom
//! [`app`] and [`reactions`] alone know every adapter. The engine ([`worker`]) knows the ports ([`queue::Queue`],
//! [`idempotency::Ledger`], [`handlers::Handler`]) and no adapter; ports know nobody.

pub mod app;
pub mod aws;
pub mod backoff;
pub mod bus;
pub mod cli;
pub mod config;
pub mod ecs;
pub mod envelope;
pub mod event;
mod failpoint;
pub mod handlers;
pub mod idempotency;
pub mod mail;
pub mod ops;
mod plain;
pub mod profiles;
pub mod publisher;
pub mod queue;
pub mod reactions;
pub mod redis_link;
pub mod shutdown;
pub mod telemetry;
pub mod topic;
pub mod worker;
