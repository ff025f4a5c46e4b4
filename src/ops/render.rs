//! `render`: shows the welcome mail as it would go out.
//!
//! Enters: the values of an event. Leaves: the mail on standard output, or in a file that a browser or mail client
//! opens. Needs no configuration; sends nothing.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::terminal::document;
use super::{CommandResult, Context, Exit, apart, complain, configured, fail_with, say};
use crate::cli::Render;
use crate::config;
use crate::events::{UserSignedUp, WithFields};
use crate::handlers::welcome_email::WelcomeEmail;
use crate::mail::smtp::SmtpMailer;
use crate::mail::{BUILTIN, ComposeError, Composer};
use crate::plain;
use engine::event::{EventId, InvalidValue, Published};
use engine::handler::Handler;

/// How long to wait for the opener's exit status. A longer run is a success: the opener is the viewer itself.
const HAND_OVER: Duration = Duration::from_secs(3);

pub(super) async fn render(context: &Context<'_>, what: &Render) -> CommandResult {
    if let Some(folder) = &what.export {
        return export(folder);
    }
    let read = |read: &mut config::SettingsReader<'_>| {
        let folder = read.parsed("TMPDIR", |folder| Ok(folder.to_owned()));
        let sender = config::sender(read);
        let is_named = sender.is_some();
        let sender = sender.or_else(config::nobody)?;
        let from = sender.from.to_string();
        Some((config::composer(read, sender)?, is_named, from, folder.unwrap_or_else(|| "/tmp".to_owned())))
    };
    let (composer, is_named, from, folder) = configured(context, read)?;
    if !is_named {
        complain(format_args!("MAIL_FROM is unset: shown as from {}", config::NOBODY));
    }
    let event = event(what).map_err(fail_with(Exit::Usage))?;
    let composer = what.locale.as_ref().map_or(composer.clone(), |tag| composer.in_language(tag));
    let (text, suffix) = compose(&composer, &from, &event, what).map_err(fail_with(Exit::Config))?;
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

fn event(what: &Render) -> Result<WithFields<UserSignedUp>, String> {
    if let Some(file) = &what.event {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("{} cannot be read: {}", file.display(), plain::said(&error)))?;
        return config::example(&text).map_err(|problem| format!("{}: {problem}", file.display()));
    }
    let named = |name: &'static str| move |InvalidValue(rule)| format!("{name} {rule}");
    let plan = match (what.version, what.plan.as_deref()) {
        (1, None) => None,
        (1, Some(_)) => return Err("--plan: version 1 of the event has no plan".to_owned()),
        (_, plan) => Some(plan.unwrap_or("pro").parse().map_err(named("--plan"))?),
    };
    let (user, email) = (what.user_id.parse(), what.email.parse());
    let mut event = UserSignedUp::new(user.map_err(named("--user-id"))?, email.map_err(named("--email"))?, plan);
    event.head.version = what.version;
    let json = event.to_json();
    Ok(WithFields::new(event, json))
}

/// The text in the wanted form, and the file name's ending for it.
fn compose(
    composer: &Composer,
    from: &str,
    event: &WithFields<UserSignedUp>,
    what: &Render,
) -> Result<(String, &'static str), ComposeError> {
    let bodies = composer.bodies(event)?;
    let mail = composer.welcome(WelcomeEmail::<SmtpMailer>::NAME, event)?;
    Ok(match (what, bodies.html) {
        (Render { eml: true, .. }, _) => (String::from_utf8_lossy(&mail.message.file()).into_owned(), "eml"),
        (Render { html: true, .. } | Render { open: true, text: false, .. }, Some(html)) => (html, "html"),
        (Render { text: true, .. } | Render { html: true, .. } | Render { open: true, .. }, _) => (bodies.text, "txt"),
        _ => {
            let subject = bodies.subject;
            (format!("From:    {from}\nTo:      {}\nSubject: {subject}\n\n{}", mail.to, bodies.text), "txt")
        }
    })
}

/// Writes the built-in templates, and replaces no file.
fn export(folder: &Path) -> CommandResult {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| {
            match error.kind() {
                ErrorKind::AlreadyExists => complain(format_args!("{path} is there already: name a new folder")),
                _ => complain(format_args!("{path} cannot be written: {}", plain::said(&error))),
            }
            Exit::Write
        }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    for (name, bytes) in BUILTIN {
        let path = folder.join(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(bytes)).map_err(failed(&path))?;
        say(path.display().to_string());
    }
    Ok(Exit::Clean)
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
