//! An event's fields: a JSON object, read once and not copied.
//!
//! Enters: text. Leaves: values by name, or an [`EventError`] that names field and rule, never the content: a JSON
//! library's own message may quote it. A value is read only when somebody asks for it: other fields may hold anything,
//! even twice.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::scalar::Scalar;
use super::{EventError, InvalidValue};

/// The fields of one event.
pub struct Fields<'a> {
    /// The whole text as published.
    whole: &'a str,
    /// The object that they were read from.
    json: &'a str,
    pairs: Vec<(Name<'a>, &'a RawValue)>,
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// The fields of this object.
    ///
    /// # Errors
    /// [`EventError`]: it is none.
    pub fn of(text: &'a str) -> Result<Self, EventError> {
        Self::read(text, text)
    }

    /// The fields of the object in the field `within`.
    pub(super) fn inside(&self, within: &'static str) -> Result<Self, EventError> {
        Self::read(self.whole, self.raw(within)?.ok_or(EventError::NotAnObject)?)
    }

    /// No fields.
    pub(super) fn none(&self) -> Self {
        Self { whole: self.whole, json: "{}", pairs: Vec::new() }
    }

    /// The fields of another object, which was published as a part of this one.
    pub(super) fn unpacked<'b>(&'b self, text: &'b str) -> Result<Fields<'b>, EventError> {
        Fields::read(self.whole, text)
    }

    fn read(whole: &'a str, text: &'a str) -> Result<Self, EventError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let pairs = deserializer.deserialize_map(AllPairs).and_then(|pairs| deserializer.end().map(|()| pairs));
        pairs.map(|pairs| Self { whole, json: text, pairs }).map_err(|_| EventError::NotAnObject)
    }

    /// The object that they were read from, to the byte: of a `CloudEvent` its `data`.
    #[must_use]
    pub fn json(&self) -> &'a str {
        self.json
    }

    /// A text that must be there, and keep its type's rule.
    ///
    /// # Errors
    /// [`EventError`], by the name of the field.
    pub fn required<T: FromStr>(&self, name: &'static str) -> Result<T, EventError>
    where
        T::Err: Into<InvalidValue>,
    {
        self.optional(name)?.ok_or(EventError::MissingField(name))
    }

    /// The same, or `None`: the field is absent, or `null`.
    ///
    /// # Errors
    /// [`EventError`], by the name of the field.
    pub fn optional<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, EventError>
    where
        T::Err: Into<InvalidValue>,
    {
        self.text(name)?.map(|text| valid(name, &text)).transpose()
    }

    /// An identifier: a text, or a whole number, which becomes its digits. Publishers in a typed language write the
    /// number.
    ///
    /// # Errors
    /// [`EventError`], by the name of the field.
    pub fn id<T: FromStr>(&self, name: &'static str) -> Result<T, EventError>
    where
        T::Err: Into<InvalidValue>,
    {
        match self.get(name)? {
            Some(Scalar::Number(number)) => valid(name, &number.to_string()),
            _ => self.required(name),
        }
    }

    /// A value of any form: a number, an array, a nested object.
    ///
    /// # Errors
    /// [`EventError`], by the name of the field. It only says that the form is not the expected one.
    pub fn parsed<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, EventError> {
        let raw = self.raw(name)?.ok_or(EventError::MissingField(name))?;
        let rule = InvalidValue("must have the form that this event gives it");
        serde_json::from_str(raw).map_err(|_| EventError::InvalidField(name, rule))
    }

    /// Is the field there, and not `null`?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, value)| own.0 == name && value.get() != NULL)
    }

    /// Is the field there, even as `null`?
    pub(super) fn names(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, _)| own.0 == name)
    }

    /// The same object with this text in this field. All other values stay the same to the byte.
    pub(super) fn written_with(&self, name: &str, text: &str) -> String {
        let own = serde_json::Value::from(text).to_string();
        let field = |(Name(of), value): &(Name<'_>, &RawValue)| {
            let value = if of == name { &own } else { value.get() };
            format!("{}:{value}", serde_json::Value::from(&**of))
        };
        format!("{{{}}}", self.pairs.iter().map(field).collect::<Vec<_>>().join(","))
    }

    /// The text as published, to the byte, with the fields that we do not know.
    #[must_use]
    pub fn whole(&self) -> &'a str {
        self.whole
    }

    /// A text, or none.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, EventError> {
        match self.get(name)? {
            None => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(text)),
            Some(_) => Err(EventError::InvalidField(name, InvalidValue("must be a string"))),
        }
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Scalar<'a>>, EventError> {
        let Some(raw) = self.raw(name)? else { return Ok(None) };
        // Most values are texts without an escape: then the text is simply what stands between the quotes.
        let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|text| !text.contains('\\'));
        let scalar = match plain {
            Some(text) => Ok(Scalar::Text(Cow::Borrowed(text))),
            None => serde_json::from_str(raw),
        };
        // Half a surrogate pair, or a number out of range: it is there, but no field may hold it.
        Ok(Some(scalar.unwrap_or(Scalar::Other)))
    }

    /// The JSON of a value.
    fn raw(&self, name: &str) -> Result<Option<&'a str>, EventError> {
        let mut found = self.pairs.iter().filter(|(own, _)| own.0 == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(EventError::NotAnObject);
        }
        Ok(first.map(|(_, value)| value.get()).filter(|json| *json != NULL))
    }
}

