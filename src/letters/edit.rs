//! A dead letter's event, mended by hand: what a person gets to edit, and the message that the edited text becomes.
//!
//! Enters: a letter, and a text. Leaves: the message for the source queue, or the rule that the worker would refuse it
//! by. Promises: the same text for the same letter is the same event, by its id; all around the event stays as it came.
//! Pure.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::layout::{packed, spread};
use super::letter::Letter;
use engine::envelope::{Topics, event_text, with_event_text};
use engine::event::{EventId, Timestamp, with_new_id};
use engine::queue::DeadLetter;
use engine::queue::dead_letter::UnpackError;

/// What an edited text is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// The text that there was.
    Unchanged,
    /// No event that the worker would handle. Holds the field and the rule.
    Refused(String),
    /// The message to send in place of the original, and its event's id.
    Ready(DeadLetter, Uuid),
}

/// The event as a person edits it.
///
/// # Errors
/// The letter cannot be opened.
pub(crate) fn draft(letter: &Letter) -> Result<String, UnpackError> {
    Ok(spread(&event_text(&letter.original()?.body)) + "\n")
}

/// What this text makes of the letter. The worker reads notifications of these topics.
///
/// # Errors
/// The letter cannot be opened.
pub(crate) fn edited(letter: &Letter, text: &str, topics: &Topics) -> Result<Edited, UnpackError> {
    let (original, text) = (letter.original()?, packed(text.trim()));
    if text == packed(event_text(&original.body).trim()) {
        return Ok(Edited::Unchanged);
    }
    let refusal = |body: &str| {
        let sent_at = Timestamp::from_unix_millis(letter.died_at).unwrap_or_else(Timestamp::now);
        letter.event_type.refusal(body, sent_at, topics)
    };
    // As it was written first: the fault is then that of its writer.
    if let Some(rule) = refusal(&with_event_text(&original.body, &text)) {
        return Ok(Edited::Refused(rule));
    }
    let id = id(&letter.id, &text);
    let named: Result<EventId, _> = id.to_string().parse();
    let event = named
        .map_err(|rule| rule.to_string())
        .and_then(|named| with_new_id(&text, &letter.event_type.names, &named).map_err(|error| error.detail()));
    let body = event.map(|event| with_event_text(&original.body, &event));
    Ok(match body.and_then(|body| refusal(&body).map_or(Ok(body), Err)) {
        Ok(body) => Edited::Ready(DeadLetter { body, ..original }, id),
        Err(rule) => Edited::Refused(rule),
    })
}

/// The id of the event that this text makes of this letter: a UUID made of both (version 8, by SHA-256).
fn id(letter: &str, text: &str) -> Uuid {
    // With the length of the first: text that moves from one to the other changes the id.
    let hash = Sha256::digest(format!("{}:{letter}{text}", letter.len()));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::letters::letter::samples::quarantined;

    const EVENT: &str = r#"{"type":"user.signed_up","userId":"u","eventId":"e-1","email":"nobody","x":1.0}"#;

    fn wrapped() -> String {
        json!({ "Type": "Notification", "MessageId": "m-1", "TopicArn": "t", "Message": EVENT, "odd": 7 }).to_string()
    }

    fn ready(letter: &Letter, text: &str) -> (DeadLetter, Uuid) {
        match edited(letter, text, &Topics::default()).expect("it opens") {
            Edited::Ready(message, id) => (message, id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_edited_event_is_sent_in_the_form_in_which_it_came_with_an_id_of_its_own() {
        for body in [EVENT.to_owned(), wrapped()] {
            let letter = quarantined(&body);
            let draft = draft(&letter).expect("it opens");
            assert!(draft.contains("\n  \"email\": \"nobody\",\n  \"x\": 1.0\n}\n"), "{draft}");
            let (message, id) = ready(&letter, &draft.replace("nobody", "anna@example.com"));
            let event: Value = serde_json::from_str(&event_text(&message.body)).expect("JSON");
            let expected = json!({ "type": "user.signed_up", "userId": "u", "eventId": id.to_string(),
                "email": "anna@example.com", "x": 1.0 });
            assert_eq!(event, expected);
            assert_eq!(message.body.contains("\"odd\":7"), body != EVENT);
            assert!(message.attributes.is_empty(), "no word of the failure goes back");
        }
    }

    #[test]
    fn the_same_edit_of_the_same_letter_is_the_same_event_and_no_other_is() {
        let letter = quarantined(EVENT);
        let mended = EVENT.replace("nobody", "anna@example.com");
        let (message, id) = ready(&letter, &mended);
        assert_eq!(ready(&letter, &spread(&mended)), (message, id), "spaces are no edit");
        assert_ne!(ready(&letter, &mended.replace("anna", "anne")).1, id);
        let mut other = quarantined(EVENT);
        other.id = "n".to_owned();
        assert_ne!(ready(&other, &mended).1, id);
        assert_eq!((id.get_version_num(), id.to_string().len()), (8, 36));
    }

    #[test]
    fn what_the_worker_would_refuse_is_refused_by_field_and_rule() {
        let letter = quarantined(EVENT);
        let refused = |text: &str| match edited(&letter, text, &Topics::default()).expect("it opens") {
            Edited::Refused(rule) => rule,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&EVENT.replace("nobody", "no")), "email: must be an address like name@example.com");
        assert_eq!(refused(&EVENT.replace("user.signed_up", "order.paid")), "type: must be user.signed_up");
        assert_eq!(refused("{"), "body: must be a JSON object with each field once");
        let twice = EVENT.replace("nobody", r#"a@example.com","email":"b@example.com"#);
        assert_eq!(refused(&twice), "event: must be a JSON object with each field once");
        assert_eq!(edited(&letter, &spread(EVENT), &Topics::default()), Ok(Edited::Unchanged));
        let (letter, other) = (quarantined(&wrapped()), Topics::only(vec!["arn:aws:sns:us-east-1:1:x".to_owned()]));
        let mended = EVENT.replace("nobody", "anna@example.com");
        let rule = "TopicArn: must be one of TOPIC_ARNS, and is no ARN of a topic".to_owned();
        assert_eq!(edited(&letter, &mended, &other), Ok(Edited::Refused(rule)), "an edit cannot mend its envelope");
    }

    #[test]
    fn what_was_no_event_can_be_made_one() {
        let letter = quarantined("hello\n");
        assert_eq!(draft(&letter), Ok("hello\n\n".to_owned()));
        assert_eq!(edited(&letter, "hello", &Topics::default()), Ok(Edited::Unchanged));
        let text = r#"{"type":"user.signed_up","userId":"u","email":"anna@example.com"}"#;
        let (message, id) = ready(&letter, text);
        assert_eq!(message.body, text.replacen('{', &format!("{{\"eventId\":\"{id}\","), 1));
    }
}
