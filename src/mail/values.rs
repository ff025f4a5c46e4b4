//! What a template can say: the event's own fields as they were published, and a few values that are ready to be written.
//!
//! Enters: an event. Leaves: values by name, each made when it is asked for.

use std::fmt;
use std::sync::{Arc, OnceLock};

use minijinja::Value;
use minijinja::value::Object;

use super::shown::AsItIs;
use crate::events::{UserSignedUp, WithFields};

/// The values of one mail.
#[derive(Debug)]
pub(super) struct Values {
    event: WithFields<UserSignedUp>,
    sender: Value,
    /// Are fields that the event lacks stood in for?
    stands_in: bool,
    fields: OnceLock<Value>,
}

impl Values {
    /// The values of this event, from this sender.
    pub(super) fn new(event: &WithFields<UserSignedUp>, sender: &Value) -> Self {
        Self { event: event.clone(), sender: sender.clone(), stands_in: false, fields: OnceLock::new() }
    }

    /// The same; a field that the event lacks is there too, and stands for whatever is published one day.
    pub(super) fn standing_in(self) -> Self {
        Self { stands_in: true, ..self }
    }

    fn fields(&self) -> Value {
        let read = || {
            // It was read as an object before: it is one.
            let fields: Value = serde_json::from_str(self.event.json()).unwrap_or_default();
            if self.stands_in { Value::from_object(StandIn(fields)) } else { fields }
        };
        self.fields.get_or_init(read).clone()
    }
}

impl Object for Values {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let event = &self.event.event;
        Some(match key {
            "event" => self.fields(),
            "user_id" => Value::from(event.user_id.as_str()),
            "plan" => event.plan.as_ref().map(|plan| plan.as_str()).into(),
            "signed_up_on" => Value::from(&event.head.occurred_at.to_string()[..10]),
            "sender" => self.sender.clone(),
            _ => return None,
        })
    }
}

/// A sender's name: ours, so nothing in it is parted.
pub(super) fn sender(name: &str) -> Value {
    Value::from_object(AsItIs(name.to_owned()))
}

/// A value, or one that stands for a value that is not known yet.
#[derive(Debug)]
struct StandIn(Value);

impl Object for StandIn {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let known = self.0.get_item(key).ok().filter(|value| !value.is_undefined());
        Some(known.unwrap_or_else(|| Value::from_object(Self(Value::from("example")))))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
