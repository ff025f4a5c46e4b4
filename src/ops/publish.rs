//! `publish`: events from the command line, a file or standard input, to the topic.
//!
//! Before the first event is sent, all are validated and have their ids. An event of a type that is known here must
//! keep that type's rules. The text of an event is sent as it was written. If an event was not published, the exit
//! code says so, and `--json` says which.

use std::path::PathBuf;

use serde_json::json;
use tokio::time::Instant;

use super::table::counted;
use super::witness::{self, Witness, who};
use super::{CommandResult, Context, Exit, apart, complain, fail_with, heard, observed, say};
use crate::app;
use crate::by_hand::event as draft;
use crate::cli;
use crate::config;
use crate::events::UserSignedUp;
use crate::plain;
use crate::rate::until_due;
use crate::reactions::{EventType, Reactions};
use crate::shutdown;
use engine::event::{AnyEvent, Event, InvalidValue, Published};
use engine::publisher::{PublishError, Publisher};
use engine::topic::sns::SnsTopic;
use engine::topic::{MAX_ENTRIES, MessageId};

/// A progress line on standard error after this many events.
const PROGRESS: usize = 1_000;

/// Why none of the events can be published.
struct Invalid(String);

pub(super) async fn publish(context: &Context<'_>, what: cli::Publish) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let (aws, place) = (config::aws(read), witness::place(read));
        Some((config::publish(read)?, aws, place))
    };
    let ((arn, aws, place), telemetry) = observed(context, read)?;
    let who = who(context, &what.by);
    let witness = Witness::at(who.clone(), &place)?;
    let stop = heard(shutdown::on_interrupt())?;
    // This part may be cancelled at any point: nothing is sent yet.
    let begun = stop.run_until_cancelled(async {
        let events = events(&what, &context.reactions).await;
        let events = events.map_err(|Invalid(problem)| fail_with(Exit::Usage)(problem))?;
        Ok((events, app::aws(&aws).await.map_err(fail_with(Exit::Config))?))
    });
    let (events, aws) = begun.await.ok_or(Exit::Interrupted)??;
    let name = arn.rsplit(':').next().unwrap_or(&arn);
    let publisher = Publisher::new(SnsTopic::new(&aws, arn.clone())).observed(telemetry.topic(name));
    let mut results = Vec::with_capacity(events.len());
    let started = Instant::now();
    let chunk = what.rate.map_or(MAX_ENTRIES, |rate| MAX_ENTRIES.min(rate as usize));
    for batch in events.chunks(chunk) {
        if let Some(rate) = what.rate {
            until_due(rate, started, results.len() as u64, &stop).await;
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
    witness.say(&draft::published(&who, name, &events, &results)).await;
    let exit = report(&events, &results, what.json);
    if results.len() == events.len() {
        return Ok(exit);
    }
    complain(format_args!("{} events were not sent", events.len() - results.len()));
    Err(Exit::Interrupted)
}

async fn events(what: &cli::Publish, reactions: &Reactions) -> Result<Vec<AnyEvent>, Invalid> {
    let known = draft::known(reactions);
    match (&what.user_id, &what.email, &what.file) {
        (Some(user_id), Some(email), _) => from_arguments(what, user_id, email),
        (_, _, Some(path)) => from_lines(&typed(Some(path.clone())).await?, &known),
        _ if what.stdin => from_lines(&typed(None).await?, &known),
        _ => match (&what.kind, &what.data) {
            (Some(kind), Some(data)) => several(what.count, || from_data(kind, data, &known)),
            _ => Err(Invalid(
                "say what to publish: --user-id and --email, --type and --data, --file, or --stdin (see --help)"
                    .to_owned(),
            )),
        },
    }
}

/// The whole text of a file or of standard input. A person may be typing there, so it is read by [`apart`].
async fn typed(file: Option<PathBuf>) -> Result<String, Invalid> {
    let named = file.as_deref().map_or("standard input".to_owned(), |path| path.display().to_string());
    let read = apart(move || match file {
        Some(path) => std::fs::read_to_string(path),
        None => std::io::read_to_string(std::io::stdin()),
    });
    let read = read.await.unwrap_or_else(|| Err(std::io::ErrorKind::Interrupted.into()));
    read.map_err(|error| Invalid(format!("{named}: {}", plain::said(&error))))
}

fn from_arguments(what: &cli::Publish, user_id: &str, email: &str) -> Result<Vec<AnyEvent>, Invalid> {
    let named = |name: &'static str| move |InvalidValue(rule)| Invalid(format!("{name} {rule}"));
    let email = email.parse().map_err(named("--email"))?;
    let plan = what.plan.as_deref().map(str::parse).transpose().map_err(named("--plan"))?;
    let event = |n: u32| {
        let id = if what.count == 1 { user_id.to_owned() } else { format!("{user_id}-{n}") };
        let email: &crate::events::EmailAddress = &email;
        let event = UserSignedUp::new(id.parse().map_err(named("--user-id"))?, email.clone(), plan.clone());
        AnyEvent::to_be_published(&event.to_json()).map_err(|error| Invalid(error.to_string()))
    };
    (1..=what.count).map(event).collect()
}

/// `count` events with the same fields, each with its own id.
fn several(count: u32, event: impl Fn() -> Result<AnyEvent, Invalid>) -> Result<Vec<AnyEvent>, Invalid> {
    let events: Vec<_> = (0..count).map(|_| event()).collect::<Result<_, _>>()?;
    match events.as_slice() {
        [first, second, ..] if first.head().id == second.head().id => {
            Err(Invalid("--data: has an eventId, and --count would make so many copies of one event".to_owned()))
        }
        _ => Ok(events),
    }
}

fn from_data(kind: &str, data: &str, known: &[EventType]) -> Result<AnyEvent, Invalid> {
    let event = draft::of_type(kind, data, known);
    event.map_err(|error| Invalid(format!("--data: {}", plain::line(&error.to_string()))))
}

/// The events of a text, one a line. If lines are faulty, the error names all of them.
fn from_lines(text: &str, known: &[EventType]) -> Result<Vec<AnyEvent>, Invalid> {
    let mut events = Vec::new();
    let mut faults = Vec::new();
    // Some editors write a byte order mark at the beginning.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match draft::whole(line, known) {
            Ok(event) => events.push(event),
            Err(error) => faults.push(format!("line {}: {}", n + 1, plain::line(&error.to_string()))),
        }
    }
    match faults.is_empty() {
        true if events.is_empty() => Err(Invalid("no event to publish".to_owned())),
        true => Ok(events),
        false => Err(Invalid(faults.join("\n"))),
    }
}

