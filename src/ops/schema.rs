//! `schema`: the contracts, generated from the code that keeps them.
//!
//! Enters: which one. Leaves: a JSON Schema, or an `AsyncAPI` document of the topic, the queues and what
//! travels on them, with the names that `infra/` gives them.

use serde_json::{Map, Value, json};

use super::{Exit, say};
use crate::app::REACTIONS;
use crate::cli::Contract;
use crate::envelope;
use crate::event::{USER_SIGNED_UP, schema as event};

/// The topic's name in `infra/topic.yaml`, and how its queues' names begin in `infra/reaction.yaml`.
const TOPIC: &str = "user-events";

pub(super) fn schema(what: Contract) -> Exit {
    let document = match what {
        Contract::Event => event::schema(),
        Contract::Envelope => standalone(envelope::schema(&event::schema())),
        Contract::Asyncapi => asyncapi(),
    };
    say(format_args!("{document:#}"));
    Exit::Clean
}

fn standalone(mut schema: Value) -> Value {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "urn:user-events:envelope".into();
    schema
}

fn asyncapi() -> Value {
    let mut channels = Map::from_iter([("topic".to_owned(), topic())]);
    let mut operations = Map::from_iter([("publish".to_owned(), publish())]);
    for reaction in REACTIONS {
        channels.insert(reaction.name.to_owned(), queue(reaction.name));
        operations.insert(format!("react_{}", reaction.name), react(reaction.name));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": TOPIC,
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                "version1": message("Version 1", "version1"),
                "version2": message("Version 2", "version2"),
                "notification": { "title": "SNS notification", "payload": refer("schemas/notification") },
            },
            "schemas": {
                "version1": event::version_1(),
                "version2": event::version_2(),
                "notification": envelope::schema(&json!({ "oneOf": [refer("schemas/version1"), refer("schemas/version2")] })),
            },
        },
    })
}

fn refer(component: &str) -> Value {
    json!({ "$ref": format!("#/components/{component}") })
}

/// A message on the topic, with the attributes that subscriptions may filter by.
fn message(title: &str, schema: &str) -> Value {
    json!({
        "name": USER_SIGNED_UP,
        "title": title,
        "payload": refer(&format!("schemas/{schema}")),
        "headers": {
            "type": "object",
            "description": "SNS message attributes, each of type String.",
            "properties": {
                "eventType": { "type": "string", "const": USER_SIGNED_UP },
                "eventVersion": { "type": "string", "pattern": "^[1-9][0-9]*$" },
            },
        },
    })
}

fn topic() -> Value {
    json!({
        "address": TOPIC,
        "description": "Publishers send here, and know no consumer.",
        "messages": { "version1": refer("messages/version1"), "version2": refer("messages/version2") },
        "bindings": { "sns": { "name": TOPIC, "bindingVersion": "0.1.0" } },
    })
}

fn publish() -> Value {
    let consumer = |name: &str| {
        json!({
            "protocol": "sqs",
            "endpoint": { "name": queue_name(name) },
            "filterPolicy": { "type": [USER_SIGNED_UP] },
            "filterPolicyScope": "MessageBody",
            "rawMessageDelivery": false,
            "redrivePolicy": { "deadLetterQueue": { "name": dead_letters(name) } },
        })
    };
    let consumers: Vec<_> = REACTIONS.iter().map(|reaction| consumer(reaction.name)).collect();
    json!({
        "action": "send",
        "channel": { "$ref": "#/channels/topic" },
        "bindings": { "sns": { "topic": { "name": TOPIC }, "consumers": consumers, "bindingVersion": "0.1.0" } },
    })
}

fn queue(reaction: &str) -> Value {
    json!({
        "address": queue_name(reaction),
        "description": format!("The queue of `{reaction}`, fed by the topic."),
        "messages": { "notification": refer("messages/notification") },
        "bindings": {
            "sqs": {
                "queue": { "name": queue_name(reaction), "fifoQueue": false },
                "deadLetterQueue": { "name": dead_letters(reaction), "fifoQueue": false },
                "bindingVersion": "0.2.0",
            },
        },
    })
}

fn react(reaction: &str) -> Value {
    json!({ "action": "receive", "channel": { "$ref": format!("#/channels/{reaction}") } })
}

fn queue_name(reaction: &str) -> String {
    format!("{TOPIC}-{reaction}")
}

fn dead_letters(reaction: &str) -> String {
    format!("{TOPIC}-{reaction}-dlq")
}
