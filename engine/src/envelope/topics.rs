//! The topics whose notifications are read: any topic, or the named ones only.
//!
//! Enters: ARNs. Leaves: yes or no for the ARN that an envelope names. Pure.

use std::sync::Arc;

/// The topics whose notifications are read; if empty, any topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics(Arc<[String]>);

impl Topics {
    /// These topics only; if empty, any topic.
    #[must_use]
    pub fn only(arns: Vec<String>) -> Self {
        Self(arns.into())
    }

    /// Are notifications of this topic read?
    #[must_use]
    pub fn accepts(&self, arn: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|own| own == arn)
    }
}

/// Does the text have the form of a topic's ARN? Such a text holds no mail address, and nothing that controls a
/// terminal.
#[must_use]
pub fn is_topic_arn(text: &str) -> bool {
    let is_word = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let parts: Vec<_> = text.split(':').collect();
    parts.len() == 6 && parts.iter().all(is_word) && parts[0] == "arn" && parts[2] == "sns"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_topics_alone_are_read_and_of_none_named_any() {
        let own = "arn:aws:sns:us-east-1:000000000000:user-events";
        let other = "arn:aws:sns:us-east-1:000000000000:user-events2";
        let topics = Topics::only(vec![own.to_owned()]);
        assert!(
            topics.accepts(own) && !topics.accepts(other) && !topics.accepts("") && Topics::default().accepts(other)
        );
    }

    #[test]
    fn a_topics_arn_has_six_parts_and_no_odd_character() {
        assert!(is_topic_arn("arn:aws-cn:sns:cn-north-1:123456789012:a.b_c-d.fifo"));
        for odd in ["", "arn:aws:sqs:r:1:n", "arn:aws:sns:r:1:", "arn:aws:sns:r:1:n:x", "arn:aws:sns:r:1:a@example.com"]
        {
            assert!(!is_topic_arn(odd), "{odd}");
        }
    }
}
