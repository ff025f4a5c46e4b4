//! `demo`: the whole service in this process. Needs no AWS, no Redis, no mail server, no account.
//!
//! It runs a publisher, a topic, three queues with one DLQ, and three real workers. Mails become files; a webhook calls a
//! service on loopback. It ends with a table of what should have happened beside what did happen, and fails on a
//! difference.

mod counts;
mod receiver;
mod scenes;
mod system;
mod tell;

use std::path::Path;
use std::time::Duration;

use comfy_table::{LineStyle, Table, TableStyle};

use self::receiver::Receiver;
use self::scenes::SCENES;
use self::system::{DemoResults, DemoSystem};
use self::tell::Teller;
use super::table::{narrow_to, on_terminal};
use super::{CommandResult, Context, Exit, complain, configured, fail_with, say, screen, unlogged};
use crate::config::Environment;
use crate::plain;

pub(super) async fn demo(context: &Context<'_>, mails: &Path, slow: Option<Duration>) -> CommandResult {
    // No log by default: its lines would push the demo's story off the screen. RUST_LOG turns it on.
    let environment = context.environment;
    let is_logged = environment.contains_key("RUST_LOG");
    if is_logged { configured(context, |_| Some(())) } else { unlogged(context) }?;
    if let Err(error) = std::fs::create_dir_all(mails) {
        complain(format_args!(
            "{} cannot be written to: {}",
            plain::line(&mails.display().to_string()),
            plain::said(&error)
        ));
        return Err(Exit::Usage);
    }
    let receiver = Receiver::start().await.map_err(|error| {
        fail_with(Exit::Unavailable)(format!("the demo's service cannot listen on 127.0.0.1: {}", plain::said(&error)))
    })?;
    say(on_terminal(
        "",
        "A publisher, an SNS-like topic, three SQS-like queues with DLQs, three workers: all in this process.",
    ));
    say("One of them calls a service by webhook, on 127.0.0.1.");
    let system = DemoSystem::build(mails, receiver).ok_or(Exit::Bug)?;
    let teller = Teller::new(environment, slow);
    let played = if slow.is_some() { one_by_one(&system, &teller).await } else { at_once(&system, &teller).await };
    teller.end();
    played?;
    let results = system.finish().await;
    let differences = show(&results);
    let (deliveries, retried) = (results.deliveries, results.retried);
    let text = format!("{deliveries} deliveries were received, {retried} of them again after a failure.");
    say(on_terminal("", &text));
    let text = format!("The mails lie in {}/ as .eml files: open one with any mail client.", mails.display());
    say(on_terminal("", &text));
    say_what_next(environment);
    if differences > 0 {
        complain(format_args!("{differences} row(s) differ"));
        return Err(Exit::Bug);
    }
    Ok(Exit::Clean)
}

async fn at_once(system: &DemoSystem, teller: &Teller) -> Result<(), Exit> {
    for scene in SCENES {
        system.publish(&(scene.entries)(scene.prefix)).await.map_err(fail_with(Exit::Bug))?;
    }
    system.until_idle(|counts, waiting| teller.so_far(counts, waiting)).await.map_err(unkept)
}

/// For an audience: announces each scene, plays it to its end and explains it.
async fn one_by_one(system: &DemoSystem, teller: &Teller) -> Result<(), Exit> {
    teller.steps().await;
    for (n, scene) in SCENES.iter().enumerate() {
        let before = system.so_far();
        teller.line(format_args!("\n{:>2} of {}  {}", n + 1, SCENES.len(), scene.title)).await;
        system.publish(&(scene.entries)(scene.prefix)).await.map_err(fail_with(Exit::Bug))?;
        system.until_idle(|counts, waiting| teller.so_far(&counts.since(&before), waiting)).await.map_err(unkept)?;
        teller.line(format_args!("          {}", system.so_far().since(&before))).await;
        teller.line(format_args!("          {}", scene.because)).await;
    }
    Ok(())
}

fn unkept(why: String) -> Exit {
    complain(format_args!("the mails cannot be kept: {why}"));
    Exit::Write
}

/// Prints the table. Answers how many rows are not as expected.
fn show(results: &DemoResults) -> usize {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─')));
    table.set_header(["what was published", "what should happen", "what happened", ""]);
    let mut differences = 0;
    for scene in SCENES {
        let seen = scene.result(results);
        let agrees = seen == scene.expected;
        differences += usize::from(!agrees);
        table.add_row([
            scene.title,
            &scene.expected.to_string(),
            &seen.to_string(),
            if agrees { "ok" } else { "DIFFERS" },
        ]);
    }
    // On a narrow terminal what did happen is enough, where it is as it should be.
    let text = match screen::columns() {
        Some(columns) if differences == 0 => narrow_to(columns, table, &[1, 2]),
        _ => table.trim_fmt(),
    };
    say(format_args!("\n{text}\n"));
    differences
}

/// Prints commands that work in the place where this one was started.
fn say_what_next(environment: &Environment) {
    // `cargo run` sets this variable. Then `user-events` need not be on the PATH, and the checkout is here.
    let by_cargo = environment.contains_key("CARGO_MANIFEST_DIR");
    let (us, third) = if by_cargo {
        ("cargo run --", ("make up".to_owned(), "the same services to deploy to: LocalStack, Redis, a mail server"))
    } else {
        ("user-events", ("user-events schema asyncapi".to_owned(), "topic, queues and messages as a contract"))
    };
    say("\nNext:");
    let ours = [("demo --slow", "the same, a step at a time"), ("render --open", "the welcome mail in a browser")];
    for (command, what) in ours.map(|(command, what)| (format!("{us} {command}"), what)).into_iter().chain([third]) {
        say(on_terminal(&format!("  {command:<29}"), what));
    }
}
