//! How mail goes out, and what it says.
//!
//! Enters: variables, and the folder that `MAIL_TEMPLATES` names. Leaves: [`MailConfig`], or every mistake: a fault of a
//! template is one of `MAIL_TEMPLATES`, with its file and line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;

use super::reader::SettingsReader;
use crate::events::{UserSignedUp, WithFields, a_labels};
use crate::mail::smtp::{SmtpSettings, helo_name};
use crate::mail::{Composer, LOCALE_FIELD, Sender, Templates, Wording, parse_headers};
use crate::plain;
use engine::event::{Arrival, Event, Opened, Timestamp, read as read_event};

/// The sender while `MAIL_FROM` is unset.
pub(crate) const NOBODY: &str = "Example <welcome@example.com>";

/// How mail goes out.
#[derive(Debug)]
pub struct MailConfig {
    /// The server.
    pub server: SmtpSettings,
    /// The most mails a second. `None`: no limit.
    pub rate: Option<u32>,
    /// What the mails say, and who they are from.
    pub composer: Composer,
}

pub(super) fn mail_config(read: &mut SettingsReader<'_>) -> Option<MailConfig> {
    let plain = read.parsed("SMTP_ALLOW_PLAINTEXT", super::boolean);
    let server = read.secret("SMTP_URL", |url| SmtpSettings::parse(url, plain.unwrap_or(false)));
    if server.is_none() {
        read.missing("SMTP_URL", "the email reaction sends mail");
    }
    let from = sender(read);
    if from.is_none() {
        read.missing("MAIL_FROM", "the email reaction sends mail");
    }
    // Also without a sender: then the templates' faults are reported together with the missing sender.
    let composer = from.or_else(nobody).and_then(|sender| composer(read, sender));
    let rate = read.parsed("SMTP_RATE", |text| {
        text.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or("must be a whole number from 1 to 1000")
    });
    let longest_wait = read.duration("SMTP_REPLY_TIMEOUT", Duration::from_secs(1)..=SmtpSettings::LONGEST_WAIT);
    let helo = read.parsed("SMTP_HELO", helo_name);
    let server = server?.replies_within(longest_wait.unwrap_or(SmtpSettings::LONGEST_WAIT)).greeting_as(helo);
    Some(MailConfig { server, rate, composer: composer? })
}

/// Reads who the mails are from, and where they go in staging. `None` while `MAIL_FROM` is unset or wrong.
pub(crate) fn sender(read: &mut SettingsReader<'_>) -> Option<Sender> {
    let mailbox = |text: &str| {
        let mailbox = text.parse().ok().filter(|mailbox: &Mailbox| a_labels(mailbox.email.domain()).is_some());
        mailbox.ok_or("must be a mailbox like Name <name@example.com>")
    };
    let from = read.parsed("MAIL_FROM", mailbox);
    let reply_to = read.parsed("MAIL_REPLY_TO", mailbox);
    let redirect_to = read.parsed("MAIL_REDIRECT_TO", |text| text.parse().map_err(|_| "must be an address"));
    Some(Sender { from: from?, reply_to, redirect_to })
}

/// Reads what the mails of this sender say, and tries it: in every language, for each event of `MAIL_EXAMPLES`, else for one of
/// each version. `None`: there is a mistake.
pub(crate) fn composer(read: &mut SettingsReader<'_>, sender: Sender) -> Option<Composer> {
    let folder = read.parsed("MAIL_TEMPLATES", path);
    let examples = read.parsed("MAIL_EXAMPLES", path).and_then(|file| examples(read, &file));
    let locale_field = read.parsed("MAIL_LOCALE_FIELD", |text| Ok(text.to_owned()));
    let headers = read.parsed("MAIL_HEADERS", parse_headers);
    let (templates, mut faults) = match &folder {
        Some(folder) => Templates::read(folder),
        None => Templates::builtin().map_or_else(|faults| (None, faults), |templates| (Some(templates), Vec::new())),
    };
    let composer = templates.map(|templates| {
        let locale_field = locale_field.unwrap_or_else(|| LOCALE_FIELD.to_owned());
        let wording = Wording { locale_field, headers: headers.unwrap_or_default(), ..Wording::of(templates) };
        let composer = Composer::new(sender, wording);
        faults.extend(match &examples {
            Some(examples) => composer.check(examples, false),
            None if folder.is_some() => composer.check(&each_version(), true),
            // Those that ship are tried by a test.
            None => Vec::new(),
        });
        composer
    });
    faults.iter().for_each(|fault| read.mistake("MAIL_TEMPLATES", &fault.to_string()));
    composer.filter(|_| faults.is_empty())
}

/// The events that a look at the mails is for: those of `MAIL_EXAMPLES`, else one of each version.
pub(crate) fn mail_examples(read: &mut SettingsReader<'_>) -> Vec<WithFields<UserSignedUp>> {
    let own = read.parsed("MAIL_EXAMPLES", path).and_then(|file| examples(read, &file));
    own.unwrap_or_else(each_version)
}

/// For a look at a mail, or at what is wrong with it, where `MAIL_FROM` is not set.
#[must_use]
pub(crate) fn nobody() -> Option<Sender> {
    Some(Sender { from: NOBODY.parse().ok()?, reply_to: None, redirect_to: None })
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    Ok(PathBuf::from(text))
}

/// The events in a file, one a line. `None`: it has a mistake.
fn examples(read: &mut SettingsReader<'_>, file: &Path) -> Option<Vec<WithFields<UserSignedUp>>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            read.mistake("MAIL_EXAMPLES", &format!("cannot be read: {}", plain::said(&error)));
            return None;
        }
    };
    let mut events = Vec::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (n, line) in lines {
        match example(line) {
            Ok(event) => events.push(event),
            Err(problem) => {
                read.mistake("MAIL_EXAMPLES", &format!("line {}: {problem}", n + 1));
                return None;
            }
        }
    }
    if events.is_empty() {
        read.mistake("MAIL_EXAMPLES", "has no event");
    }
    Some(events).filter(|events| !events.is_empty())
}

/// The event that this text is.
///
/// # Errors
/// Why it is none: field and rule.
pub(crate) fn example(text: &str) -> Result<WithFields<UserSignedUp>, String> {
    match read_event::<WithFields<UserSignedUp>>(text, &Arrival::raw(Timestamp::now()), UserSignedUp::TYPES) {
        Ok(Opened::Ours(event)) => Ok(event),
        Ok(Opened::Foreign(_)) => Err(format!("its type must be {}", UserSignedUp::TYPES.join(" or "))),
        Err(error) => Err(error.to_string()),
    }
}

/// One event of each version, without fields of a team's own.
fn each_version() -> Vec<WithFields<UserSignedUp>> {
    let texts = [
        r#"{"type":"user.signed_up","userId":"123","email":"user@example.com"}"#,
        r#"{"type":"user.signed_up","version":2,"userId":"123","email":"user@example.com","plan":"pro"}"#,
    ];
    texts.into_iter().filter_map(|text| example(text).ok()).collect()
}
