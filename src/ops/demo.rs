//! `demo`: the whole story on the embedded default. No AWS, no Redis, no mail server, no account.
//!
//! A publisher, a topic, two queues with their DLQs and two real workers in this process; mails become
//! files. It ends with a table of what should have happened beside what did, and fails on a difference.

mod scenes;
mod stage;

use std::path::Path;

use comfy_table::{LineStyle, Table, TableStyle};

use self::scenes::{SCENES, Seen};
use self::stage::Stage;
use super::{Exit, complain, configured, say};
use crate::config::Environment;

pub(super) async fn demo(environment: &Environment, mails: &Path) -> Exit {
    // A demo that scrolls its log over its story would tell none; RUST_LOG still brings it up.
    if environment.contains_key("RUST_LOG")
        && let Err(exit) = configured(environment, |_| Some(()))
    {
        return exit;
    }
    if let Err(error) = std::fs::create_dir_all(mails) {
        complain(format_args!("{} cannot be written to: {}", mails.display(), error.kind()));
        return Exit::Usage;
    }
    say("A publisher, an SNS-like topic, two SQS-like queues with DLQs, two workers: all in this process.");
    let Ok(stage) = Stage::build(mails) else { return Exit::Bug };
    for scene in SCENES {
        if let Err(error) = stage.publish(&(scene.entries)(scene.prefix)).await {
            complain(error);
            return Exit::Bug;
        }
    }
    let summary = stage.finish().await;
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─')));
    table.set_header(["what was published", "what should happen", "what happened", ""]);
    let mut differences = 0;
    for scene in SCENES {
        let seen = Seen::of(scene, &summary);
        let agrees = seen == scene.expected;
        differences += usize::from(!agrees);
        table.add_row([
            scene.title,
            &scene.expected.to_string(),
            &seen.to_string(),
            if agrees { "ok" } else { "DIFFERS" },
        ]);
    }
    say(format_args!("\n{}\n", table.trim_fmt()));
    say(format_args!(
        "{} deliveries were received, {} of them again after a failure.",
        summary.deliveries, summary.retried
    ));
    say(format_args!("The mails lie in {}/ as .eml files: open one with any mail client.", mails.display()));
    if differences > 0 {
        complain(format_args!("{differences} row(s) differ"));
        return Exit::Bug;
    }
    Exit::Clean
}
