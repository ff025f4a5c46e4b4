//! `doctor`: is everything as a worker needs it? One screen, each fault with its remedy.
//!
//! Enters: the whole configuration of `run`, and the topic's ARN if it is set. Leaves: findings by group, and exit
//! code 69 if one of them is a failure. Promises: it changes nothing, sends no mail and shows no secret.

mod ask;
mod diagnosis;
mod facts;
mod filter;
mod finding;
mod policy;
mod reaction;
mod servers;
mod workers;

use std::io::IsTerminal;

use serde_json::{Value, json};

pub use self::diagnosis::{DIAGNOSES, Diagnosis, Level};
use self::facts::SystemFacts;
use self::finding::Finding;
use super::table::wrap;
use super::terminal::draw;
use super::{CommandResult, Context, Exit, configured, fail_with, say};
use crate::aws;
use crate::config::{self, Environment, SettingsReader};
use crate::console;
use crate::plain;
use crate::reactions::Reactions;

/// The column where the text of a line begins: 8, after `  fail  `.
const INDENT: usize = 8;

pub(super) async fn doctor(context: &Context<'_>, as_json: bool) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let is_set = config::is_given(context.environment, "USER_EVENTS_TOPIC_ARN");
        let topic = if is_set { config::publish(read) } else { None };
        Some((config::run(read, &context.reactions.needs(), &[])?, topic))
    };
    let (config, topic) = configured(context, read)?;
    let aws = aws::look(&config.aws).await.map_err(fail_with(Exit::Config))?;
    let facts = ask::ask(&config, &context.reactions, topic, &aws).await;
    let findings = judge(&facts);
    let is_failed = findings.iter().any(|finding| finding.level() == Level::Fail);
    if as_json {
        let lines: Vec<_> = findings.iter().map(|finding| as_value(finding, context.program)).collect();
        say(json!({ "healthy": !is_failed, "findings": lines }));
    } else {
        let colour = std::io::stdout().is_terminal() && !config::is_given(context.environment, "NO_COLOR");
        draw(&report(&findings, context.program, colour));
    }
    Ok(if is_failed { Exit::Unavailable } else { Exit::Clean })
}

/// For the console: what the doctor finds now, or every mistake of the configuration that it needs.
pub(super) async fn findings(
    environment: &Environment,
    reactions: &Reactions,
    program: &str,
) -> Result<Vec<console::Finding>, Vec<String>> {
    let mut read = SettingsReader::new(environment);
    let is_set = config::is_given(environment, "USER_EVENTS_TOPIC_ARN");
    let topic = if is_set { config::publish(&mut read) } else { None };
    let config = config::run(&mut read, &reactions.needs(), &[]);
    let config = read.finish(config).map_err(|mistakes| mistakes.lines())?;
    let aws = aws::look(&config.aws).await.map_err(|error| vec![error.to_string()])?;
    let found = |finding: &Finding| console::Finding {
        group: finding.group.to_string(),
        check: finding.check.to_owned(),
        level: finding.level().word(),
        seen: finding.seen.clone(),
        means: finding.means(),
        remedy: finding.remedy(program),
    };
    Ok(judge(&ask::ask(&config, reactions, topic, &aws).await).iter().map(found).collect())
}

fn judge(facts: &SystemFacts) -> Vec<Finding> {
    let mut all = servers::aws(facts);
    // Without AWS no queue answers. One fault for each queue would point to the wrong remedy.
    let without_aws = [diagnosis::NO_REGION, diagnosis::AWS_SILENT, diagnosis::NO_CREDENTIALS];
    if !all.iter().any(|finding| finding.diagnosis.is_some_and(|diagnosis| without_aws.contains(&diagnosis))) {
        all.extend(facts.reactions.iter().flat_map(|reaction| reaction::judge(reaction, facts)));
    }
    all.extend(servers::redis(facts));
    all.extend(servers::mail(facts));
    all
}

