//! A dead letter as an operator sees it, and the selection of letters.
//!
//! Enters: a delivery from a DLQ. Leaves: its reason and history, and its event's type and subject; its address only
//! masked unless asked for. Asks no queue; [`Selection::new`] alone asks for the time.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::reasons::UNKNOWN;
use crate::events::{EmailAddress, UserSignedUp};
use crate::reactions::EventType;
use engine::envelope;
use engine::event::{Opened, Timestamp, log_hash};
use engine::queue::dead_letter::{BODY_ENCODING, DETAIL, OURS, REASON, UnpackError, is_ours};
use engine::queue::{DeadLetter, Delivery, ReceiptHandle};

/// One letter in a DLQ.
pub(super) struct Letter {
    /// Its message id in the DLQ.
    pub(super) id: String,
    /// How often it was received from the DLQ, looks included.
    pub(super) receives: u32,
    /// When a worker sent it to the DLQ, in milliseconds since 1970. For a letter that SQS's own redrive moved: when it
    /// first entered the source queue.
    pub(super) died_at: i64,
    /// Did a worker write it? If not, it is the message as it came, and its attributes are the sender's.
    is_ours: bool,
    letter: DeadLetter,
    event_type: EventType,
}

/// What a letter tells of its event.
pub(super) struct Contents {
    pub(super) kind: String,
    /// Whom or what the event is about, hashed as in the log. In JSON the field has its old name, `user`.
    pub(super) subject: Option<String>,
    pub(super) email: Option<EmailAddress>,
}

/// Which letters are selected.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The reasons; empty: any reason.
    pub(super) reasons: Vec<String>,
    /// Letters that died at this moment or later, in milliseconds since 1970.
    pub(super) not_before: Option<i64>,
    /// Letters that died at this moment or earlier: a letter that dies again during a redrive is not moved in circles.
    pub(super) not_after: Option<i64>,
}

impl Letter {
    /// A letter from the DLQ of a reaction to these events.
    pub(super) fn new(delivery: Delivery, event_type: EventType) -> (Self, ReceiptHandle) {
        let Delivery { message_id, body, attributes, attempt, sent_at_millis, group, fairness, receipt, .. } = delivery;
        // If the redrive policy moved it, no worker wrote it: a reason in it is an old one, or the sender's.
        let is_ours = !delivery.moved_by_queue && is_ours(&attributes);
        let body = body.as_str().to_owned();
        let letter = DeadLetter { body, attributes, group, fairness, message_id: message_id.clone() };
        (
            Self { id: message_id, receives: attempt.get(), died_at: sent_at_millis, is_ours, letter, event_type },
            receipt,
        )
    }

    pub(super) fn reason(&self) -> &str {
        self.field(REASON).unwrap_or(UNKNOWN)
    }

    /// The detail beside the reason. Empty: none.
    pub(super) fn detail(&self) -> &str {
        self.field(DETAIL).unwrap_or_default()
    }

