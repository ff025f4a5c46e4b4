//! The event as a JSON Schema (2020-12): what a publisher in any language may rely on.
//!
//! Enters: nothing. Leaves: for `user.signed_up` one schema per version, and one of both; for another team's event the
//! schema of its head. Promises: every text that [`super::UserSignedUp`] encodes is valid. Not valid are texts that it
//! refuses for an absent field or a wrong type, and a `timestamp` that the carrier's would replace. Lengths are those
//! in `values`. Where the parser is more lenient (times without a zone, epochs as text, versions with leading zeros)
//! the schema has only the form that should be written; and it counts characters where the parser counts bytes.

use serde_json::{Value, json};

use super::{EmailAddress, EventId, Names, Plan, USER_SIGNED_UP, UserId};

/// Not blank, and no control character. The characters are listed, because the meaning of `\s` differs between
/// languages.
const TEXT: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";
/// One `@`, no blank, a host whose last label is no number. The full grammar of mail addresses is the parser's.
const ADDRESS: &str = r#"^[^@"(),:;<>\[\\\]\u0000-\u0020\u007f-\u00a0]{1,64}@([^@.\[\]\u0000-\u0020\u007f-\u00a0]+\.)*[^@.\[\]\u0000-\u0020\u007f-\u00a0]*[^@.\[\]0-9\u0000-\u0020\u007f-\u00a0][^@.\[\]\u0000-\u0020\u007f-\u00a0]*$"#;
/// 2^53 − 1. Above it, languages whose only number is a float lose digits.
const LARGEST_NUMBER: u64 = 9_007_199_254_740_991;
/// The last millisecond of the year 9999.
const LAST_MOMENT: u64 = 253_402_300_799_999;
const TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// The schema's name. `$ref`s in it point into it, wherever it is embedded.
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

/// The schema of the head of an event of these types; if empty, of any type.
#[must_use]
pub fn of_head(types: &[&str], names: &Names) -> Value {
    let kind = if types.is_empty() { json!({ "type": "string" }) } else { json!({ "enum": types }) };
    let version = json!({
        "description": "Absent means 1. A string or a number.",
        "anyOf": [
            { "type": ["string", "null"], "pattern": "^0*[1-9][0-9]{0,9}(\\.0)?$" },
            { "type": "integer", "minimum": 1, "maximum": u32::MAX },
        ],
    });
    json!({
        "type": "object",
        "description": "Fields that are not named here may be anything.",
        "properties": { names.kind: kind, names.version: version, names.id: event_id(), names.time: time() },
        "required": [names.kind],
    })
}

/// Any one of these.
#[doc(hidden)]
#[must_use]
pub fn one_schema_of(schemas: Vec<Value>) -> Value {
    json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "anyOf": schemas })
}

fn event_id() -> Value {
    let description = "Which event: the same on every copy and retry. Without it the SNS MessageId stands in, and of a raw body its SHA-256.";
    optional(text(description, EventId::LONGEST, "^[!-~]+$"))
}

fn time() -> Value {
    let time = json!({
        "description": "When it happened: RFC 3339, or seconds or milliseconds since 1970. Without it, or if it lies more than a day ahead, the SNS Timestamp stands in.",
        "type": "string",
        "format": "date-time",
        "pattern": TIME,
    });
    optional(or_number(time, "number", LAST_MOMENT))
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

fn text(description: &str, longest: usize, pattern: &str) -> Value {
    json!({ "description": description, "type": "string", "minLength": 1, "maxLength": longest, "pattern": pattern })
}

/// Also allows a number. `pattern` and the like apply to strings only, `minimum` and the like to numbers.
fn or_number(mut schema: Value, kind: &str, largest: u64) -> Value {
    schema["type"] = json!(["string", kind]);
    schema["minimum"] = 0.into();
    schema["maximum"] = largest.into();
    schema
}

/// Also allows `null`: serialisers write it for a field without a value.
fn optional(mut schema: Value) -> Value {
    let mut types: Vec<Value> = match schema["type"].take() {
        Value::Array(types) => types,
        kind => vec![kind],
    };
    types.push("null".into());
    schema["type"] = types.into();
    schema
}
