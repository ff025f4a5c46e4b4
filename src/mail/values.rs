//! What a template can say: the event's own fields as they were published, and a few values that are ready to be written.
//!
//! Enters: an event. Leaves: values by name.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;

use super::shown::AsItIs;
use crate::events::{UserSignedUp, WithFields};

/// The values of one mail.
#[derive(Debug)]
pub(super) struct Values {
    /// The event as it was published.
    fields: Value,
    user_id: Value,
    plan: Value,
    signed_up_on: Value,
    sender: Value,
}

impl Values {
    /// The values of this event, from this sender.
    pub(super) fn new(event: &WithFields<UserSignedUp>, sender: &Value) -> Self {
        let UserSignedUp { user_id, plan, head, .. } = &event.event;
        Self {
            // It was read as an object before: it is one.
            fields: serde_json::from_str(event.json()).unwrap_or_default(),
            user_id: Value::from(user_id.as_str()),
            plan: plan.as_ref().map(|plan| plan.as_str()).into(),
            signed_up_on: Value::from(&head.occurred_at.to_string()[..10]),
            sender: sender.clone(),
        }
    }

    /// The same values, but a field that the event lacks has a value too: an event of another day may have that field.
    pub(super) fn standing_in(self) -> Self {
        Self { fields: Value::from_object(StandIn(self.fields)), ..self }
    }

    /// The text of one of the event's own fields.
    pub(super) fn text(&self, field: &str) -> Option<String> {
        Some(self.fields.get_attr(field).ok()?.as_str()?.to_owned())
    }
}

impl Object for Values {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let value = match key {
            "event" => &self.fields,
            "user_id" => &self.user_id,
            "plan" => &self.plan,
            "signed_up_on" => &self.signed_up_on,
            "sender" => &self.sender,
            _ => return None,
        };
        Some(value.clone())
    }
}

/// A sender's name. It is ours, so it is written as it is, even if a part of it looks like a link.
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
