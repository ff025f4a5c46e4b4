//! An event's fields: a JSON object read once, where it lies.
//!
//! Enters: text. Leaves: values by name, or an [`EventError`] that names field and rule, never the content: what a JSON
//! library says of a text may quote it. Fields that nobody asks for may be anything, and stand there twice.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::scalar::Scalar;
use super::{EventError, InvalidValue};

/// The fields of one event.
#[derive(Debug)]
pub struct Fields<'a> {
    /// All of what was published.
    whole: &'a str,
    /// The object that the fields are in, or that has them in its field `within`.
    text: &'a str,
    within: Option<&'static str>,
    pairs: Pairs<'a>,
}

type Pairs<'a> = Vec<(Name<'a>, Option<Scalar<'a>>)>;

#[derive(Debug, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// The fields of this object.
    pub(super) fn of(text: &'a str) -> Result<Self, EventError> {
        Self::read(text, text, None)
    }

    /// The fields of the object in this one's field `within`.
    pub(super) fn inside(&self, within: &'static str) -> Result<Self, EventError> {
        Self::read(self.whole, self.text, Some(within))
    }

    /// None at all.
    pub(super) fn none(&self) -> Self {
        Self { whole: self.whole, text: "{}", within: None, pairs: Vec::new() }
    }

    /// The fields of another object, published as a part of this one.
    pub(super) fn unpacked<'b>(&'b self, text: &'b str) -> Result<Fields<'b>, EventError> {
        Fields::read(self.whole, text, None)
    }

    fn read(whole: &'a str, text: &'a str, within: Option<&'static str>) -> Result<Self, EventError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let pairs = match within {
            None => AllPairs.deserialize(&mut deserializer).ok(),
            Some(name) => Pick { name, seed: AllPairs }.deserialize(&mut deserializer).ok().flatten(),
        };
        let is_all = deserializer.end().is_ok();
        let pairs = pairs.filter(|_| is_all).ok_or(EventError::NotAnObject)?;
        Ok(Self { whole, text, within, pairs })
    }

    /// A text that must be there and hold its type's rule.
    ///
    /// # Errors
    /// [`EventError`], by the name of the field.
    pub fn required<T: FromStr>(&self, name: &'static str) -> Result<T, EventError>
    where
        T::Err: Into<InvalidValue>,
    {
        self.optional(name)?.ok_or(EventError::MissingField(name))
    }

    /// The same, or none: absent, or `null`.
    ///
    /// # Errors
    /// [`EventError`], by the name of the field.
    pub fn optional<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, EventError>
    where
        T::Err: Into<InvalidValue>,
    {
        self.text(name)?.map(|text| valid(name, text)).transpose()
    }

    /// What numbers or names something: a text, or a whole number, which is its digits. A publisher in a typed language
    /// writes it so.
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
    /// [`EventError`], by the name of the field: the rule is only that it has another form.
    pub fn parsed<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, EventError> {
        if self.get(name)?.is_none() {
            return Err(EventError::MissingField(name));
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.text);
        let seed = Pick { name, seed: std::marker::PhantomData::<T> };
        let value = match self.within {
            None => seed.deserialize(&mut deserializer),
            Some(within) => Pick { name: within, seed }.deserialize(&mut deserializer).map(Option::flatten),
        };
        let rule = InvalidValue("must have the form that this event gives it");
        value.ok().flatten().ok_or(EventError::InvalidField(name, rule))
    }

    /// Is it there, and not `null`?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, value)| own.0 == name && value.is_some())
    }

    /// Does it stand there, if only as `null`?
    pub(super) fn names(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, _)| own.0 == name)
    }

    /// What was published, to the byte: what we do not know included.
    #[must_use]
    pub fn whole(&self) -> &'a str {
        self.whole
    }

    /// A text, or none.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, EventError> {
        match self.get(name)? {
            None => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(text)),
            Some(_) => Err(EventError::InvalidField(name, InvalidValue("must be a string"))),
        }
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<&Scalar<'a>>, EventError> {
        let mut found = self.pairs.iter().filter(|(own, _)| own.0 == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(EventError::NotAnObject);
        }
        Ok(first.and_then(|(_, value)| value.as_ref()))
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

impl<'de> DeserializeSeed<'de> for AllPairs {
    type Value = Pairs<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AllPairs {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        // As many as an event of ours has, and one more.
        let mut pairs = Vec::with_capacity(8);
        while let Some(pair) = object.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

/// Reads one field of an object, and skips the others.
struct Pick<S> {
    name: &'static str,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Pick<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Pick<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let (mut seed, mut value) = (Some(self.seed), None);
        while let Some(Name(name)) = object.next_key()? {
            if name != self.name {
                object.next_value::<IgnoredAny>()?;
                continue;
            }
            let seed = seed.take().ok_or_else(|| A::Error::custom("a field stands there twice"))?;
            value = Some(object.next_value_seed(seed)?);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Plan, UserId};

    const TEXT: &str = r#"{"userId":7,"plan":"pro","twice":1,"twice":2,"nothing":null,"ratio":-1.5,
        "address":{"city":"Graz","lines":["a","b"]}}"#;

    fn fields(text: &str) -> Fields<'_> {
        Fields::of(text).expect("an object")
    }

    #[test]
    fn a_field_is_read_by_the_rule_of_its_type_and_a_fault_names_both() {
        let fields = fields(TEXT);
        assert_eq!(fields.required::<Plan>("plan").map(|plan| plan.as_str().to_owned()), Ok("pro".to_owned()));
        assert_eq!(fields.id::<UserId>("userId").map(|id| id.as_str().to_owned()), Ok("7".to_owned()));
        let no_text = EventError::InvalidField("userId", InvalidValue("must be a string"));
        assert_eq!(fields.required::<UserId>("userId"), Err(no_text));
        assert_eq!(fields.required::<Plan>("absent"), Err(EventError::MissingField("absent")));
        assert_eq!(fields.optional::<Plan>("nothing"), Ok(None));
        assert_eq!(fields.optional::<Plan>("twice"), Err(EventError::NotAnObject));
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
    fn what_is_no_whole_object_has_no_fields() {
        for odd in ["", "[]", "{", "{} x", "null", r#"{"a":1,}"#, r#"[["type","x"]]"#] {
            assert_eq!(Fields::of(odd).map(|_| ()), Err(EventError::NotAnObject), "{odd}");
        }
    }
}
