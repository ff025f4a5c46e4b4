//! An event is read, or refused by field and rule.

use super::*;
use crate::event::{Names, Timestamp};

/// An event as Amazon SES writes it.
#[derive(Debug)]
struct Bounced {
    head: Head,
}

impl Event for Bounced {
    const TYPES: &'static [&'static str] = &["Bounce"];
    const NAMES: Names = Names { kind: "eventType", ..Names::OURS };

    fn read(head: Head, _fields: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self { head })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn subject(&self) -> &str {
        self.head.id.as_str()
    }
}

fn opened(text: &str) -> Result<Opened<Bounced>, EventError> {
    read(text, &Arrival::wrapped("m-1", Timestamp::now()), Bounced::TYPES)
}

#[test]
fn an_event_may_name_the_fields_of_its_head_in_its_own_way() {
    let Ok(Opened::Ours(event)) = opened(r#"{"eventType":"Bounce","type":7,"mail":{"messageId":"0102"}}"#) else {
        panic!("a bounce")
    };
    assert_eq!((&*event.head.kind, event.head.version, event.head.id.as_str()), ("Bounce", 1, "m-1"));
    assert!(matches!(opened(r#"{"eventType":"Send"}"#), Ok(Opened::Foreign(kind)) if kind == "Send"));
    assert_eq!(opened(r#"{"type":"Bounce"}"#).err(), Some(EventError::Foreign { has_type: false }));
}