fn as_value(finding: &Finding, program: &str) -> Value {
    json!({
        "group": finding.group, "check": finding.check, "level": finding.level().word(),
        "fault": finding.diagnosis.map(|diagnosis| diagnosis.code), "seen": finding.seen, "remedy": finding.remedy(program),
    })
}

/// For each group: one line with all that is well, then each fault with its remedy.
fn report(findings: &[Finding], program: &str, colour: bool) -> String {
    let mut lines = Vec::new();
    for group in findings.chunk_by(|a, b| a.group == b.group) {
        // The region or endpoint stands beside the group's name: it is the first thing to check. So does a cluster's form.
        let is_place = |finding: &&Finding| ["endpoint", "cluster"].contains(&finding.check);
        let place = group.iter().filter(is_place).find(|finding| finding.diagnosis.is_none());
        lines.push(match place {
            Some(place) => format!("{} ({})", place.group, plain::line(&place.seen)),
            None => group[0].group.to_string(),
        });
        let well: Vec<_> = group.iter().filter(|finding| finding.diagnosis.is_none()).map(|f| f.check).collect();
        if !well.is_empty() {
            lines.extend(entry(Level::Ok, &well.join(", "), colour));
        }
        for finding in group {
            let (Some(means), Some(remedy)) = (finding.means(), finding.remedy(program)) else { continue };
            let text = format!("{}: {}; {means}", finding.check, plain::line(&finding.seen));
            lines.extend(entry(finding.level(), &text, colour));
            lines.extend(wrap(&format!("→ {remedy}"), INDENT));
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level() == level).count();
    lines.push(format!("\n{} ok, {} warn, {} fail\n", count(Level::Ok), count(Level::Warn), count(Level::Fail)));
    lines.join("\n")
}

fn entry(level: Level, text: &str, colour: bool) -> Vec<String> {
    let mut lines = wrap(text, INDENT);
    let (on, off) = match (colour, level) {
        (false, _) => ("", ""),
        (true, Level::Ok) => ("\x1b[32m", "\x1b[0m"),
        (true, Level::Warn) => ("\x1b[33m", "\x1b[0m"),
        (true, Level::Fail) => ("\x1b[31m", "\x1b[0m"),
    };
    lines[0] = format!("  {on}{:<4}{off}  {}", level.word(), lines[0].trim_start());
    lines
}

#[cfg(test)]
mod tests {
    use super::finding::Findings;
    use super::*;
    use crate::ops::table::WIDTH;

    fn findings() -> Vec<Finding> {
        let mut findings = Findings::of("email");
        findings.ok("queue", "there");
        findings.ok("DLQ", "there");
        findings.bad(diagnosis::QUEUE_MISSING, "x".repeat(30));
        findings.bad(diagnosis::DEAD_LETTERS, "about 3\u{1b}[2J");
        findings.all
    }

    #[test]
    fn a_report_fits_80_columns_and_names_what_is_well_in_one_line() {
        let report = report(&findings(), "crm", false);
        assert!(report.lines().all(|line| line.chars().count() <= WIDTH), "{report}");
        assert!(report.starts_with("email\n  ok    queue, DLQ\n  fail  queue: xxx"), "{report}");
        assert!(report.contains("EMAIL_QUEUE_URL") && report.contains("see why: crm dlq list email"), "{report}");
        assert!(report.ends_with("2 ok, 1 warn, 1 fail\n") && !report.contains('\x1b'), "{report}");
        assert!(report.contains(r"about 3\u{1b}[2J"), "{report}");
    }

    #[test]
    fn a_terminal_gets_colours_and_every_faults_name_is_its_own() {
        assert!(report(&findings(), "crm", true).contains("  \x1b[31mfail\x1b[0m  queue"));
        let mut codes: Vec<_> = DIAGNOSES.iter().map(|diagnosis| diagnosis.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), DIAGNOSES.len());
    }
}
