//! `render`: shows the welcome mail as it would go out.
//!
//! Enters: the values of an event. Leaves: the mail on standard output, or in a file that a browser or mail client
//! opens. Needs no configuration; sends nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::terminal::document;
use super::{CommandResult, Context, Exit, apart, complain, configured, fail_with, say};
use crate::cli::Render;
use crate::config;
use crate::events::UserSignedUp;
use crate::handlers::welcome_email::WelcomeEmail;
use crate::mail::smtp::SmtpMailer;
use crate::mail::{ComposeError, Composer, Sender};
use crate::plain;
use engine::event::{EventId, InvalidValue};
use engine::handler::Handler;

/// The sender while `MAIL_FROM` is unset.
const NOBODY: &str = "Example <welcome@example.com>";
/// How long to wait for the opener's exit status. A longer run is a success: the opener is the viewer itself.
const HAND_OVER: Duration = Duration::from_secs(3);

pub(super) async fn render(context: &Context<'_>, what: &Render) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let folder = read.parsed("TMPDIR", |folder| Ok(folder.to_owned()));
        Some((config::sender(read), folder.unwrap_or_else(|| "/tmp".to_owned())))
    };
    let (sender, folder) = configured(context, read)?;
    let event = event(what).map_err(fail_with(Exit::Usage))?;
    let sender = sender.or_else(nobody).ok_or(Exit::Bug)?;
    let (text, suffix) = compose(sender, &event, what).map_err(fail_with(Exit::Bug))?;
    if !what.open {
        document(&text);
        return Ok(Exit::Clean);
    }
    let path = Path::new(&folder).join(format!("user-events-{}.{suffix}", EventId::fresh()));
    if let Err(error) = write(&path, &text) {
        complain(format_args!("{} cannot be written: {}", path.display(), plain::said(&error)));
        return Err(Exit::Write);
    }
    let shown = path.clone();
    let opened = apart(move || open(&shown)).await == Some(true);
    let word = if opened { "opened" } else { "nothing here opens it; it is in" };
    say(format_args!("{word} {}", path.display()));
    Ok(Exit::Clean)
}

fn event(what: &Render) -> Result<UserSignedUp, String> {
    let named = |name: &'static str| move |InvalidValue(rule)| format!("{name} {rule}");
    let plan = match (what.version, what.plan.as_deref()) {
        (1, None) => None,
        (1, Some(_)) => return Err("--plan: version 1 of the event has no plan".to_owned()),
        (_, plan) => Some(plan.unwrap_or("pro").parse().map_err(named("--plan"))?),
    };
    let (user, email) = (what.user_id.parse(), what.email.parse());
    let mut event = UserSignedUp::new(user.map_err(named("--user-id"))?, email.map_err(named("--email"))?, plan);
    event.head.version = what.version;
    Ok(event)
}

fn nobody() -> Option<Sender> {
    complain(format_args!("MAIL_FROM is unset: shown as from {NOBODY}"));
    Some(Sender { from: NOBODY.parse().ok()?, reply_to: None, redirect_to: None })
}

/// The text in the wanted form, and the file name's ending for it.
fn compose(sender: Sender, event: &UserSignedUp, what: &Render) -> Result<(String, &'static str), ComposeError> {
    let from = sender.from.to_string();
    let composer = Composer::new(sender)?;
    let bodies = composer.bodies(event)?;
    let mail = composer.welcome(WelcomeEmail::<SmtpMailer>::NAME, event)?;
    Ok(match what {
        Render { eml: true, .. } => (String::from_utf8_lossy(&mail.message).into_owned(), "eml"),
        Render { text: true, .. } => (bodies.text, "txt"),
        Render { html: true, .. } | Render { open: true, .. } => (bodies.html, "html"),
        _ => {
            let subject = Composer::SUBJECT;
            (format!("From:    {from}\nTo:      {}\nSubject: {subject}\n\n{}", mail.to, bodies.text), "txt")
        }
    })
}

/// Writes a new file that only its owner can read: it holds an address.
fn write(path: &PathBuf, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn open(path: &Path) -> bool {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = Stdio::null;
    let Ok(mut child) = Command::new(opener).arg(path).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn() else {
        return false;
    };
    let started = Instant::now();
    while started.elapsed() < HAND_OVER {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => return false,
        }
    }
    true
}
