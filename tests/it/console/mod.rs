//! The console: who is let in, what its pages show and do.

mod attacks;
mod entry;
mod pages;

use std::collections::BTreeMap;

/// The environment of a console whose servers nobody runs: for what it does without them.
pub fn alone() -> BTreeMap<String, String> {
    let ours = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "000000000000"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("EMAIL_QUEUE_URL", "http://127.0.0.1:1/000000000000/email"),
        ("USER_EVENTS_TOPIC_ARN", "arn:aws:sns:eu-central-1:000000000000:user-events"),
        ("LOG_FORMAT", "json"),
        ("USER", "anna"),
    ];
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
