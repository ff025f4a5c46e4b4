//! What came of the events: how many mails, profiles, calls of the webhook and dead letters.

use std::fmt;

/// The result of a scene, or the expected one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DemoCounts {
    pub mails: usize,
    pub profiles: usize,
    /// Of the webhook.
    pub calls: usize,
    pub plan: Option<&'static str>,
    pub dead_letters: usize,
    /// The reason in this scene's dead letters.
    pub reason: &'static str,
    pub ignored: usize,
}

impl DemoCounts {
    /// The difference between this and `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            mails: self.mails - before.mails,
            profiles: self.profiles - before.profiles,
            calls: self.calls - before.calls,
            dead_letters: self.dead_letters - before.dead_letters,
            ignored: self.ignored - before.ignored,
            ..Self::default()
        }
    }
}

impl fmt::Display for DemoCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut part = |n: usize, what: &str| {
            if n > 0 {
                parts.push(format!("{n} {what}"));
            }
        };
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        part(self.mails, &format!("mail{}", plural(self.mails)));
        part(self.profiles, &format!("profile{}", plural(self.profiles)));
        part(self.calls, &format!("call{}", plural(self.calls)));
        part(self.dead_letters, "dead");
        part(self.ignored, "ignored");
        let detail =
            if self.dead_letters > 0 { Some(self.reason).filter(|reason| !reason.is_empty()) } else { self.plan };
        let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        let all = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
        write!(f, "{all}{detail}")
    }
}