    /// A `failure.*` field that we wrote.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let attribute = self.letter.attributes.get(name).filter(|_| self.is_ours);
        attribute.map(|attribute| attribute.value.as_str())
    }

    pub(super) fn size(&self) -> usize {
        self.letter.size()
    }

    pub(super) fn is_packed(&self) -> bool {
        self.field(BODY_ENCODING).is_some()
    }

    /// The original message.
    ///
    /// # Errors
    /// The letter cannot be opened, and must stay where it is.
    pub(super) fn original(&self) -> Result<DeadLetter, UnpackError> {
        if !self.is_ours {
            return Ok(self.letter.clone());
        }
        let (body, attributes) = self.letter.original()?;
        Ok(DeadLetter { body, attributes, ..self.letter.clone() })
    }

    /// What it tells of its event. `None`: it holds no event.
    pub(super) fn contents(&self) -> Option<Contents> {
        // Opened even if the redrive policy moved it: the worker would open it too.
        let (body, _) = self.letter.original().ok()?;
        let died_at = Timestamp::from_unix_millis(self.died_at)?;
        let identity = self.event_type.identify(&body, died_at)?;
        let subject = identity.subject.map(|subject| log_hash(&subject).to_string());
        let email = match envelope::open::<UserSignedUp>(&body, died_at) {
            Ok(Opened::Ours(event)) => Some(event.email),
            _ => None,
        };
        Some(Contents { kind: identity.kind, subject, email })
    }

    /// One line of `dlq list --json`.
    pub(super) fn summary(&self, reaction: &str, show_addresses: bool) -> Value {
        let contents = self.contents();
        let email = contents.as_ref().and_then(|contents| contents.email.as_ref());
        json!({
            "reaction": reaction, "id": self.id, "reason": self.reason(), "detail": self.field(DETAIL),
            "handler": self.field("failure.handler"),
            "attempts": self.attempts(), "receives": self.receives, "firstSeen": self.field("failure.first_seen"),
            "diedAt": self.died_at(), "bytes": self.size(), "packed": self.is_packed(),
            "type": contents.as_ref().map(|contents| &contents.kind),
            "user": contents.as_ref().and_then(|contents| contents.subject.as_ref()),
            "email": email.map(|email| shown(email, show_addresses)),
        })
    }

    /// One line of `dlq export`; without the body unless it was asked for.
    pub(super) fn export(&self, reaction: &str, with_body: bool) -> Value {
        let original = self.original();
        let unpacked = original.is_ok();
        let whole = original.unwrap_or_else(|_| self.letter.clone());
        let failure: Map<String, Value> = self
            .letter
            .attributes
            .iter()
            .filter(|_| self.is_ours)
            .filter_map(|(name, value)| Some((name.strip_prefix(OURS)?, value)))
            .filter(|(name, _)| !["original_attributes", "body_encoding"].contains(name))
            .map(|(name, attribute)| (name.to_owned(), Value::from(attribute.value.clone())))
            .collect();
        json!({
            "reaction": reaction, "id": self.id, "reason": self.reason(), "failure": failure,
            "attributes": if with_body { json!(whole.attributes) } else { json!(whole.attributes.keys().collect::<Vec<_>>()) },
            "body": with_body.then_some(whole.body), "unpacked": unpacked, "receives": self.receives,
            "diedAt": self.died_at(),
        })
    }

    pub(super) fn attempts(&self) -> Option<u32> {
        self.field("failure.attempts")?.parse().ok()
    }

    pub(super) fn died_at(&self) -> Option<String> {
        Timestamp::from_unix_millis(self.died_at).map(|at| at.to_string())
    }
}

/// An address, whole or masked.
pub(super) fn shown(email: &EmailAddress, whole: bool) -> String {
    if whole { email.as_str().to_owned() } else { email.to_string() }
}

impl Selection {
    /// Letters of these reasons, of any age.
    pub(super) fn of(reasons: &[String]) -> Self {
        Self { reasons: reasons.to_vec(), ..Self::default() }
    }

