//! A queue's redrive policy, as SQS writes it, and its DLQ's URL.
//!
//! Enters: JSON, and a queue's URL. Leaves: the DLQ's name and URL, and after how many receives a message goes there; or
//! `None`: what names no queue, or no number of receives from 1 up, is no policy. Pure.

/// After how many receives a message goes where.
#[derive(Debug)]
pub struct RedrivePolicy {
    /// The DLQ's name.
    pub dlq_name: String,
    /// How often a message is received at most.
    pub max_receive_count: u32,
}

impl RedrivePolicy {
    /// AWS writes the count as a number, some tools as a string: both are read.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        let policy: serde_json::Value = serde_json::from_str(json).ok()?;
        let count = &policy["maxReceiveCount"];
        let count = count.as_u64().or_else(|| count.as_str()?.parse().ok()).filter(|count| *count >= 1)?;
        let name = policy["deadLetterTargetArn"].as_str()?.rsplit(':').next().filter(|name| is_name(name))?;
        Some(Self { dlq_name: name.to_owned(), max_receive_count: u32::try_from(count).ok()? })
    }
}

/// It becomes a part of a URL.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A DLQ is in the account and region of its source, so only the name in its URL differs.
#[must_use]
pub fn sibling(url: &str, name: &str) -> Option<String> {
    url.rsplit_once('/').map(|(base, _)| format!("{base}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arn: &str, count: &str) -> Option<(String, u32)> {
        let json = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
        RedrivePolicy::parse(&json).map(|policy| (policy.dlq_name, policy.max_receive_count))
    }

    #[test]
    fn a_policy_names_a_queue_and_how_often_a_message_is_received() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:email-dlq.fifo";
        for count in ["10", r#""10""#] {
            assert_eq!(parsed(arn, count), Some(("email-dlq.fifo".to_owned(), 10)), "{count}");
        }
        for count in ["0", r#""0""#, "-1", "1.5", "4294967296", "null", "[]"] {
            assert_eq!(parsed(arn, count), None, "{count}");
        }
        for odd in ["", "arn:aws:sqs:us-east-1:000000000000:", "arn:aws:sqs:r:1:a/b", "arn:aws:sqs:r:1:a?b", "ü"] {
            assert_eq!(parsed(odd, "10"), None, "{odd}");
        }
    }
}
