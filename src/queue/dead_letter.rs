//! How a delivery becomes a dead letter, the original, whole, and why it is there; and the way back.
//!
//! Enters: a delivery and its [`Failure`]. Leaves: a [`DeadLetter`] that fits SQS's two limits (10
//! attributes; 1 MiB with them), or nothing if even packing does not make it fit. Back: a letter, and
//! out comes the original. Promises: what was packed is unpacked to the byte; nothing is cut off. Pure:
//! sends nothing.

use std::io::{Read, Write};

use data_encoding::BASE64;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::{Attribute, Attributes, DeadLetter, Delivery, Failure, MAX_MESSAGE_BYTES};
use crate::event::Timestamp;

/// SQS takes 10 attributes a message; `failure.*` needs six to eight, one to pack the rest into, and one for a packed body.
const MAX_ATTRIBUTES: usize = 10;

/// Set when the body is packed: gzip, then base64.
pub const BODY_ENCODING: &str = "failure.body_encoding";
/// Set when the original attributes did not fit beside ours: all of them, as one JSON object.
pub const ORIGINAL_ATTRIBUTES: &str = "failure.original_attributes";
/// Set on every letter: the code that operators group by.
pub const REASON: &str = "failure.reason";

/// Set where failures led here: which and when.
const HISTORY: &str = "failure.history";
/// Set where something is known beside the reason, such as a mail server's code.
pub const DETAIL: &str = "failure.detail";

/// What every attribute of ours begins with.
const OURS: &str = "failure.";
const GZIP_BASE64: &str = "gzip+base64";

/// A letter says of itself what it does not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// `failure.body_encoding` names a way of packing that is not ours.
    #[error("the body is packed in a way that is not known")]
    UnknownEncoding,
    /// The body is not what `failure.body_encoding` says, or more than a queue takes.
    #[error("the packed body does not unpack")]
    Body,
    /// `failure.original_attributes` is not what we write there.
    #[error("the packed attributes do not unpack")]
    Attributes,
}

impl DeadLetter {
    /// Why it is one; empty if nobody wrote a reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.attributes.get(REASON).map_or("", |reason| reason.value.as_str())
    }

    /// The letter for `delivery`; `None` if it cannot be made to fit (a body of almost 1 MiB that
    /// does not compress): then only the queue's own redrive can move it.
    #[must_use]
    pub fn new(delivery: &Delivery, source_queue: &str, failure: &Failure) -> Option<Self> {
        let mut attributes = failure_attributes(delivery, source_queue, failure);
        // One place is kept free for the body's encoding.
        let fits = delivery.attributes.len() + attributes.len() < MAX_ATTRIBUTES;
        // Another life's `failure.*` must not pass for this one's.
        if fits && !delivery.attributes.keys().any(|name| name.starts_with(OURS)) {
            attributes.extend(delivery.attributes.clone());
        } else {
            let packed = serde_json::to_string(&delivery.attributes).ok()?;
            attributes.insert(ORIGINAL_ATTRIBUTES.to_owned(), Attribute::string(packed));
        }
        let plain = Self {
            body: delivery.body.as_str().to_owned(),
            attributes,
            group: delivery.group.clone(),
            fairness: delivery.fairness.clone(),
            message_id: delivery.message_id.clone(),
        };
        if plain.size() <= MAX_MESSAGE_BYTES { Some(plain) } else { plain.packed(MAX_MESSAGE_BYTES) }
    }

    /// What the letter was made of: the body and attributes as they came to the source queue. A letter
    /// without any `failure.*`, moved by the queue's own redrive policy, is its own original.
    ///
    /// # Errors
    /// [`UnpackError`]: somebody else's letter, or a damaged one. It must stay where it is.
    pub fn original(&self) -> Result<(String, Attributes), UnpackError> {
        let body = match self.attributes.get(BODY_ENCODING) {
            None => self.body.clone(),
            Some(encoding) if encoding.value == GZIP_BASE64 => gunzipped(&self.body).ok_or(UnpackError::Body)?,
            Some(_) => return Err(UnpackError::UnknownEncoding),
        };
        let attributes = match self.attributes.get(ORIGINAL_ATTRIBUTES) {
            Some(packed) => serde_json::from_str(&packed.value).map_err(|_| UnpackError::Attributes)?,
            None => {
                let theirs = self.attributes.iter().filter(|(name, _)| !name.starts_with(OURS));
                theirs.map(|(name, value)| (name.clone(), value.clone())).collect()
            }
        };
        Ok((body, attributes))
    }

    /// Bytes as SQS counts them: the body, and each attribute's name, type and value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len() + attributes_size(&self.attributes)
    }

    /// The same with its body packed, for a queue that takes `most` bytes; `None` if it is packed, or too large even so.
    #[must_use]
    pub fn packed(mut self, most: usize) -> Option<Self> {
        if self.attributes.contains_key(BODY_ENCODING) {
            return None;
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(self.body.as_bytes()).ok()?;
        self.body = BASE64.encode(&gzip.finish().ok()?);
        self.attributes.insert(BODY_ENCODING.to_owned(), Attribute::string(GZIP_BASE64));
        (self.size() <= most).then_some(self)
    }
}

