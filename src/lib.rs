//! Carries an event from the service that publishes it to the services that react to it, over
//! Amazon SNS and SQS: no event is lost, and no effect happens twice. `user.signed_up` and two reactions to it are built in.
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
//! An event and a reaction of your own need none of our code changed: a type that is an [`event::Event`], a
//! [`handler::Handler`], and [`ops::main`] with your list of [`reactions`]; see `examples/orders.rs`. In ECS, [`ecs`] protects a
//! task at work from scale-in.
//!
//! The same handlers run without a broker on the in-process [`bus`] (`examples/in_process.rs`), and without an account in
//! `user-events demo`, on [`queue::memory`], [`topic::memory`] and [`idempotency::memory`].
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
pub mod aws;
pub mod cli;
pub mod config;
pub mod ecs;
pub mod events;
pub mod fleet;
pub mod handlers;
pub mod mail;
pub mod ops;
pub mod pauses;
mod plain;
pub mod profiles;
pub mod reactions;
pub mod shutdown;
pub mod telemetry;
mod tls;
pub mod webhook;

pub use engine::{
    backoff, bus, envelope, event, handler, idempotency, one_of, publisher, queue, redis_link, topic, worker,
};
