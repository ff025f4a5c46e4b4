//! The SNS envelope as a JSON Schema (2020-12): the body that SQS hands to a consumer.
//!
//! Enters: the schema of the wrapped event. Leaves: the envelope's. With raw message delivery there is no envelope, and
//! the body is the event itself.

use serde_json::{Value, json};

/// The envelope around texts of this schema.
#[must_use]
pub fn schema(message: &Value) -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "description": "An SNS notification, as it lies in an SQS body. Other fields are ignored.",
        "properties": {
            "Type": { "const": "Notification" },
            "MessageId": text("SNS's id of the message: the event's where that has none."),
            "TopicArn": text("Where it was published."),
            "Message": {
                "description": "The event, encoded a second time as a string.",
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": message,
            },
            "Timestamp": {
                "description": "When SNS took it: the event's where that has none.",
                "type": "string",
                "format": "date-time",
            },
        },
        "required": ["Type", "MessageId", "TopicArn", "Message"],
    })
}
