//! `idem`: looks at, deletes and counts the records that keep effects single.
//!
//! Enters: a reaction and a subject, or nothing. Leaves: tables, or JSON with `--json`. Promises: deletes nothing
//! without `--yes`, and no record that a delivery holds without `--force`.

use std::time::{Duration, Instant};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Map, Value, json};

use super::table::{self, table};
use super::witness::{Witness, who};
use super::{CommandResult, Context, Exit, complain, configured, fail_with, linked, say};
use crate::by_hand::record::{self, forgetting, meaning};
use crate::cli::{Effect, Idem};
use crate::config;
use crate::plain;
use crate::reactions::Reactions;
use engine::event::Timestamp;
use engine::idempotency::records::{Counts, Forgotten, Record, RecordError, Records, Sample};
use engine::idempotency::weight::Weights;
use engine::idempotency::{Key, State};
use engine::redis_link::RedisLink;

/// The time between two progress lines while counting.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn idem(context: &Context<'_>, what: &Idem) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let (url, prefix) = (config::redis(read), config::redis_prefix(read));
        Some((url?, prefix))
    };
    let (url, prefix) = configured(context, read)?;
    let link = linked(&url, &prefix)?;
    act(&Records::new(link.clone()), link, context, what).await.map_err(|problem| match problem {
        Problem::Words(problem) => fail_with(Exit::Usage)(problem),
        Problem::Record(RecordError::Redis(error)) => fail_with(Exit::Unavailable)(error),
        Problem::Record(RecordError::Broken(rule)) => broken(rule),
    })
}

/// Why there is nothing to show.
enum Problem {
    /// The arguments name no record.
    Words(String),
    Record(RecordError),
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

async fn act(records: &Records, link: RedisLink, context: &Context<'_>, what: &Idem) -> Result<Exit, Problem> {
    Ok(match what {
        Idem::Get { effect, json } => get(records, effect, &key(&context.reactions, effect)?, *json).await?,
        Idem::Forget { effect, force, yes, by } => {
            let key = key(&context.reactions, effect)?;
            if !yes {
                return Ok(rehearse(records.look(&key).await?.as_ref(), *force));
            }
            let who = who(context, by);
            let (told, deed) = record::forget(records, (&named(effect), &key), *force, &who).await?;
            if let Some(deed) = deed {
                Witness::of(who, Some(link)).say(&deed).await;
            }
            forgotten(&told)
        }
        Idem::Stats { json } => stats(records, *json).await?,
    })
}

fn named(Effect { reaction, subject, event, kind }: &Effect) -> record::Effect<'_> {
    record::Effect { reaction, subject, event: event.as_deref(), kind: kind.as_deref() }
}

fn key(reactions: &Reactions, effect: &Effect) -> Result<Key, Problem> {
    named(effect).key(reactions).map_err(|unclear| Problem::Words(unclear.to_string()))
}

/// Reports a record that cannot be read. Only `--force` deletes it.
fn broken(rule: &str) -> Exit {
    complain(format_args!(
        "the record is broken: {rule}. Somebody else has written to it: events that ask for it are\n\
         quarantined as record_broken, and whether the effect has happened it does not tell.\n\
         `idem forget --force --yes` deletes it."
    ));
    Exit::Unavailable
}

async fn get(records: &Records, effect: &Effect, key: &Key, as_json: bool) -> Result<Exit, RecordError> {
    let record = match records.look(key).await {
        Err(RecordError::Broken(rule)) if as_json => {
            say(json!({ "record": null, "broken": rule }));
            return Ok(Exit::Unavailable);
        }
        record => record?,
    };
    let now = Timestamp::now();
    match record {
        _ if as_json => say(json!({ "record": record.map(|record| in_json(&record, now)) })),
        Some(record) => say(in_words(&record, now).trim_fmt()),
        None => say(format_args!("no record: `{}` has not begun this effect", effect.reaction)),
    }
    Ok(Exit::Clean)
}

fn in_json(record: &Record, now: Timestamp) -> Value {
    json!({
        "state": record.state.word(),
        "sends": record.sends,
        "claimedAt": record.claimed_at.and_then(moment),
        "settledAt": record.settled_at.and_then(moment),
        "heldForMs": record.held_for.map(|left| left.as_millis() as u64),
        "keptUntil": record.kept_for.and_then(|left| after(now, left)),
        "receipt": record.receipt,
        "duplicates": record.duplicates,
    })
}

fn in_words(record: &Record, now: Timestamp) -> Table {
    let shown = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_row(["state", &format!("{}: {}", record.state.word(), meaning(record.state))]);
    table.add_row(["sends", &record.sends.to_string()]);
    table.add_row(["claimed at", &shown(record.claimed_at.and_then(moment))]);
    table.add_row(["done or parked at", &shown(record.settled_at.and_then(moment))]);
    let lease = record.held_for.map(|left| format!("held by a delivery for another {}", seconds(left)));
    table.add_row(["lease", &lease.unwrap_or_else(|| "not held".to_owned())]);
    table.add_row([
        "kept until",
        &record.kept_for.map_or(Some("for ever".to_owned()), |l| after(now, l)).unwrap_or_default(),
    ]);
    table.add_row(["receipt", &plain::line(record.receipt.as_deref().unwrap_or("-"))]);
    table.add_row(["duplicates seen", &record.duplicates.to_string()]);
    table
}

fn moment(millis: i64) -> Option<String> {
    Timestamp::from_unix_millis(millis).map(|moment| moment.to_string())
}

fn after(now: Timestamp, left: Duration) -> Option<String> {
    moment(now.unix_millis().saturating_add(i64::try_from(left.as_millis()).ok()?))
}