/// Bytes of attributes as SQS counts them.
pub(super) fn attributes_size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, a)| name.len() + a.data_type.len() + a.value.len()).sum()
}

/// Stops at what a queue can take: a few bytes of gzip can stand for gigabytes.
fn gunzipped(body: &str) -> Option<String> {
    let gzip = BASE64.decode(body.as_bytes()).ok()?;
    let mut text = String::new();
    let most = MAX_MESSAGE_BYTES as u64 + 1;
    GzDecoder::new(&gzip[..]).take(most).read_to_string(&mut text).ok()?;
    (text.len() <= MAX_MESSAGE_BYTES).then_some(text)
}

fn failure_attributes(delivery: &Delivery, source_queue: &str, failure: &Failure) -> Attributes {
    let first_seen = Timestamp::from_unix_millis(delivery.sent_at_millis).map(|t| t.to_string());
    let optional = [(HISTORY, failure.history.clone()), (DETAIL, fit(&failure.detail))];
    [
        (REASON, failure.reason.to_owned()),
        ("failure.handler", failure.handler.to_owned()),
        ("failure.first_seen", first_seen.unwrap_or_else(|| "unknown".to_owned())),
        ("failure.attempts", delivery.attempt.get().to_string()),
        ("failure.source_queue", source_queue.to_owned()),
        ("failure.message_id", delivery.message_id.clone()),
    ]
    .into_iter()
    .chain(optional.into_iter().filter(|(_, text)| !text.is_empty()))
    .map(|(name, value)| (name.to_owned(), Attribute::string(value)))
    .collect()
}

