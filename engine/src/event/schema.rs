//! What a JSON Schema (2020-12) says of an event's head, and the parts that a schema of an event's own fields is made of.
//!
//! Enters: types and names. Leaves: schemas. Promises: a head that is refused for an absent field or a wrong type is not valid.
//! Where the parser is more lenient (times without a zone, epochs as text, versions with leading zeros) the schema keeps to
//! what should be written; and it counts characters where the parser counts bytes.

use serde_json::{Value, json};

use super::{EventId, Names};

/// Not blank, and no control character. Spelt out: what `\s` means differs between languages.
pub const TEXT: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";
/// Beyond it, languages whose only number is a float lose digits.
pub const LARGEST_NUMBER: u64 = 9_007_199_254_740_991;
/// The last millisecond of the year 9999.
const LAST_MOMENT: u64 = 253_402_300_799_999;
const TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// Of an event of these types, what its head says of it; of none named, of any type.
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

/// The field that says which event it is.
#[must_use]
pub fn event_id() -> Value {
    let description = "Which event: the same on every copy and retry. Without it the SNS MessageId stands in, and of a raw body its SHA-256.";
    optional(text(description, EventId::LONGEST, "^[!-~]+$"))
}

/// The field that says when it happened.
#[must_use]
pub fn time() -> Value {
    let time = json!({
        "description": "When it happened: RFC 3339, or seconds or milliseconds since 1970. Without it, or if it lies more than a day ahead, the SNS Timestamp stands in.",
        "type": "string",
        "format": "date-time",
        "pattern": TIME,
    });
    optional(or_number(time, "number", LAST_MOMENT))
}

/// A text of at most this many characters.
#[must_use]
pub fn text(description: &str, longest: usize, pattern: &str) -> Value {
    json!({ "description": description, "type": "string", "minLength": 1, "maxLength": longest, "pattern": pattern })
}

/// The same, or a number (`number` or `integer`) from 0 to `largest`: `pattern` and its like hold for strings alone, `minimum`
/// and its like for numbers.
#[must_use]
pub fn or_number(mut schema: Value, kind: &str, largest: u64) -> Value {
    schema["type"] = json!(["string", kind]);
    schema["minimum"] = 0.into();
    schema["maximum"] = largest.into();
    schema
}

/// The same, or `null`: serialisers write it where they have nothing to write.
#[must_use]
pub fn optional(mut schema: Value) -> Value {
    let mut types: Vec<Value> = match schema["type"].take() {
        Value::Array(types) => types,
        kind => vec![kind],
    };
    types.push("null".into());
    schema["type"] = types.into();
    schema
}
