//! The product's specification, one module a subject. Servers come from `tests/run` (`make test`).
#![allow(missing_docs, dead_code, reason = "a test's name is its documentation; the harness serves many tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, and prints its figures"
)]

mod world;

use world::redis_server::Kind;

/// The Redis of these tests is one server; `on_a_cluster` has some of them once more.
const KIND: Kind = Kind::One;

mod bill;
mod broken_records;
mod browser;
mod bus;
mod chaos;
mod cloud_events;
mod cluster_storm;
mod comparison;
mod configuration;
mod console;
mod console_letters;
mod contracts;
mod crashes;
mod deeds;
mod demo;
mod details;
mod dlq;
mod dlq_chosen;
mod dlq_edited;
mod docs;
mod doctor;
mod doctor_fleet;
mod duplicates;
mod ecs;
mod engine;
mod environment;
mod failover;
mod fifo;
mod health_port;
mod house;
mod iam;
mod infra;
mod interop;
mod leases;
mod ledger_contract;
mod ledger_faults;
mod ledger_model;
mod mail_commands;
mod model;
mod named;
mod older_records;
mod older_release;
mod on_a_cluster;
mod outside;
mod own_events;
mod own_handler;
mod own_ledger;
mod own_program;
mod own_reaction;
mod panics;
mod pauses;
mod poison;
mod profiles_contract;
mod publisher;
mod queue_contract;
mod queue_faults;
mod readme;
mod recording;
mod records;
mod redis_cluster;
mod redis_kills;
mod redis_rights;
mod redis_settings;
mod resilience;
mod retrying;
mod screens;
mod shared_packets;
mod shared_redis;
mod shutdown;
mod smtp;
mod soak;
mod stages;
mod status;
mod strange_redis;
mod strangers;
mod telemetry;
mod templates;
mod terminal;
mod topic_contract;
mod traces;
mod webhook;
mod webhook_receivers;
