//! A queue's redrive policy, as whoever made the queue wrote it.
//!
//! Enters: JSON. Leaves: nothing.

use engine::queue::sqs::redrive::{RedrivePolicy, sibling};

const URL: &str = "https://sqs.us-east-1.amazonaws.com/000000000000/user-events-email";

/// What holds of a policy.
pub fn redrive(input: &[u8]) {
    let json = String::from_utf8_lossy(input);
    let Some(RedrivePolicy { dlq_name, max_receive_count }) = RedrivePolicy::parse(&json) else { return };
    assert!(max_receive_count >= 1, "a message that is received no time is handled by nobody");
    assert!(!dlq_name.is_empty() && !dlq_name.contains(['/', ':']), "{dlq_name:?} is no queue's name");
    assert!(json.contains(&dlq_name) || json.contains('\\'), "{dlq_name:?} is not in {json}");
    let Some(url) = sibling(URL, &dlq_name) else { panic!("{URL} has a sibling") };
    assert_eq!(url.rsplit_once('/').map(|(_, name)| name), Some(&*dlq_name), "of the same account");
    let written =
        format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:1:{dlq_name}","maxReceiveCount":{max_receive_count}}}"#);
    assert_eq!(RedrivePolicy::parse(&written).map(|policy| policy.max_receive_count), Some(max_receive_count));
}
