//! A dead letter as an operator sees it.
//!
//! Enters: a delivery from a DLQ. Leaves: its reason and history, and its event's type and subject; its address only
//! masked unless asked for. Pure.

use serde_json::{Map, Value, json};

use super::reasons::UNKNOWN;
use super::select::{Described, Kind};
use crate::events::{EmailAddress, UserSignedUp};
use crate::reactions::{EventIdentity, EventType};
use engine::envelope;
use engine::event::{Opened, Timestamp, log_hash};
use engine::queue::dead_letter::{BODY_ENCODING, DETAIL, HISTORY, OURS, REASON, UnpackError, is_ours};
use engine::queue::{DeadLetter, Delivery, ReceiptHandle};

/// One letter in a DLQ.
pub(crate) struct Letter {
    /// Its message id in the DLQ.
    pub(crate) id: String,
    /// How often it was received from the DLQ, looks included.
    pub(crate) receives: u32,
    /// When a worker sent it to the DLQ, in milliseconds since 1970. For a letter that SQS's own redrive moved: when it
    /// first entered the source queue.
    pub(crate) died_at: i64,
    /// Did a worker write it? If not, it is the message as it came, and its attributes are the sender's.
    is_ours: bool,
    letter: DeadLetter,
    pub(crate) event_type: EventType,
}

/// One failure of a letter's history.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// `None`: the history does not say it in our way, and `outcome` is all that it says.
    pub(crate) at: Option<Timestamp>,
    pub(crate) outcome: String,
}

/// What a letter tells of its event.
pub(crate) struct Contents {
    pub(crate) kind: String,
    /// Whom or what the event is about, hashed as in the log. In JSON the field has its old name, `user`.
    pub(crate) subject: Option<String>,
    pub(crate) email: Option<EmailAddress>,
}

impl Letter {
    /// A letter from the DLQ of a reaction to these events.
    pub(crate) fn new(delivery: Delivery, event_type: EventType) -> (Self, ReceiptHandle) {
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

    pub(crate) fn reason(&self) -> &str {
        self.field(REASON).unwrap_or(UNKNOWN)
    }

    /// The detail beside the reason. Empty: none.
    pub(crate) fn detail(&self) -> &str {
        self.field(DETAIL).unwrap_or_default()
    }

    /// A `failure.*` field that we wrote.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let attribute = self.letter.attributes.get(name).filter(|_| self.is_ours);
        attribute.map(|attribute| attribute.value.as_str())
    }

    /// The failures that led here, the first one first.
    pub(crate) fn history(&self) -> Vec<Failed> {
        history(self.field(HISTORY).unwrap_or_default())
    }

    pub(crate) fn size(&self) -> usize {
        self.letter.size()
    }

    pub(crate) fn is_packed(&self) -> bool {
        self.field(BODY_ENCODING).is_some()
    }

    /// The original message.
    ///
    /// # Errors
    /// The letter cannot be opened, and must stay where it is.
    pub(crate) fn original(&self) -> Result<DeadLetter, UnpackError> {
        if !self.is_ours {
            return Ok(self.letter.clone());
        }
        let (body, attributes) = self.letter.original()?;
        Ok(DeadLetter { body, attributes, ..self.letter.clone() })
    }

    /// The type and the subject of its event, unmasked. `None`: it holds no event.
    pub(crate) fn identity(&self) -> Option<EventIdentity> {
        let (body, died_at) = self.opened()?;
        self.event_type.identify(&body, died_at)
    }

    fn opened(&self) -> Option<(String, Timestamp)> {
        // Opened even if the redrive policy moved it: the worker would open it too.
        let (body, _) = self.letter.original().ok()?;
        Some((body, Timestamp::from_unix_millis(self.died_at)?))
    }

