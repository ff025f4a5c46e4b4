//! How a delivery becomes a dead letter: the original, whole, and why it is there.
//!
//! Enters: a delivery and its [`Failure`]. Leaves: a [`DeadLetter`] that fits SQS's two limits (10
//! attributes; 1 MiB with them), or nothing if even packing does not make it fit. Promises: whatever
//! is packed can be unpacked; nothing is cut off. Pure: sends nothing.

use std::io::Write;

use data_encoding::BASE64;
use flate2::{Compression, write::GzEncoder};

use super::{Attribute, Attributes, DeadLetter, Delivery, Failure, MAX_MESSAGE_BYTES};
use crate::event::Timestamp;

/// SQS takes 10 attributes a message; `failure.*` needs six or seven, and one more to pack the rest into.
const MAX_ATTRIBUTES: usize = 10;

/// Set when the body is packed: gzip, then base64.
pub const BODY_ENCODING: &str = "failure.body_encoding";
/// Set when the original attributes did not fit beside ours: all of them, as one JSON object.
pub const ORIGINAL_ATTRIBUTES: &str = "failure.original_attributes";

impl DeadLetter {
    /// The letter for `delivery`; `None` if it cannot be made to fit (a body of almost 1 MiB that
    /// does not compress): then only the queue's own redrive can move it.
    #[must_use]
    pub fn new(delivery: &Delivery, source_queue: &str, failure: &Failure) -> Option<Self> {
        let mut attributes = failure_attributes(delivery, source_queue, failure);
        // One place is kept free for the body's encoding.
        if delivery.attributes.len() + attributes.len() < MAX_ATTRIBUTES {
            attributes.extend(delivery.attributes.clone());
        } else {
            let packed = serde_json::to_string(&delivery.attributes).ok()?;
            attributes.insert(ORIGINAL_ATTRIBUTES.to_owned(), Attribute::string(packed));
        }
        let (body, group, message_id) =
            (delivery.body.as_str().to_owned(), delivery.group.clone(), delivery.message_id.clone());
        let plain = Self { body, attributes, group, message_id };
        if plain.size() <= MAX_MESSAGE_BYTES { Some(plain) } else { plain.packed() }
    }

    /// Bytes as SQS counts them: the body, and each attribute's name, type and value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len() + attributes_size(&self.attributes)
    }

    fn packed(mut self) -> Option<Self> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(self.body.as_bytes()).ok()?;
        self.body = BASE64.encode(&gzip.finish().ok()?);
        self.attributes.insert(BODY_ENCODING.to_owned(), Attribute::string("gzip+base64"));
        (self.size() <= MAX_MESSAGE_BYTES).then_some(self)
    }
}

/// Bytes of attributes as SQS counts them.
pub(super) fn attributes_size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, a)| name.len() + a.data_type.len() + a.value.len()).sum()
}

fn failure_attributes(delivery: &Delivery, source_queue: &str, failure: &Failure) -> Attributes {
    let first_seen = Timestamp::from_unix_millis(delivery.sent_at_millis).map(|t| t.to_string());
    let history = Some(("failure.history", failure.history.clone())).filter(|(_, history)| !history.is_empty());
    [
        ("failure.reason", failure.reason.to_owned()),
        ("failure.handler", failure.handler.to_owned()),
        ("failure.first_seen", first_seen.unwrap_or_else(|| "unknown".to_owned())),
        ("failure.attempts", delivery.attempt.get().to_string()),
        ("failure.source_queue", source_queue.to_owned()),
        ("failure.message_id", delivery.message_id.clone()),
    ]
    .into_iter()
    .chain(history)
    .map(|(name, value)| (name.to_owned(), Attribute::string(value)))
    .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::queue::{Attempt, Body, ReceiptHandle};

    const FAILURE: Failure = Failure { reason: "too_large", handler: "profile", history: String::new() };

    fn delivery(body: String, attributes: usize) -> Delivery {
        let attributes = (0..attributes).map(|n| (format!("a{n}"), Attribute::string("v"))).collect();
        Delivery {
            message_id: "m".to_owned(),
            body: Body::new(body),
            attributes,
            attempt: Attempt::new(1),
            sent_at_millis: 0,
            group: None,
            receipt: ReceiptHandle::new("r".to_owned()),
        }
    }

    #[test]
    fn a_letter_is_the_original_with_its_attributes_and_the_reason() {
        let letter = DeadLetter::new(&delivery("{}".to_owned(), 3), "q", &FAILURE).expect("fits");
        assert_eq!(letter.body, "{}");
        assert_eq!(letter.attributes["failure.reason"].value, "too_large");
        assert_eq!(letter.attributes["failure.first_seen"].value, "1970-01-01T00:00:00.000Z");
        assert_eq!(letter.attributes["a2"].value, "v");
        assert_eq!(letter.attributes.len(), 9);
    }

    #[test]
    fn ten_attributes_of_the_original_are_packed_into_one_and_none_is_lost() {
        let letter = DeadLetter::new(&delivery("{}".to_owned(), 10), "q", &FAILURE).expect("fits");
        assert_eq!(letter.attributes.len(), 7);
        let packed: serde_json::Value =
            serde_json::from_str(&letter.attributes[ORIGINAL_ATTRIBUTES].value).expect("JSON");
        assert_eq!(packed["a9"]["Value"], "v");
    }

    #[test]
    fn a_body_of_a_whole_mebibyte_is_packed_to_make_room_for_the_reason() {
        let body = "x".repeat(MAX_MESSAGE_BYTES);
        let letter = DeadLetter::new(&delivery(body.clone(), 10), "q", &FAILURE).expect("fits");
        assert!(letter.attributes.len() <= MAX_ATTRIBUTES && letter.size() <= MAX_MESSAGE_BYTES);
        let gzip = BASE64.decode(letter.body.as_bytes()).expect("base64");
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, body);
    }

    #[test]
    fn a_mebibyte_that_does_not_compress_makes_no_letter() {
        let body: String = std::iter::repeat_with(|| fastrand::char('!'..='~')).take(MAX_MESSAGE_BYTES).collect();
        assert_eq!(DeadLetter::new(&delivery(body, 0), "q", &FAILURE), None);
    }
}
