//! A queue's redrive policy, as SQS writes it, and its DLQ's URL.
//!
//! Enters: JSON, and a queue's URL. Leaves: the DLQ's name and URL, and after how many receives a message goes there; or
//! `None`. Pure.

pub(super) struct RedrivePolicy {
    pub(super) dlq_name: String,
    pub(super) max_receive_count: u32,
}

impl RedrivePolicy {
    /// AWS writes the count as a number, some tools as a string: both are read.
    pub(super) fn parse(json: &str) -> Option<Self> {
        let policy: serde_json::Value = serde_json::from_str(json).ok()?;
        let count = &policy["maxReceiveCount"];
        let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
        Some(Self {
            dlq_name: policy["deadLetterTargetArn"].as_str()?.rsplit(':').next()?.to_owned(),
            max_receive_count: u32::try_from(count).ok()?,
        })
    }
}

/// A DLQ is in the account and region of its source, so only the name in its URL differs.
pub(super) fn sibling(url: &str, name: &str) -> Option<String> {
    url.rsplit_once('/').map(|(base, _)| format!("{base}/{name}"))
}
