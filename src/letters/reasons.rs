//! All reasons for which we quarantine a message, and what each means.
//!
//! The table in docs/operate.md is this one. A test checks that every reason in the code is listed here.

/// Reasons of similar meaning, and that meaning.
pub type Reason = (&'static [&'static str], &'static str);

/// Every reason that we write.
pub const REASONS: &[Reason] = &[
    (&["not_json", "too_large", "too_deep"], "the body is no JSON object, over 512 KiB, or nested over 127 deep"),
    (&["wrong_topic"], "the envelope's `TopicArn` is not one of `TOPIC_ARNS`"),
    (
        &["not_a_notification", "no_message", "not_an_event", "wrapped_twice"],
        "an SNS message of another kind, an envelope without a message, around something that is no JSON object, or around another envelope",
    ),
    (
        &["missing_field", "invalid_field", "unsupported_version"],
        "a field is absent, breaks its rule, or is gone from a newer version",
    ),
    (&["unknown_type"], "another event type, and `UNKNOWN_EVENTS=quarantine`"),
    (
        &["conflict"],
        "the same subject, or the same event (id and time), came before with other content: such as another address, not only in another spelling",
    ),
    (
        &["mail_refused", "mail_not_composed"],
        "the server refuses this mail or recipient for good; no mail can be made of this event",
    ),
    (
        &["webhook_refused"],
        "the service that a webhook calls refuses this event for good, or redirects the call; `failure.detail` has the status",
    ),
    (
        &["deferred_too_long"],
        "\"not now\" for as long as `RETRY_FOR` says, or as long as the queue's receives and retention allow",
    ),
    (
        &["outcome_unknown"],
        "it is unknown whether the effect happened, and no further send, or no further receive, is allowed",
    ),
    (
        &["busy_too_long"],
        "on the last receive that the queue allows, another delivery worked on the same effect, and still did after a quarter of an hour",
    ),
    (
        &["unavailable"],
        "on the last receive something that every event needs was down, and still was after a quarter of an hour, or when its worker stopped",
    ),
    (
        &["lease_lost"],
        "on the last receive the message was taken away from its worker, and the record does not say that the effect happened",
    ),
    (
        &["not_begun"],
        "on the last receive it was not begun: its worker was told to stop, or an earlier message of its FIFO group was still to come",
    ),
    (
        &["record_broken"],
        "somebody else has written to the record or profile: another type of key, or a field that nobody can read; `failure.detail` says which. `idem get` shows it, `idem forget --force` deletes it, then redrive",
    ),
    (
        &["kills_its_worker"],
        "five deliveries of this message claimed it and never ended, while Redis was there: out of memory, or a crash; find the cause before you redrive it",
    ),
    (
        &["attempts_exhausted"],
        "its handler failed `MAX_ATTEMPTS` times, or on the last receive that the queue allows; `failure.history` says how and when",
    ),
];

/// Shown for letters that the queue's own redrive policy moved: they have no reason.
pub(crate) const UNKNOWN: &str = "unknown";

/// What a reason means. `None`: it is not of ours.
pub(crate) fn meaning(reason: &str) -> Option<&'static str> {
    if reason == UNKNOWN {
        return Some("no worker wrote why: the queue's own redrive policy moved it, after `maxReceiveCount` receives");
    }
    REASONS.iter().find(|(codes, _)| codes.contains(&reason)).map(|(_, meaning)| *meaning)
}

/// Each reason that `--reason` may name.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    REASONS.iter().flat_map(|(codes, _)| codes.iter().copied()).chain([UNKNOWN])
}
