//! `schema`: the contracts, generated from the code that implements them.
//!
//! Enters: which contract. Leaves: a JSON Schema, or an `AsyncAPI` document of the topic, the queues and their
//! messages, with the names that `infra/` gives them.

use serde_json::{Map, Value, json};

use super::{Context, Exit, say};
use crate::cli::Contract;
use crate::events::USER_SIGNED_UP;
use crate::events::schema as signed_up;
use crate::reactions::{EventType, Listed, Reactions};
use engine::envelope;

/// The topic's name in `infra/topic.yaml`, and the beginning of the queues' names in `infra/reaction.yaml`.
const TOPIC: &str = "user-events";

pub(super) fn schema(context: &Context<'_>, what: Contract) -> Exit {
    let reactions = &context.reactions;
    let document = match what {
        Contract::Event => reactions.schema(),
        Contract::Envelope => standalone(envelope::schema(&reactions.schema())),
        Contract::Asyncapi => asyncapi(reactions),
    };
    say(format_args!("{document:#}"));
    Exit::Clean
}

fn standalone(mut schema: Value) -> Value {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "urn:user-events:envelope".into();
    schema
}

/// A kind of message on the topic. `key` is its name among the document's components.
struct Message {
    key: String,
    title: String,
    types: &'static [&'static str],
    schema: Value,
}

/// Our event has one message for each version. Another event, or several that one reaction takes, are one message.
fn messages(event_type: &EventType) -> Vec<Message> {
    let of = |key: &str, title: &str, schema| Message {
        key: key.to_owned(),
        title: title.to_owned(),
        types: event_type.types,
        schema,
    };
    match event_type.types {
        [USER_SIGNED_UP] => {
            vec![
                of("version1", "Version 1", signed_up::version_1()),
                of("version2", "Version 2", signed_up::version_2()),
            ]
        }
        [] => vec![of("any", "Any event", (event_type.schema)())],
        types => vec![of(&types.join("_or_"), &types.join(" or "), (event_type.schema)())],
    }
}

fn asyncapi(reactions: &Reactions) -> Value {
    let messages: Vec<_> = reactions.events().iter().flat_map(messages).collect();
    let mut channels = Map::from_iter([("topic".to_owned(), topic(&messages))]);
    let mut operations = Map::from_iter([("publish".to_owned(), publish(reactions))]);
    for name in reactions.names() {
        channels.insert(name.to_owned(), queue(name));
        operations.insert(format!("react_{name}"), react(name));
    }
    let mut on_the_topic: Map<_, _> = messages.iter().map(|m| (m.key.clone(), message(m))).collect();
    let notification = json!({ "title": "SNS notification", "payload": refer("schemas/notification") });
    on_the_topic.insert("notification".to_owned(), notification);
    let any: Vec<_> = messages.iter().map(|m| refer(&format!("schemas/{}", m.key))).collect();
    let mut schemas: Map<_, _> = messages.into_iter().map(|m| (m.key, m.schema)).collect();
    schemas.insert("notification".to_owned(), envelope::schema(&json!({ "anyOf": any })));
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
        "components": { "messages": on_the_topic, "schemas": schemas },
    })
}

fn refer(component: &str) -> Value {
    json!({ "$ref": format!("#/components/{component}") })
}

/// A message on the topic, with the attributes that subscriptions may filter by.
fn message(message: &Message) -> Value {
    let kind = match message.types {
        [one] => json!({ "type": "string", "const": one }),
        [] => json!({ "type": "string" }),
        several => json!({ "type": "string", "enum": several }),
    };
    json!({
        "name": message.types.first().unwrap_or(&"any"),
        "title": message.title,
        "payload": refer(&format!("schemas/{}", message.key)),
        "headers": {
            "type": "object",
            "description": "SNS message attributes, each of type String.",
            "properties": {
                "eventType": kind,
                "eventVersion": { "type": "string", "pattern": "^[1-9][0-9]*$" },
            },
        },
    })
}

fn topic(messages: &[Message]) -> Value {
    let messages: Map<_, _> = messages.iter().map(|m| (m.key.clone(), refer(&format!("messages/{}", m.key)))).collect();
    json!({
        "address": TOPIC,
        "description": "Publishers send here, and know no consumer.",
        "messages": messages,
        "bindings": { "sns": { "name": TOPIC, "bindingVersion": "0.1.0" } },
    })
}

fn publish(reactions: &Reactions) -> Value {
    let consumer = |listed: &Listed| {
        let mut consumer = json!({
            "protocol": "sqs",
            "endpoint": { "name": queue_name(listed.name) },
            "rawMessageDelivery": false,
            "redrivePolicy": { "deadLetterQueue": { "name": dead_letters(listed.name) } },
        });
        if !listed.row.types.is_empty() {
            consumer["filterPolicy"] = json!({ listed.row.type_field: listed.row.types });
            consumer["filterPolicyScope"] = "MessageBody".into();
        }
        consumer
    };
    let consumers: Vec<_> = reactions.iter().map(consumer).collect();
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
