//! `config`: prints the settings in force, each with its source; secrets masked.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::table::{WIDTH, width, wrap};
use super::{Context, Exit, fail_with, say, warn_of_misspelt};
use crate::config::{self, Mistakes, Setting, SettingsReader};
use crate::plain;

pub(super) fn config(context: &Context<'_>, json: bool) -> Exit {
    let (environment, reactions) = (context.environment, context.reactions.needs());
    warn_of_misspelt(context);
    let mut reader = SettingsReader::new(environment);
    config::logging(&mut reader);
    config::telemetry(&mut reader);
    if config::is_given(environment, "USER_EVENTS_TOPIC_ARN") {
        config::publish(&mut reader);
    }
    let run = config::run(&mut reader, &reactions, &[]);
    let mut settings: Vec<Setting> = reader.seen().to_vec();
    // Variables that no setting in force needs are shown too. Their mistakes are not reported.
    let mut rest = SettingsReader::new(environment);
    config::all(&mut rest, &reactions);
    let is_new = |setting: &&Setting| reader.seen().iter().all(|seen| seen.name != setting.name);
    settings.extend(rest.seen().iter().filter(is_new).cloned());
    settings.sort_by(|a, b| a.name.cmp(&b.name));
    let mistakes = reader.finish(run).err();
    if json {
        print_json(&settings, mistakes.as_ref());
    } else {
        print_table(&settings);
    }
    mistakes.map_or(Exit::Clean, fail_with(Exit::Config))
}

fn print_table(settings: &[Setting]) {
    let shown = |setting: &Setting| plain::line(setting.value.as_deref().unwrap_or("-")).into_owned();
    if width() < WIDTH {
        // Not even name and source have room beside a value.
        let lines = |s: &Setting| wrap(&format!("{} {} {}", s.name, s.source, shown(s)), 4).join("\n");
        settings.iter().for_each(|setting| say(lines(setting).trim_start()));
        return;
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    // The value is the last column: a queue's URL can be wider than a terminal.
    for setting in settings {
        table.add_row([&setting.name, setting.source, &shown(setting)]);
    }
    say(table.trim_fmt());
}

fn print_json(settings: &[Setting], mistakes: Option<&Mistakes>) {
    let mistakes: Vec<_> = mistakes.iter().flat_map(|mistakes| &mistakes.0).collect();
    let mistake = |f: &&config::Mistake| serde_json::json!({ "variable": f.variable, "problem": f.problem });
    let mistakes: Vec<_> = mistakes.iter().map(mistake).collect();
    say(serde_json::json!({ "settings": settings, "faults": mistakes }));
}