fn report(events: &[AnyEvent], results: &[Result<MessageId, PublishError>], as_json: bool) -> Exit {
    let published = results.iter().filter(|result| result.is_ok()).count();
    let pairs = || events.iter().zip(results);
    if as_json {
        let line = |(event, result): (&AnyEvent, &Result<MessageId, PublishError>)| match result {
            Ok(id) => json!({ "eventId": event.head().id.as_str(), "messageId": id.0 }),
            Err(error) => json!({ "eventId": event.head().id.as_str(), "error": error.to_string() }),
        };
        let lines: Vec<_> = pairs().map(line).collect();
        say(json!({ "published": published, "failed": results.len() - published, "events": lines }));
    } else if let (&[Ok(MessageId(id))], [event]) =
        (&results.iter().map(Result::as_ref).collect::<Vec<_>>()[..], events)
    {
        say(format_args!("published event {} as message {id}", event.head().id));
    } else {
        say(format_args!("published {published} of {}", counted(events.len() as u64, "event")));
    }
    for (event, result) in pairs().filter(|(_, result)| result.is_err()).take(10) {
        if let Err(error) = result {
            complain(format_args!("event {}: {}", event.head().id, plain::line(&error.to_string())));
        }
    }
    if published == results.len() { Exit::Clean } else { Exit::Unavailable }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"type":"user.signed_up","userId":"u","email":"u@example.com","eventId":"e-1"}"#;

    fn lines(text: &str) -> Result<Vec<AnyEvent>, String> {
        from_lines(text, &[EventType::of::<UserSignedUp>()]).map_err(|Invalid(problem)| problem)
    }

    #[test]
    fn a_file_that_begins_with_a_byte_order_mark_is_read() {
        assert_eq!(lines(&format!("\u{feff}{LINE}\r\n{LINE}\n")).map(|events| events.len()), Ok(2));
    }

    #[test]
    fn a_line_goes_out_as_it_was_written_and_one_without_an_id_is_given_one() {
        let odd =
            r#" {"type":"order.paid", "eventId":"o-1","total":1.50,"total2":10000000000000000001,"x":{"type":2}} "#;
        let cloud = r#"{"specversion":"1.0","type":"a.b","source":"/s","id":"1","data":{"x":1}}"#;
        let events = lines(&[LINE, odd, cloud].join("\n")).expect("three events");
        let texts: Vec<_> = events.iter().map(AnyEvent::text).collect();
        assert_eq!(texts, [LINE, odd.trim(), cloud]);
        let kinds: Vec<_> = events.iter().map(|event| event.head().kind.to_string()).collect();
        assert_eq!(kinds, ["user.signed_up", "order.paid", "a.b"]);
        let cloud = |id: &str| format!(r#"{{{id}"specversion":"1.0","type":"a.b","source":"/s","z":1.50,"a":1e999}}"#);
        for no_id in [
            r#"{"type":"order.paid","n":1.50,"a":18446744073709551616}"#,
            r#"{"eventId":null,"type":"order.paid","n":1.50,"a":18446744073709551616}"#,
            &cloud(""),
            &cloud(r#""id":"","#),
            &cloud(r#""id":null,"#),
        ] {
            let event = lines(no_id).expect("an event").remove(0);
            let again = AnyEvent::to_be_published(event.text()).expect("an event");
            assert_eq!((again.text(), &again.head().id), (event.text(), &event.head().id), "it has an id now");
            let rest = no_id.split_once(r#""type""#).expect("a type").1;
            assert!(event.text().ends_with(rest), "{}", event.text());
        }
    }

    #[test]
    fn every_faulty_line_is_named_and_ours_by_its_own_rules() {
        let text = format!("{LINE}\n{{\"type\":\"user.signed_up\"}}\n[]\n{{\"type\":\"order.paid\"}}\n{{\"a\":1}}");
        let problem = lines(&text).expect_err("three faults");
        let starts =
            ["line 2: the event has no field `userId`", "line 3: the event is not", "line 5: the event has no `type`"];
        assert_eq!(problem.lines().count(), 3, "{problem}");
        assert!(problem.lines().zip(starts).all(|(line, start)| line.starts_with(start)), "{problem}");
    }

    #[test]
    fn data_is_an_object_of_fields_and_the_type_stands_beside_it() {
        let known = [EventType::of::<UserSignedUp>()];
        let text = |kind, data| from_data(kind, data, &known).map(|event| event.text().to_owned());
        let event = text("order.paid", r#" {"orderId":"o-1"}"#).map_err(|Invalid(problem)| problem).expect("an event");
        assert!(
            event.starts_with(r#"{"eventId":""#) && event.ends_with(r#""type":"order.paid","orderId":"o-1"}"#),
            "{event}"
        );
        assert!(text("a\"b", "{}").is_ok_and(|text| text.ends_with(r#""type":"a\"b"}"#)));
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        let odd =
            [("user.signed_up", "{}"), ("x", "[]"), ("x", r#"{"type":"y"}"#), ("x", "{"), ("", "{}"), ("x", &deep)];
        for (kind, data) in odd {
            assert!(text(kind, data).is_err(), "{kind} {data}");
        }
        let copies = several(2, || from_data("x", r#"{"eventId":"e-1"}"#, &known));
        assert!(copies.is_err() && several(2, || from_data("x", "{}", &known)).is_ok_and(|events| events.len() == 2));
    }
}