    /// Letters of these reasons that died within the last `since`, and not after now.
    pub(super) fn new(reasons: &[String], since: Option<Duration>) -> Self {
        let now = Timestamp::now().unix_millis();
        let ago = since.map(|since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Self { reasons: reasons.to_vec(), not_before: ago.map(|ago| now.saturating_sub(ago)), not_after: Some(now) }
    }

    pub(super) fn takes(&self, letter: &Letter) -> bool {
        let by_reason = self.reasons.is_empty() || self.reasons.iter().any(|reason| reason == letter.reason());
        let after = self.not_before.is_none_or(|moment| letter.died_at >= moment);
        by_reason && after && self.not_after.is_none_or(|moment| letter.died_at <= moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::queue::{Attempt, Attribute, Attributes, Body, Failure};

    fn delivery(body: &str) -> Delivery {
        Delivery {
            group: None,
            fairness: None,
            moved_by_queue: false,
            trace_header: None,
            message_id: "m".to_owned(),
            body: Body::new(body.to_owned()),
            attributes: Attributes::new(),
            attempt: Attempt::new(3),
            sent_at_millis: 1_000,
            receipt: ReceiptHandle::new("r".to_owned()),
        }
    }

    const EVENT: &str = r#"{"type":"user.signed_up","userId":"u","email":"anna@example.com"}"#;

    /// The attributes of the letter that a worker would make of this body.
    fn attributes(body: &str) -> Attributes {
        let failure = Failure { reason: "conflict", handler: "profile", history: String::new(), detail: String::new() };
        DeadLetter::new(&delivery(body), "q", &failure).expect("fits").attributes
    }

    fn letter(delivery: Delivery) -> Letter {
        Letter::new(delivery, EventType::of::<UserSignedUp>()).0
    }

    fn quarantined(body: &str) -> Letter {
        letter(Delivery { attributes: attributes(body), ..delivery(body) })
    }

    #[test]
    fn a_letter_tells_its_reason_and_history_and_masks_its_address() {
        let letter = quarantined(EVENT);
        let line = letter.summary("profile", false);
        assert_eq!(
            (&line["reason"], &line["attempts"], &line["email"]),
            (&"conflict".into(), &3.into(), &"a***@***".into())
        );
        assert!(!line.to_string().contains("anna"));
        assert!(letter.summary("profile", true).to_string().contains("anna@example.com"));
        assert!(!letter.export("profile", false).to_string().contains("anna"));
        assert_eq!(letter.export("profile", true)["body"], EVENT);
        assert_eq!(letter.export("profile", true)["failure"]["handler"], "profile");
    }

    #[test]
    fn a_letter_without_a_reason_is_the_queues_own_and_one_that_is_no_event_tells_none() {
        let letter = letter(delivery("hello"));
        assert_eq!((letter.reason(), letter.attempts()), ("unknown", None));
        assert!(letter.contents().is_none());
        assert_eq!(letter.original().map(|original| original.body), Ok("hello".to_owned()));
        let mut lies = quarantined(EVENT);
        lies.letter.attributes.insert(BODY_ENCODING.to_owned(), Attribute::string("zip"));
        assert!(lies.original().is_err());
        assert_eq!(lies.export("email", true)["unpacked"], false);
    }

    #[test]
    fn what_a_sender_wrote_is_never_shown_as_a_reason() {
        let mine = Attributes::from([(REASON.to_owned(), Attribute::string("mine"))]);
        let borne = letter(Delivery { attributes: mine.clone(), ..delivery(EVENT) });
        let whole = Delivery { attributes: attributes(EVENT), moved_by_queue: true, ..delivery(EVENT) };
        let moved = letter(whole);
        for letter in [&borne, &moved] {
            assert_eq!((letter.reason(), letter.attempts()), ("unknown", None));
            assert_eq!(letter.export("profile", true)["failure"], json!({}));
            assert_eq!(letter.original().as_ref(), Ok(&letter.letter), "it goes back as it came");
            assert_eq!(letter.contents().map(|contents| contents.kind), Some("user.signed_up".to_owned()));
        }
        assert_eq!(borne.letter.attributes, mine);
    }

    #[test]
    fn a_selection_takes_by_reason_and_by_age_and_nothing_that_came_since() {
        let letter = quarantined(EVENT);
        let takes = |reasons: &[&str], not_before, not_after| {
            let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            Selection { reasons, not_before, not_after }.takes(&letter)
        };
        assert!(takes(&[], None, None) && takes(&["x", "conflict"], Some(1_000), Some(1_000)));
        assert!(!takes(&["x"], None, None) && !takes(&[], Some(1_001), None) && !takes(&[], None, Some(999)));
    }
}
