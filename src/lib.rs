//! Carries an event from the service that publishes it to the services that react to it, over
//! Amazon SNS and SQS: no event is lost, and no effect happens twice (`docs/guarantees.md` has the limit). `user.signed_up` and
//! two reactions to it are built in.
//!
//! ```text
//! AuthService ── publish ──► SNS topic ──► SQS email queue   ──► worker `email`   ──► SMTP   (welcome mail, once)
//!                                   └────► SQS profile queue ──► worker `profile` ──► Redis  (profile, once)
//!                                   └────► … the next reaction, without a change to the publisher
//! ```
//!
//! This crate is the service: the reactions that ship, mail, configuration, the command line, what is seen and told. The engine is a
//! crate of its own, [`engine`], and is shown here under its own names ([`worker`], [`queue`], [`event`] …). Its front page tells
//! the way of one message in eight stops; the handlers of stop 6 are in [`handlers`].
//!
//! # A reaction of your own
//! None of our code changes: a handler is a name and one function, and [`ops::main`] gives it every command. It reads
//! `GREETER_QUEUE_URL`, and takes each user once.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use user_events::events::UserSignedUp;
//! use user_events::handler::{Handled, Handler, HandlerError};
//! use user_events::{idempotency::Fence, ops, reactions::Reactions};
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
//! fn main() -> ExitCode {
//!     ops::main(Reactions::new().with(Greeter))
//! }
//! ```
//!
//! An event of your own is a type that is an [`event::Event`]: see `examples/orders.rs`. In ECS, [`ecs`] protects a task at work
//! from scale-in. The same handlers run without a broker on the in-process [`bus`] (`examples/in_process.rs`), and without an
//! account in `user-events demo`, on [`queue::memory`], [`topic::memory`] and [`idempotency::memory`].
//!
//! # Who watches
//! What the process does is told by [`telemetry`]: one line a delivery, `/metrics`, and where a collector is
//! configured one trace from publish to effect. It reads [`worker::Vitals`] and is a [`worker::Observer`]; queue and ledger
//! are decorated from outside.
//!
//! # Who imports whom
//! Adapters are chosen in [`app`] and [`reactions`]; beside them only the commands ([`ops`]) and [`config`] name any. The engine
//! cannot know this crate. `tests/it/house/imports.rs` holds the whole table.

pub mod app;
pub mod audit;
pub mod aws;
mod by_hand;
pub mod cli;
pub mod config;
mod console;
pub mod ecs;
pub mod events;
pub mod fleet;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod handlers;
mod letters;
pub mod mail;
pub mod ops;
pub mod pauses;
mod plain;
pub mod profiles;
mod rate;
pub mod reactions;
pub mod shutdown;
mod standing;
pub mod telemetry;
mod tls;
pub mod webhook;
mod words;

pub use engine::{
    backoff, bus, envelope, event, handler, idempotency, one_of, publisher, queue, redis_link, topic, worker,
};