    /// What it tells of its event. `None`: it holds no event.
    pub(crate) fn contents(&self) -> Option<Contents> {
        let (body, died_at) = self.opened()?;
        let identity = self.event_type.identify(&body, died_at)?;
        let subject = identity.subject.map(|subject| log_hash(&subject).to_string());
        let email = match envelope::open::<UserSignedUp>(&body, died_at) {
            Ok(Opened::Ours(event)) => Some(event.email),
            _ => None,
        };
        Some(Contents { kind: identity.kind, subject, email })
    }

    /// One line of `dlq list --json`.
    pub(crate) fn summary(&self, reaction: &str, show_addresses: bool) -> Value {
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
    pub(crate) fn export(&self, reaction: &str, with_body: bool) -> Value {
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

    pub(crate) fn attempts(&self) -> Option<u32> {
        self.field("failure.attempts")?.parse().ok()
    }

    pub(crate) fn died_at(&self) -> Option<String> {
        Timestamp::from_unix_millis(self.died_at).map(|at| at.to_string())
    }
}

fn history(text: &str) -> Vec<Failed> {
    let failed = |failure: &str| {
        let known = failure.rsplit_once('@').and_then(|(outcome, millis)| {
            let at = Timestamp::from_unix_millis(millis.parse().ok()?)?;
            Some(Failed { at: Some(at), outcome: outcome.to_owned() })
        });
        known.unwrap_or_else(|| Failed { at: None, outcome: failure.to_owned() })
    };
    text.split_whitespace().map(failed).collect()
}

impl Described for Letter {
    fn id(&self) -> &str {
        &self.id
    }

    fn reason(&self) -> &str {
        Self::reason(self)
    }

    fn detail(&self) -> &str {
        Self::detail(self)
    }

    fn died(&self) -> i64 {
        self.died_at
    }

    fn event(&self) -> Option<Kind> {
        let EventIdentity { kind, subject } = self.identity()?;
        Some(Kind { name: kind, subject: subject.map(|subject| log_hash(&subject).to_string()) })
    }

    fn is_about(&self, subject: &str) -> bool {
        self.identity().is_some_and(|event| event.subject.as_deref() == Some(subject))
    }
}

/// An address, whole or masked.
pub(crate) fn shown(email: &EmailAddress, whole: bool) -> String {
    if whole { email.as_str().to_owned() } else { email.to_string() }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use engine::queue::{Attempt, Attributes, Body, Failure};

    /// A delivery from a DLQ, received for the third time.
    pub(in crate::letters) fn delivery(body: &str) -> Delivery {
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

    /// The attributes of the letter that a worker would make of this body.
    pub(in crate::letters) fn attributes(body: &str) -> Attributes {
        let detail = "email: must be there".to_owned();
        let failure = Failure { reason: "conflict", handler: "profile", history: String::new(), detail };
        DeadLetter::new(&delivery(body), "q", &failure).expect("fits").attributes
    }

    pub(in crate::letters) fn letter(delivery: Delivery) -> Letter {
        Letter::new(delivery, EventType::of::<UserSignedUp>()).0
    }

    /// The letter of a worker that quarantined this body.
    pub(in crate::letters) fn quarantined(body: &str) -> Letter {
        letter(Delivery { attributes: attributes(body), ..delivery(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{attributes, delivery, letter, quarantined};
    use super::*;
    use engine::queue::{Attribute, Attributes};

    const EVENT: &str = r#"{"type":"user.signed_up","userId":"u","email":"anna@example.com"}"#;

    #[test]
    fn a_history_is_told_in_a_time_that_people_read() {
        let told = history("permanent@1795721586687 timed_out@1795721600000 odd@x").into_iter();
        let told: Vec<_> = told.map(|failed| (failed.at.map(|at| at.to_string()), failed.outcome)).collect();
        let at = |text: &str| Some(text.to_owned());
        let expected = [
            (at("2026-11-26T19:33:06.687Z"), "permanent".to_owned()),
            (at("2026-11-26T19:33:20.000Z"), "timed_out".to_owned()),
            (None, "odd@x".to_owned()),
        ];
        assert_eq!(told, expected);
        assert_eq!(history(""), []);
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
}