/// Rounded up to whole seconds: a lease of half a second is not shown as "0s".
fn seconds(left: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(left.as_millis().div_ceil(1000) as u64))
}

fn forgotten(told: &Forgotten) -> Exit {
    match told {
        Forgotten::Yes(state) => {
            say(format_args!(
                "forgotten; it was {}. The next event for this effect is handled as its first.",
                state.word()
            ));
        }
        Forgotten::Broken => {
            say("deleted; nobody could read it. The next event for this effect is handled as its first.")
        }
        Forgotten::NoRecord => say("no record: there is nothing to forget"),
        Forgotten::Held(left) => return held(*left),
    }
    Exit::Clean
}

/// Says what forgetting would mean. Changes nothing.
fn rehearse(record: Option<&Record>, force: bool) -> Exit {
    let Some(record) = record else {
        say("no record: there is nothing to forget");
        return Exit::Clean;
    };
    if let (Some(left), false) = (record.held_for, force) {
        return held(left);
    }
    say(in_words(record, Timestamp::now()).trim_fmt());
    say(format!("\n{}", table::wrap(forgetting(record.state), 0).join("\n")));
    say("Nothing was changed. To forget it, say --yes.");
    Exit::Clean
}

fn held(left: Duration) -> Exit {
    complain(format_args!(
        "a delivery is at work on it and holds its lease for another {}: try again then.\n\
         --force forgets it all the same: that delivery is stopped at the fence, or, once\n\
         past it, writes the record anew.",
        seconds(left)
    ));
    Exit::Unavailable
}

async fn stats(records: &Records, as_json: bool) -> Result<Exit, RecordError> {
    let mut told = Instant::now();
    let progress = |counted: u64| {
        if told.elapsed() >= PATIENCE {
            told = Instant::now();
            complain(format_args!("{} so far", table::counted(counted, "record")));
        }
    };
    let counts = records.count(progress).await?;
    let sample = match records.sample(Timestamp::now().unix_millis()).await {
        Ok(sample) => Some(sample),
        // An older set of rights does without `MEMORY USAGE`: the counts are shown all the same.
        Err(error) if error.is_denied() => None,
        Err(error) => return Err(error.into()),
    };
    let total: u64 = counts.values().flat_map(|states| states.values()).sum();
    if as_json {
        let of = |states: &std::collections::BTreeMap<State, u64>| -> Map<String, Value> {
            State::ALL.iter().map(|s| (s.word().to_owned(), states.get(s).copied().unwrap_or(0).into())).collect()
        };
        let handlers: Map<_, _> = counts.iter().map(|(handler, states)| (handler.clone(), of(states).into())).collect();
        let memory = sample.map(|sample| memory(&sample, total));
        say(json!({ "handlers": handlers, "memory": memory }));
    } else if counts.is_empty() {
        say("no records");
    } else {
        say(by_handler(&counts, sample.as_ref().map(|sample| &sample.weights)).trim_fmt());
        match sample {
            Some(sample) => say(memory_in_words(&sample, total)),
            None => complain(
                "what they take is not known: the Redis user needs the rights to `MEMORY USAGE` and `RANDOMKEY`",
            ),
        }
    }
    Ok(Exit::Clean)
}

/// What the records take, and what Redis will use in a week.
fn memory(sample: &Sample, records: u64) -> Value {
    let Sample { weights, memory, .. } = sample;
    let (each, share) = (weights.each(None), records as f64 / weights.records.max(1) as f64);
    json!({
        "bytes": each.map(|each| (each * records as f64).round()),
        "bytesEach": each,
        "sampled": weights.records,
        "newADay": (weights.new.0 as f64 * share).round(),
        "usedBytes": memory.used,
        "maxBytes": memory.most,
        "usedBytesInAWeek": (memory.used as f64 + weights.growth(records as f64)).max(0.0).round(),
    })
}

fn memory_in_words(sample: &Sample, records: u64) -> String {
    let Sample { weights, memory, .. } = sample;
    let Some(each) = weights.each(None) else { return "none of them is in a sample of all keys".to_owned() };
    let new = weights.new.0 as f64 * records as f64 / weights.records as f64;
    let week = table::bytes((memory.used as f64 + weights.growth(records as f64)).max(0.0));
    let most =
        memory.most.map_or(", without a maxmemory".to_owned(), |most| format!(" of {}", table::bytes(most as f64)));
    let told = format!(
        "{} take about {}: {each:.0} bytes each, by MEMORY USAGE of {} of them and 60 for Redis's tables. About {new:.0} came within \
         the last day. Redis uses {}{most}; at this trend {week} in a week.",
        table::counted(records, "record"),
        table::bytes(each * records as f64),
        weights.records,
        table::bytes(memory.used as f64),
    );
    table::wrap(&told, 1).join("\n")
}

fn by_handler(counts: &Counts, weights: Option<&Weights>) -> Table {
    let [claimed, begun, done, parked] = State::ALL.map(State::word);
    let mut rows = table(["handler", claimed, begun, done, parked, "bytes each"], &[1, 2, 3, 4, 5]);
    for (handler, states) in counts {
        let count = |state: &State| states.get(state).copied().unwrap_or(0).to_string();
        let each = weights.and_then(|weights| weights.each(Some(handler)));
        let each = each.map_or("-".to_owned(), |each| format!("{each:.0}"));
        let name = plain::line(handler).into_owned();
        rows.add_row([vec![name], State::ALL.iter().map(count).collect(), vec![each]].concat());
    }
    rows
}