const NULL: &str = "null";

/// Does not show names and values, which may be anything.
impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({} in {} bytes)", self.pairs.len(), self.whole.len())
    }
}

fn valid<T: FromStr>(name: &'static str, text: &str) -> Result<T, EventError>
where
    T::Err: Into<InvalidValue>,
{
    text.parse().map_err(|rule: T::Err| EventError::InvalidField(name, rule.into()))
}

/// Reads every field of an object.
struct AllPairs;

impl<'de> Visitor<'de> for AllPairs {
    type Value = Vec<(Name<'de>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        // Room for the seven fields of an event of ours, and one more.
        let mut pairs = Vec::with_capacity(8);
        while let Some(pair) = object.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    const TEXT: &str = r#"{"userId":7,"plan":"pro","twice":1,"twice":2,"nothing":null,"ratio":-1.5,
        "address":{"city":"Graz","lines":["a","b"]}}"#;

    fn fields(text: &str) -> Fields<'_> {
        Fields::of(text).expect("an object")
    }

    #[test]
    fn a_field_is_read_by_the_rule_of_its_type_and_a_fault_names_both() {
        let fields = fields(TEXT);
        assert_eq!(fields.required::<EventId>("plan").map(|plan| plan.to_string()), Ok("pro".to_owned()));
        assert_eq!(fields.id::<EventId>("userId").map(|id| id.to_string()), Ok("7".to_owned()));
        let no_text = EventError::InvalidField("userId", InvalidValue("must be a string"));
        assert_eq!(fields.required::<EventId>("userId"), Err(no_text));
        assert_eq!(fields.required::<EventId>("absent"), Err(EventError::MissingField("absent")));
        assert_eq!(fields.optional::<EventId>("nothing"), Ok(None));
        assert_eq!(fields.optional::<EventId>("twice"), Err(EventError::NotAnObject));
        assert_eq!(format!("{fields:?}"), format!("Fields(7 in {} bytes)", TEXT.len()), "a log tells no value");
    }

    #[test]
    fn a_nested_value_is_read_by_ones_own_type_and_its_fault_quotes_nothing() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Address {
            city: String,
            lines: Vec<String>,
        }
        let within = format!(r#"{{"data":{TEXT}}}"#);
        let outer = fields(&within);
        for fields in [fields(TEXT), outer.inside("data").expect("an object")] {
            let address: Address = fields.parsed("address").expect("an address");
            assert_eq!((address.city.as_str(), address.lines.len()), ("Graz", 2));
            assert_eq!(fields.parsed::<f64>("ratio"), Ok(-1.5));
            let fault = fields.parsed::<Address>("plan").expect_err("no address");
            assert_eq!(fault.detail(), "plan: must have the form that this event gives it");
            assert_eq!(fields.parsed::<Address>("nothing"), Err(EventError::MissingField("nothing")));
        }
        assert_eq!(outer.inside("absent").map(|_| ()), Err(EventError::NotAnObject));
    }

    #[test]
    fn a_field_that_nobody_asks_for_may_hold_what_no_language_can_read() {
        for odd in [r#""\ud800""#, "1e999", "-1e999", &"9".repeat(400)] {
            let text = format!(r#"{{"odd":{odd},"plan":"pro"}}"#);
            let fields = fields(&text);
            assert_eq!(fields.required::<EventId>("plan").map(|plan| plan.to_string()), Ok("pro".to_owned()));
            assert!(fields.required::<EventId>("odd").is_err(), "{odd}");
        }
    }

    #[test]
    fn a_field_s_own_type_may_nest_as_deep_as_a_body_and_no_deeper() {
        let parsed = |levels: usize| {
            let text = format!(r#"{{"data":{{"list":{}{}}}}}"#, "[".repeat(levels), "]".repeat(levels));
            let fields = fields(&text);
            fields.inside("data").expect("an object").parsed::<serde_json::Value>("list").map(drop)
        };
        assert_eq!(parsed(125), Ok(()), "127 deep in all");
        let rule = InvalidValue("must have the form that this event gives it");
        assert_eq!(parsed(100_000), Err(EventError::InvalidField("list", rule)));
    }

    #[test]
    fn what_is_no_whole_object_has_no_fields() {
        for odd in ["", "[]", "{", "{} x", "null", r#"{"a":1,}"#, r#"[["type","x"]]"#] {
            assert_eq!(Fields::of(odd).map(|_| ()), Err(EventError::NotAnObject), "{odd}");
        }
    }
}
