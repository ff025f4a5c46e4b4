//! The event as a JSON Schema (2020-12): what a publisher in any language may rely on.
//!
//! Enters: nothing. Leaves: one schema a version, and the two together. Promises: whatever
//! [`super::UserSignedUp`] encodes is valid; what `wire` refuses for an absent field or a wrong type is
//! not. Lengths are `values`'s own. Where the parser is more lenient (times with a blank for the `T`,
//! versions with leading zeros) the schema keeps to what should be written; and it counts characters
//! where the parser counts bytes.

use serde_json::{Value, json};

use super::{EmailAddress, EventId, Plan, USER_SIGNED_UP, UserId};

/// Not blank, and no control character. Spelt out: what `\s` means differs between languages.
const TEXT: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";
/// One `@`, a host with a dot, no blank. No grammar of mail addresses: the parser has that.
const ADDRESS: &str = r#"^[^@"\u0000-\u0020][^@\u0000-\u0020]*@[^@\[\u0000-\u0020]*\.[^@\u0000-\u0020]+$"#;
const TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

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
    let version = json!({ "description": "Absent means 1.", "enum": ["1", 1, null] });
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
            { "type": "string", "pattern": "^([2-9]|[1-9][0-9]{1,9})$" },
            { "type": "integer", "minimum": 2, "maximum": u32::MAX },
        ],
    });
    let mut schema = fields("Version 2: with a plan.", version);
    schema["properties"]["plan"] = text("What they signed up for.", Plan::LONGEST, TEXT);
    schema["required"] = json!(["type", "version", "userId", "email", "plan"]);
    schema
}

fn fields(description: &str, version: Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": {
            "type": { "const": USER_SIGNED_UP },
            "version": version,
            "eventId": optional(text(
                "Which event: the same on every copy and retry. Without it the SNS MessageId stands in.",
                EventId::LONGEST,
                "^[!-~]+$",
            )),
            "userId": text("Who signed up: effects are made once for each.", UserId::LONGEST, TEXT),
            "email": text("Where the welcome mail goes.", EmailAddress::LONGEST, ADDRESS),
            "timestamp": optional(json!({
                "description": "When it happened, RFC 3339. Without it the SNS Timestamp stands in.",
                "type": "string",
                "format": "date-time",
                "pattern": TIME,
            })),
        },
    })
}

fn text(description: &str, longest: usize, pattern: &str) -> Value {
    json!({ "description": description, "type": "string", "minLength": 1, "maxLength": longest, "pattern": pattern })
}

/// Serialisers write `null` where they have nothing to write.
fn optional(mut schema: Value) -> Value {
    schema["type"] = json!(["string", "null"]);
    schema
}
