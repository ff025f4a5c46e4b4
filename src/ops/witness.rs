//! Who does a deed at the terminal, and where it is told.
//!
//! Enters: `--as`, or `USER`; `REDIS_URL`, if it is set. Leaves: the deed, in the log and in Redis. Promises: nothing of
//! the terminal in [`crate::audit`], and nothing of Redis in the commands.

use secrecy::SecretString;

use super::{Context, Exit, linked};
use crate::audit::{Audit, Deed, called};
use crate::cli::By;
use crate::config::{self, SettingsReader};
use engine::redis_link::RedisLink;

/// Whoever calls themselves nothing.
const NOBODY: &str = "nobody";

/// Where deeds are told, as a command reads it.
pub(super) type Place = (Option<SecretString>, String);

/// Who does it, and where it is told.
pub(super) struct Witness {
    who: String,
    audit: Audit,
}

/// The name of whoever does it: the one they gave, else that of the shell.
pub(super) fn who(context: &Context<'_>, given: &By) -> String {
    let own = || context.environment.get("USER").cloned().filter(|name| !name.trim().is_empty());
    let who = given.name.clone().or_else(own).unwrap_or_else(|| NOBODY.to_owned());
    called(&who).to_owned()
}

/// Reads where deeds are told.
pub(super) fn place(read: &mut SettingsReader<'_>) -> Place {
    (config::redis_if_set(read), config::redis_prefix(read))
}

impl Witness {
    /// Tells it where the command reads.
    pub(super) fn at(who: String, (url, prefix): &Place) -> Result<Self, Exit> {
        let link = url.as_ref().map(|url| linked(url, prefix)).transpose()?;
        Ok(Self::of(who, link))
    }

    /// Tells it behind a link that there is.
    pub(super) fn of(who: String, link: Option<RedisLink>) -> Self {
        Self { who, audit: Audit::new(link) }
    }

    /// A deed of now, of this person.
    pub(super) fn deed(&self, what: &str, reaction: &str) -> Deed {
        Deed::new(&self.who, what, reaction)
    }

    pub(super) async fn say(&self, deed: &Deed) {
        self.audit.say(deed).await;
    }
}
