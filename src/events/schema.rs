//! `user.signed_up` as a JSON Schema (2020-12): what a publisher in any language may rely on.
//!
//! Enters: nothing. Leaves: one schema a version, and the two together. Promises: whatever [`super::UserSignedUp`] encodes is
//! valid; what it refuses for an absent field or a wrong type is not, nor a `timestamp` that the carrier's would stand in for.
//! Lengths are `values`'s own.

use serde_json::{Value, json};

use super::{EmailAddress, Plan, USER_SIGNED_UP, UserId};
use engine::event::schema::{LARGEST_NUMBER, TEXT, event_id, optional, or_number, text, time};

/// One `@`, no blank, a host whose last label is no number. No grammar of mail addresses: the parser has that.
const ADDRESS: &str = r#"^[^@"(),:;<>\[\\\]\u0000-\u0020\u007f-\u00a0]{1,64}@([^@.\[\]\u0000-\u0020\u007f-\u00a0]+\.)*[^@.\[\]\u0000-\u0020\u007f-\u00a0]*[^@.\[\]0-9\u0000-\u0020\u007f-\u00a0][^@.\[\]\u0000-\u0020\u007f-\u00a0]*$"#;

/// The schema's name; `$ref`s inside it stay inside, wherever it is embedded.
pub const ID: &str = "urn:user-events:user.signed_up";

/// Both versions.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": USER_SIGNED_UP,
        "description": "A user has signed up. Unknown fields are ignored.",
        "oneOf": [{ "$ref": "#/$defs/version1" }, { "$ref": "#/$defs/version2" }],
        "$defs": { "version1": version_1(), "version2": version_2() },
    })
}

/// Version 1: no plan.
#[must_use]
pub fn version_1() -> Value {
    let version = json!({ "description": "Absent means 1.", "enum": ["1", "1.0", 1, null] });
    let mut schema = fields("Version 1: without a plan.", version);
    schema["required"] = json!(["type", "userId", "email"]);
    schema
}

/// Version 2, and any newer one that still has its fields.
#[must_use]
pub fn version_2() -> Value {
    let version = json!({
        "description": "2, or a newer one that still has these fields. A string or a number.",
        "anyOf": [
            { "type": "string", "pattern": "^([2-9]|[1-9][0-9]{1,9})(\\.0)?$" },
            { "type": "integer", "minimum": 2, "maximum": u32::MAX },
        ],
    });
    let mut schema = fields("Version 2: with a plan.", version);
    let plan = text("What they signed up for. Version 2 may leave it out.", Plan::LONGEST, TEXT);
    schema["properties"]["plan"] = optional(plan);
    schema["required"] = json!(["type", "version", "userId", "email"]);
    schema["if"] = json!({ "properties": { "version": { "not": { "enum": ["2", "2.0", 2] } } } });
    schema["then"] = json!({ "properties": { "plan": { "type": "string" } }, "required": ["plan"] });
    schema
}

fn fields(description: &str, version: Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": {
            "type": { "const": USER_SIGNED_UP },
            "version": version,
            "eventId": event_id(),
            "userId": or_number(
                text("Who signed up: effects are made once for each. A whole number is its digits.", UserId::LONGEST, TEXT),
                "integer",
                LARGEST_NUMBER,
            ),
            "email": text("Where the welcome mail goes.", EmailAddress::LONGEST, ADDRESS),
            "timestamp": time(),
        },
    })
}
