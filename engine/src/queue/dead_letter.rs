//! How a delivery becomes a dead letter, which holds the whole original and the reason; and how the original is got
//! back.
//!
//! Enters: a delivery and its [`Failure`]. Leaves: a [`DeadLetter`] that keeps SQS's [`rules`], or the rule that it
//! breaks even when packed. Back: a letter enters, and its original leaves. Promises: a packed original is unpacked to
//! the byte, and nothing is cut off; a letter that somebody else may have written yields a message that SQS takes, or
//! none. Sends nothing.

use std::io::{Read, Write};

use data_encoding::BASE64;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::rules::{self, Breach, MAX_ATTRIBUTES, attributes_size};
use super::{Attribute, Attributes, DeadLetter, Delivery, Failure, MAX_MESSAGE_BYTES};
use crate::timestamp::Timestamp;

/// Set when the body is packed: gzip, then base64.
pub const BODY_ENCODING: &str = "failure.body_encoding";
/// Set when the original attributes could not stand beside ours: all of them, as one JSON object.
pub const ORIGINAL_ATTRIBUTES: &str = "failure.original_attributes";
/// Set on every letter: the code that operators group by.
pub const REASON: &str = "failure.reason";

/// Set if the ledger counted failures: which and when.
pub const HISTORY: &str = "failure.history";
/// Set if something is known beside the reason, such as a mail server's code.
pub const DETAIL: &str = "failure.detail";

/// Every attribute of ours begins with this.
pub const OURS: &str = "failure.";
/// Each letter of ours has all of these. A message with only some of them is none of ours.
const ALWAYS: [&str; 6] =
    [REASON, "failure.handler", "failure.first_seen", "failure.attempts", "failure.source_queue", "failure.message_id"];
const GZIP_BASE64: &str = "gzip+base64";

/// Why a letter of ours cannot be unpacked: what it says about itself is not true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// `failure.body_encoding` names a packing that we do not know.
    #[error("the body is packed in a way that is not known")]
    UnknownEncoding,
    /// The body is not what `failure.body_encoding` says, or more than a queue takes.
    #[error("the packed body does not unpack")]
    Body,
    /// `failure.original_attributes` is not what we write there.
    #[error("the packed attributes do not unpack")]
    Attributes,
    /// What it holds cannot have been a message on a queue: SQS would not take it.
    #[error("what it holds is no message: {0}")]
    Unfit(Breach),
}

/// The form in which a letter is sent. If the queue does not take one, the next is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With the reason; the message as it was received, if that fits beside it.
    Plain,
    /// With the reason; the body packed.
    Packed,
    /// The message as it was received, without a reason.
    Bare,
}

impl Form {
    /// In the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Packed, Self::Bare];
}

impl DeadLetter {
    /// The reason; empty if nobody wrote one.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.attributes.get(REASON).map_or("", |reason| reason.value.as_str())
    }

    /// The letter for `delivery`, packed if it must be.
    ///
    /// # Errors
    /// The rule that it breaks even when packed: for example, a body of almost 1 MiB that does not compress.
    pub fn new(delivery: &Delivery, source_queue: &str, failure: &Failure) -> Result<Self, Breach> {
        let of_form = |form| Self::of_form(form, MAX_MESSAGE_BYTES, delivery, source_queue, failure);
        of_form(Form::Plain).or_else(|_| of_form(Form::Packed))
    }

    /// The letter for `delivery`, in this form and no other, for a DLQ that takes `most` bytes.
    ///
    /// # Errors
    /// The rule that it breaks in this form.
    pub fn of_form(
        form: Form,
        most: usize,
        delivery: &Delivery,
        source_queue: &str,
        failure: &Failure,
    ) -> Result<Self, Breach> {
        let has_marks = delivery.attributes.keys().any(|name| name.starts_with(OURS));
        let mut letter = Self {
            body: delivery.body.as_str().to_owned(),
            attributes: Attributes::new(),
            group: delivery.group.clone(),
            fairness: delivery.fairness.clone(),
            message_id: delivery.message_id.clone(),
        };
        if form == Form::Bare {
            // Without a reason of ours, a sender's `failure.*` attributes would be taken for one.
            letter.attributes = delivery.attributes.clone();
            return if has_marks { Err(Breach::AttributeName) } else { letter.within(most) };
        }
        letter.attributes = failure_attributes(delivery, source_queue, failure);
        // One of the ten places is kept free for the body's encoding.
        let fits = delivery.attributes.len() + letter.attributes.len() < MAX_ATTRIBUTES;
        // `failure.*` attributes from an earlier quarantine, or of a sender's, must not be taken for this one's.
        if fits && !has_marks {
            letter.attributes.extend(delivery.attributes.clone());
        } else {
            let packed = serde_json::to_string(&delivery.attributes).map_err(|_| Breach::AttributeValue)?;
            letter.attributes.insert(ORIGINAL_ATTRIBUTES.to_owned(), Attribute::string(packed));
        }
        if form == Form::Packed {
            letter.pack();
        }
        letter.within(most)
    }

    /// The original: body and attributes as they came to the source queue. A message that is no letter of ours is its
    /// own original, even if it has attributes with some of our names.
    ///
    /// # Errors
    /// [`UnpackError`]: somebody else wrote the letter, or it is damaged. It must stay where it is.
    pub fn original(&self) -> Result<(String, Attributes), UnpackError> {
        if !is_ours(&self.attributes) {
            return Ok((self.body.clone(), self.attributes.clone()));
        }
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
        rules::check(&body, &attributes).map_err(UnpackError::Unfit)?;
        Ok((body, attributes))
    }

    /// Bytes as SQS counts them: the body, and each attribute's name, type and value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len() + attributes_size(&self.attributes)
    }

    fn within(self, most: usize) -> Result<Self, Breach> {
        rules::check_within(most, &self.body, &self.attributes).map(|()| self)
    }

    fn pack(&mut self) {
        self.body = BASE64.encode(&gzipped(self.body.as_bytes()));
        self.attributes.insert(BODY_ENCODING.to_owned(), Attribute::string(GZIP_BASE64));
    }
}

/// Are these the attributes of a letter of ours? One attribute with a name of ours is not enough.
#[must_use]
pub fn is_ours(attributes: &Attributes) -> bool {
    ALWAYS.iter().all(|name| attributes.contains_key(*name))
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory cannot fail.
    let _ = gzip.write_all(bytes);
    gzip.finish().unwrap_or_default()
}

/// Stops at the most that a queue takes: a few bytes of gzip can stand for gigabytes.
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
    let always = [
        failure.reason.to_owned(),
        failure.handler.to_owned(),
        first_seen.unwrap_or_default(),
        delivery.attempt.get().to_string(),
        source_queue.to_owned(),
        delivery.message_id.clone(),
    ];
    // SQS takes no empty value.
    let known = |text: String| if text.is_empty() { "unknown".to_owned() } else { text };
    ALWAYS
        .into_iter()
        .zip(always.map(known))
        .chain(optional.into_iter().filter(|(_, text)| !text.is_empty()))
        .map(|(name, value)| (name.to_owned(), Attribute::string(value)))
        .collect()
}

/// The first 200 characters of a detail, without those that SQS does not take: a person reads it at a glance.
fn fit(detail: &str) -> String {
    detail.chars().filter(|c| !c.is_control() && rules::is_taken(*c)).take(200).collect()
}

#[cfg(test)]
#[path = "dead_letter_tests.rs"]
mod tests;
