//! What the demo publishes, and the expected results.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::counts::DemoCounts;
use super::system::DemoResults;
use engine::topic::Entry;

/// One row of the demo's table. Its users are named `<prefix>`, or `<prefix>-0`, `<prefix>-1` and so on. `-`: no user.
pub(super) struct Scene {
    pub title: &'static str,
    pub prefix: &'static str,
    pub entries: fn(&str) -> Vec<Entry>,
    pub expected: DemoCounts,
    /// Why this is the right result. Only `demo --slow` prints it.
    pub because: &'static str,
}

const NOTHING: DemoCounts =
    DemoCounts { mails: 0, profiles: 0, calls: 0, plan: None, dead_letters: 0, reason: "", ignored: 0 };
const ONE_OF_EACH: DemoCounts = DemoCounts { mails: 1, profiles: 1, calls: 1, ..NOTHING };

/// The demo's rows, in the order they are published.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        title: "20 users sign up",
        prefix: "new",
        entries: |prefix| (0..20).map(|n| version_2(&format!("{prefix}-{n}"), "free")).collect(),
        expected: DemoCounts { mails: 20, profiles: 20, calls: 20, ..NOTHING },
        because: "the topic copied each event to each queue; each reaction did its own part",
    },
    Scene {
        title: "one event, 3 times",
        prefix: "thrice",
        entries: |prefix| vec![version_2(prefix, "free"); 3],
        expected: ONE_OF_EACH,
        because: "the record of the effect was there: the copies were deleted, not done",
    },
    Scene {
        title: "version 1, without id",
        prefix: "first",
        entries: |prefix| vec![entry(json!({ "userId": prefix, "timestamp": "2026-01-02T03:04:05Z" }))],
        expected: ONE_OF_EACH,
        because: "what is absent has a stand-in: SNS's message id, no plan",
    },
    Scene {
        title: "version 3, unknown",
        prefix: "newer",
        entries: |prefix| vec![entry(json!({ "userId": prefix, "version": 3, "plan": "pro", "shoe": { "size": 43 } }))],
        expected: DemoCounts { plan: Some("pro"), ..ONE_OF_EACH },
        because: "what we know of it is still there, so it is handled as the newest we know",
    },
    Scene {
        title: "newer, then the older",
        prefix: "order",
        entries: |prefix| {
            let at = |plan: &str, timestamp: &str| {
                entry(json!({ "userId": prefix, "version": "2", "plan": plan, "timestamp": timestamp }))
            };
            vec![at("pro", "2026-01-02T00:00:02Z"), at("free", "2026-01-02T00:00:01Z")]
        },
        expected: DemoCounts { plan: Some("pro"), calls: 2, ..ONE_OF_EACH },
        because: "the profile keeps what the newer event said, whichever comes last; the webhook calls for each event",
    },
    Scene {
        title: "mail server: not now",
        prefix: "later",
        entries: |prefix| vec![version_2(prefix, "free")],
        expected: ONE_OF_EACH,
        because: "that mail was tried again later, and sent once",
    },
    Scene {
        title: "mail server down, 1 s",
        prefix: "down",
        entries: |prefix| (0..5).map(|n| version_2(&format!("{prefix}-{n}"), "free")).collect(),
        expected: DemoCounts { mails: 5, profiles: 5, calls: 5, ..NOTHING },
        because: "the email queue paused and asked until it was back; the others went on",
    },
    Scene {
        title: "a text, not an event",
        prefix: "-",
        entries: |_| vec![Entry { message: "hello".to_owned(), attributes: BTreeMap::new() }],
        expected: DemoCounts { dead_letters: 3, reason: "not_an_event", ..NOTHING },
        because: "it can never succeed: put aside at once, once in each queue, with its reason",
    },
    Scene {
        title: "event without address",
        prefix: "nobody",
        entries: |prefix| vec![message(&json!({ "type": "user.signed_up", "userId": prefix }))],
        expected: DemoCounts { calls: 1, dead_letters: 2, reason: "missing_field", ..NOTHING },
        because: "put aside in the same way where it is needed; a webhook passes on what was published",
    },
    Scene {
        title: "another team's event",
        prefix: "-",
        entries: |_| vec![message(&json!({ "type": "order.placed", "orderId": 7 }))],
        expected: DemoCounts { ignored: 3, ..NOTHING },
        because: "not ours: deleted without a fuss (UNKNOWN_EVENTS=quarantine would keep it)",
    },
];

impl Scene {
    /// What really happened, to compare with `expected`. The plan, dead letters and ignored events are filled in only
    /// as far as this scene expects them: other scenes have theirs in the same `results`.
    pub(super) fn result(&self, results: &DemoResults) -> DemoCounts {
        let expected = &self.expected;
        let plan = expected.plan.filter(|plan| results.plan(self.prefix).as_deref() == Some(plan));
        let reason = expected.reason;
        let dead_letters = results.reasons.get(reason).copied().unwrap_or(0);
        let ignored = if expected.ignored > 0 { results.ignored } else { 0 };
        let (mails, profiles) = (results.mails(self.prefix), results.profiles(self.prefix));
        let calls = results.calls(self.prefix);
        DemoCounts { mails, profiles, calls, plan, dead_letters, reason, ignored }
    }
}

fn version_2(user: &str, plan: &str) -> Entry {
    // The event id depends on the user alone: a second event of the same user is a copy of the first.
    entry(
        json!({ "userId": user, "version": "2", "plan": plan, "eventId": format!("signed-up-{user}"), "timestamp": "2026-01-02T03:04:05Z" }),
    )
}

/// A `user.signed_up` event with these fields; its email address is made from `userId`.
fn entry(mut fields: Value) -> Entry {
    let email = format!("{}@example.com", fields["userId"].as_str().unwrap_or_default());
    fields["type"] = "user.signed_up".into();
    fields["email"] = email.into();
    message(&fields)
}

fn message(fields: &Value) -> Entry {
    Entry { message: fields.to_string(), attributes: BTreeMap::new() }
}
