//! `publish`: events from the command line, a file or standard input, to the topic.
//!
//! All are validated, and have their ids, before the first is sent. Never silent about one that was not
//! published: the exit code says so, and `--json` says which.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::table::counted;
use super::{Exit, apart, complain, deaf, misconfigured, observed, say};
use crate::app::{self, REACTIONS};
use crate::cli;
use crate::config::{self, Environment};
use crate::event::{Arrival, EventId, EventKind, InvalidValue, Timestamp, UserSignedUp};
use crate::plain;
use crate::publisher::{PublishError, Publisher};
use crate::shutdown;
use crate::topic::sns::SnsTopic;
use crate::topic::{MAX_ENTRIES, MessageId};

/// On a long run, a line on standard error so often.
const PROGRESS: usize = 1_000;

/// Why the events asked for cannot be published at all.
struct Invalid(String);

pub(super) async fn publish(environment: &Environment, what: cli::Publish) -> Exit {
    let read = |read: &mut config::Reader<'_>| {
        let aws = config::aws(read);
        Some((config::publish(read)?, aws))
    };
    let ((arn, aws), telemetry) = match observed(environment, REACTIONS, read) {
        Ok(started) => started,
        Err(exit) => return exit,
    };
    let Ok(stop) = shutdown::on_interrupt() else { return deaf() };
    // Nothing is sent yet.
    let begun = stop.run_until_cancelled(async {
        let events = events(&what).await.map_err(|Invalid(problem)| {
            complain(problem);
            Exit::Usage
        })?;
        Ok((events, app::aws(&aws).await.map_err(misconfigured)?))
    });
    let (events, aws) = match begun.await {
        Some(Ok(begun)) => begun,
        Some(Err(exit)) => return exit,
        None => return Exit::Interrupted,
    };
    let name = arn.rsplit(':').next().unwrap_or(&arn);
    let publisher = Publisher::new(SnsTopic::new(&aws, arn.clone())).observed(telemetry.topic(name));
    let mut results = Vec::with_capacity(events.len());
    let started = Instant::now();
    let chunk = what.rate.map_or(MAX_ENTRIES, |rate| MAX_ENTRIES.min(rate as usize));
    for batch in events.chunks(chunk) {
        if let Some(rate) = what.rate {
            let due = started + Duration::from_secs(1).mul_f64(results.len() as f64 / f64::from(rate));
            tokio::select! {
                () = sleep_until(due) => {}
                () = stop.cancelled() => {}
            }
        }
        if stop.is_cancelled() {
            break;
        }
        results.extend(publisher.publish_batch(batch).await);
        if results.len().is_multiple_of(PROGRESS) {
            complain(format_args!("{} of {} events", results.len(), events.len()));
        }
    }
    telemetry.stop().await;
    let exit = report(&events, &results, what.json);
    if results.len() == events.len() {
        return exit;
    }
    complain(format_args!("{} events were not sent", events.len() - results.len()));
    Exit::Interrupted
}

async fn events(what: &cli::Publish) -> Result<Vec<UserSignedUp>, Invalid> {
    match (&what.user_id, &what.email, &what.file) {
        (Some(user_id), Some(email), _) => from_arguments(what, user_id, email),
        (_, _, Some(path)) => from_lines(&typed(Some(path.clone())).await?),
        _ if what.stdin => from_lines(&typed(None).await?),
        _ => Err(Invalid("say what to publish: --user-id and --email, --file, or --stdin (see --help)".to_owned())),
    }
}

/// The whole of a file, or of standard input, which may be a person.
async fn typed(file: Option<PathBuf>) -> Result<String, Invalid> {
    let named = file.as_deref().map_or("standard input".to_owned(), |path| path.display().to_string());
    let read = apart(move || match file {
        Some(path) => std::fs::read_to_string(path),
        None => std::io::read_to_string(std::io::stdin()),
    });
    let read = read.await.unwrap_or_else(|| Err(std::io::ErrorKind::Interrupted.into()));
    read.map_err(|error| Invalid(format!("{named}: {}", plain::said(&error))))
}

fn from_arguments(what: &cli::Publish, user_id: &str, email: &str) -> Result<Vec<UserSignedUp>, Invalid> {
    let named = |name: &'static str| move |InvalidValue(rule)| Invalid(format!("{name} {rule}"));
    let email = email.parse().map_err(named("--email"))?;
    let plan = what.plan.as_deref().map(str::parse).transpose().map_err(named("--plan"))?;
    let event = |n: u32| {
        let id = if what.count == 1 { user_id.to_owned() } else { format!("{user_id}-{n}") };
        let email: &crate::event::EmailAddress = &email;
        Ok(UserSignedUp::new(id.parse().map_err(named("--user-id"))?, email.clone(), plan.clone()))
    };
    (1..=what.count).map(event).collect()
}

/// Every faulty line is named, and nothing is sent.
fn from_lines(text: &str) -> Result<Vec<UserSignedUp>, Invalid> {
    let mut events = Vec::new();
    let mut faults = Vec::new();
    // What some editors write before the first letter.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let id = EventId::fresh();
        match EventKind::to_be_published(line, &Arrival { message_id: id.as_str(), sent_at: Timestamp::now() }) {
            Ok(EventKind::UserSignedUp(event)) => events.push(event),
            Ok(EventKind::Unknown(_)) => faults.push(format!("line {}: not a user.signed_up event", n + 1)),
            Err(error) => faults.push(format!("line {}: {}", n + 1, plain::line(&error.to_string()))),
        }
    }
    match faults.is_empty() {
        true if events.is_empty() => Err(Invalid("no event to publish".to_owned())),
        true => Ok(events),
        false => Err(Invalid(faults.join("\n"))),
    }
}

fn report(events: &[UserSignedUp], results: &[Result<MessageId, PublishError>], as_json: bool) -> Exit {
    let published = results.iter().filter(|result| result.is_ok()).count();
    let pairs = || events.iter().zip(results);
    if as_json {
        let line = |(event, result): (&UserSignedUp, &Result<MessageId, PublishError>)| match result {
            Ok(id) => json!({ "eventId": event.event_id.as_str(), "messageId": id.0 }),
            Err(error) => json!({ "eventId": event.event_id.as_str(), "error": error.to_string() }),
        };
        let lines: Vec<_> = pairs().map(line).collect();
        say(json!({ "published": published, "failed": results.len() - published, "events": lines }));
    } else if let (&[Ok(MessageId(id))], [event]) =
        (&results.iter().map(Result::as_ref).collect::<Vec<_>>()[..], events)
    {
        say(format_args!("published event {} as message {id}", event.event_id));
    } else {
        say(format_args!("published {published} of {}", counted(events.len() as u64, "event")));
    }
    for (event, result) in pairs().filter(|(_, result)| result.is_err()).take(10) {
        if let Err(error) = result {
            complain(format_args!("event {}: {}", event.event_id, plain::line(&error.to_string())));
        }
    }
    if published == results.len() { Exit::Clean } else { Exit::Unavailable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_begins_with_a_byte_order_mark_is_read() {
        let line = r#"{"type":"user.signed_up","userId":"u","email":"u@example.com"}"#;
        let events = from_lines(&format!("\u{feff}{line}\r\n{line}\n")).map_err(|Invalid(problem)| problem);
        assert_eq!(events.map(|events| events.len()), Ok(2));
    }
}