/// A detail in characters that SQS takes, and few of them: it is to be read at a glance.
fn fit(detail: &str) -> String {
    detail.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).take(200).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::queue::{Attempt, Body, ReceiptHandle};

    const FAILURE: Failure =
        Failure { reason: "too_large", handler: "profile", history: String::new(), detail: String::new() };

    fn delivery(body: String, attributes: usize) -> Delivery {
        let attributes = (0..attributes).map(|n| (format!("a{n}"), Attribute::string("v"))).collect();
        Delivery {
            message_id: "m".to_owned(),
            body: Body::new(body),
            attributes,
            attempt: Attempt::new(1),
            sent_at_millis: 0,
            group: None,
            fairness: None,
            trace_header: None,
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
    fn a_letter_says_what_is_known_beside_its_reason() {
        let failure = Failure { detail: "550 5.1.1 at\nRCPT".to_owned(), ..FAILURE };
        let letter = DeadLetter::new(&delivery("{}".to_owned(), 0), "q", &failure).expect("fits");
        assert_eq!(letter.attributes[DETAIL].value, "550 5.1.1 atRCPT");
    }

    #[test]
    fn ten_attributes_of_the_original_are_packed_into_one_and_none_is_lost() {
        let letter = DeadLetter::new(&delivery("{}".to_owned(), 10), "q", &FAILURE).expect("fits");
        assert_eq!(letter.attributes.len(), 7);
        let packed: serde_json::Value =
            serde_json::from_str(&letter.attributes[ORIGINAL_ATTRIBUTES].value).expect("JSON");
        assert_eq!(packed["a9"]["Value"], "v");
        assert_eq!(letter.original().expect("ours").1.len(), 10);
    }

    #[test]
    fn a_body_of_a_whole_mebibyte_is_packed_to_make_room_for_the_reason() {
        let body = "x".repeat(MAX_MESSAGE_BYTES);
        let letter = DeadLetter::new(&delivery(body.clone(), 10), "q", &FAILURE).expect("fits");
        assert!(letter.attributes.len() <= MAX_ATTRIBUTES && letter.size() <= MAX_MESSAGE_BYTES);
        assert_eq!(letter.original().expect("ours").0, body);
    }

    #[test]
    fn a_letter_is_packed_for_a_queue_that_takes_less_once_and_only_if_it_fits_then() {
        let plain = DeadLetter::new(&delivery("x".repeat(4_000), 0), "q", &FAILURE).expect("fits");
        let packed = plain.clone().packed(1_024).expect("it packs well");
        assert!(packed.size() <= 1_024);
        assert_eq!(packed.original().expect("ours").0, plain.body);
        assert_eq!((packed.packed(1_024), plain.packed(100)), (None, None));
    }

    #[test]
    fn a_mebibyte_that_does_not_compress_makes_no_letter() {
        let body: String = std::iter::repeat_with(|| fastrand::char('!'..='~')).take(MAX_MESSAGE_BYTES).collect();
        assert_eq!(DeadLetter::new(&delivery(body, 0), "q", &FAILURE), None);
    }

    #[test]
    fn a_letter_that_lies_about_itself_is_not_unpacked() {
        let letter = |body: &str, name: &str, value: &str| DeadLetter {
            body: body.to_owned(),
            attributes: [(name.to_owned(), Attribute::string(value))].into(),
            ..DeadLetter::default()
        };
        let bomb = DeadLetter { body: "0".repeat(100 * MAX_MESSAGE_BYTES), ..DeadLetter::default() };
        let bomb = bomb.packed(MAX_MESSAGE_BYTES).expect("zeros pack well").body;
        for (letter, error) in [
            (letter("x", BODY_ENCODING, "zip"), UnpackError::UnknownEncoding),
            (letter("no base64", BODY_ENCODING, GZIP_BASE64), UnpackError::Body),
            (letter("AAAA", BODY_ENCODING, GZIP_BASE64), UnpackError::Body),
            (letter(&bomb, BODY_ENCODING, GZIP_BASE64), UnpackError::Body),
            (letter("x", ORIGINAL_ATTRIBUTES, "[]"), UnpackError::Attributes),
        ] {
            assert_eq!(letter.original(), Err(error));
        }
    }

    fn attributes() -> impl Strategy<Value = Attributes> {
        let name = prop_oneof!["[a-z]{1,8}", "failure\\.[a-z]{1,4}", Just(BODY_ENCODING.to_owned())];
        let attribute = ("(String|Number|Binary)(\\.[a-z]{1,3})?", "\\PC{1,20}")
            .prop_map(|(data_type, value)| Attribute { data_type, value });
        proptest::collection::btree_map(name, attribute, 0..=10)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_packed_is_unpacked_to_the_byte(
            text in "\\PC{0,200}", times in prop_oneof![Just(1_usize), Just(6_000)], attributes in attributes(),
        ) {
            let mut body = text.repeat(times);
            while body.len() > MAX_MESSAGE_BYTES {
                body.pop();
            }
            let delivery = Delivery { attributes, ..delivery(body, 0) };
            let letter = DeadLetter::new(&delivery, "q", &FAILURE).expect("repetition packs well");
            prop_assert!(letter.attributes.len() <= MAX_ATTRIBUTES && letter.size() <= MAX_MESSAGE_BYTES);
            prop_assert_eq!(&letter.attributes[REASON].value, "too_large");
            let (body, attributes) = letter.original().expect("ours");
            prop_assert!(body == delivery.body.as_str() && attributes == delivery.attributes);
        }
    }
}
