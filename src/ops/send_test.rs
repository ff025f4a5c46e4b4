//! `send-test`: sends one real welcome mail through the configured server, and reports each step.
//!
//! Enters: an address, from the environment or standard input, never from argv. Leaves: what the server said at each
//! step. Touches no record, so a user with that address still gets a welcome mail later.

use serde_json::json;

use super::{CommandResult, Context, Exit, apart, complain, configured, fail_with, say};
use crate::config;
use crate::events::{EmailAddress, UserSignedUp, WithFields};
use crate::handlers::welcome_email::WelcomeEmail;
use crate::mail::smtp::{SmtpMailer, SmtpStep, StepResult};
use crate::plain;
use engine::event::{EventId, InvalidValue, Published};
use engine::handler::Handler;

pub(super) async fn send_test(context: &Context<'_>, from_stdin: bool, as_json: bool) -> CommandResult {
    let (mail, to) = configured(context, |read| config::send_test(read, from_stdin))?;
    let read = match to {
        Some(to) => Ok(to),
        None => apart(standard_input).await.unwrap_or(Err(UNREAD)),
    };
    let to = read.map_err(|InvalidValue(rule)| fail_with(Exit::Usage)(format_args!("standard input {rule}")))?;
    if mail.composer.redirects() && !as_json {
        say("MAIL_REDIRECT_TO is set: the mail goes there, whatever address was given.");
    }
    // A new user each time, for a new Message-ID: mail clients show two mails of one Message-ID as one.
    let Ok(user) = format!("send-test-{}", EventId::fresh()).parse() else { return Err(Exit::Bug) };
    let event = UserSignedUp::new(user, to, None);
    let json = event.to_json();
    let composed = mail.composer.welcome(WelcomeEmail::<SmtpMailer>::NAME, &WithFields::new(event, json));
    let composed = composed.map_err(fail_with(Exit::Config))?;
    let mut steps = Vec::new();
    let tell = |step: SmtpStep, result: StepResult| {
        let (word, detail) = match result {
            StepResult::Passed(said) => ("ok", said),
            StepResult::Skipped(why) => ("-", why.to_owned()),
            StepResult::Failed(why) => ("FAILED", why),
        };
        if as_json {
            steps.push(json!({ "step": step.word(), "result": word, "detail": detail }));
        } else {
            say(format_args!("{:<8} {word:<7} {}", step.word(), plain::line(&detail)).to_string().trim_end());
        }
    };
    let sent = SmtpMailer::new(mail.server, mail.rate).trial(&composed, tell).await;
    if as_json {
        say(json!({ "sent": sent, "messageId": composed.message_id, "steps": steps }));
    } else if sent {
        say(format_args!("\nThe server took the mail. Message-ID: {}", composed.message_id));
    } else {
        complain("the mail was not sent");
    }
    Ok(if sent { Exit::Clean } else { Exit::Unavailable })
}

const UNREAD: InvalidValue = InvalidValue("cannot be read");

fn standard_input() -> Result<EmailAddress, InvalidValue> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|_| UNREAD)?;
    line.trim().parse()
}
