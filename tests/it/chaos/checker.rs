//! The books: what was published against what came of it, and each duplicate against a fault.
//!
//! Enters: the arena after the last message, and the processes that were. Leaves: figures, the trace of
//! whatever does not balance, and a panic if anything does not. Trusts the mail server for mails, Redis
//! for records and profiles, SQS for dead letters; a worker's own word counts in one case, apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use user_events::idempotency::Key;
use user_events::profiles::redis::RedisProfiles;
use user_events::redis_link::RedisLink;

use super::Arena;
use super::fleet::{self, Past};
use super::history::{Record, What};
use super::plan::{RECEIVES, handler, lease};
use crate::world::patience::at_this_pace;
use crate::world::proxy::Mode;
use crate::world::smtp::{AcceptedMail, Reaction};
use crate::world::{EMPTY, TestQueue, address};

/// How far two clocks that saw the same thing may be apart.
const MARGIN: Duration = Duration::from_millis(250);
/// From the acceptance to the record, where Redis can be reached; and from then on, where it can be again.
const COMMIT: Duration = Duration::from_millis(2500);

#[derive(Default)]
pub struct Books {
    figures: Vec<(String, usize)>,
    lost: usize,
    most: usize,
    unexplained: usize,
    /// What does not balance, with its trace.
    wrong: Vec<String>,
}

impl Books {
    pub async fn balance(arena: &Arena, past: &[Past]) -> Self {
        let mut books = Self::default();
        let letters = [letters(arena, &arena.email).await, letters(arena, &arena.profile).await];
        let records = arena.history.records();
        let link = RedisLink::new(&arena.redis.url().into()).expect("a Redis URL");
        let mut mails: BTreeMap<String, Vec<AcceptedMail>> = BTreeMap::new();
        for mail in arena.smtp.accepted() {
            mails.entry(mail.recipients[0].clone()).or_default().push(mail);
        }
        let accepted: usize = mails.values().map(Vec::len).sum();
        let (mut states, mut explained) = (BTreeMap::new(), BTreeMap::new());
        for user in &arena.users {
            let mails = mails.remove(&address(user)).unwrap_or_default();
            let reasons = letters[0].get(user).cloned().unwrap_or_default();
            let record = link.hash(Key::new("welcome_email", user).as_str()).await.expect("Redis answers");
            let state = record.get("st").map_or("none", String::as_str);
            *states.entry(state.to_owned()).or_insert(0) += 1;
            books.most = books.most.max(mails.len());
            // One that the queue moved by itself is no loss: it is a letter, and is judged as one.
            if mails.is_empty() && reasons.is_empty() {
                books.lost += 1;
                books.wrong.push(format!("LOST {user}\n{}", trace(user, &mails, &record, &records, past)));
            }
            let sends: usize = record.get("att").and_then(|att| att.parse().ok()).unwrap_or(0);
            if mails.len() > sends || (mails.is_empty() && state == "D") {
                let trace = trace(user, &mails, &record, &records, past);
                books.wrong.push(format!("MORE MAILS THAN THE RECORD KNOWS, OR FEWER: {user}\n{trace}"));
            }
            for pair in mails.windows(2) {
                match explain(&pair[0], &pair[1], &records, past, user) {
                    Some(by) => *explained.entry(by).or_insert(0) += 1,
                    None => {
                        books.unexplained += 1;
                        let trace = trace(user, &mails, &record, &records, past);
                        books.wrong.push(format!("UNEXPLAINED {user}\n{trace}"));
                    }
                }
            }
            let profile = link.hash(&RedisProfiles::key(&user.parse().expect("a user id"))).await;
            let is_written = profile.expect("Redis answers").get("email") == Some(&address(user));
            if !is_written && !letters[1].contains_key(user) {
                books.lost += 1;
                books.wrong.push(format!("NO PROFILE {user}"));
            }
        }
        for stranger in mails.keys() {
            books.wrong.push(format!("A MAIL TO NOBODY WE KNOW: {stranger}"));
        }
        for (queue, letters) in [&arena.email, &arena.profile].into_iter().zip(&letters) {
            if arena.world.depth(&queue.url).await != EMPTY {
                books.wrong.push(format!("NOT EMPTY: {}", queue.url));
            }
            for (user, _) in letters.iter().filter(|(_, reasons)| reasons.contains(MOVED)) {
                books.moved(user, queue, past);
            }
        }
        for past in past.iter().filter(|past| past.code.is_some_and(|code| code != 0)) {
            let end: Vec<_> = past.log.iter().rev().take(5).rev().map(String::as_str).collect();
            books.wrong.push(format!("ENDED BY ITSELF: {:?}\n{}", past.code, end.join("\n")));
        }
        books.list(arena, past, accepted, &explained, &letters, &states);
        books
    }

    /// The queue has moved it by itself: only if whoever had it last was never heard of again.
    fn moved(&mut self, user: &str, queue: &TestQueue, past: &[Past]) {
        let (event, name) = (format!("\"event-{user}\""), queue.url.rsplit('/').next().unwrap_or_default());
        let ends = |line: &&String| ["\"outcome\"", &event, name].iter().all(|text| line.contains(text));
        let ends: Vec<_> = past.iter().flat_map(|past| &past.log).filter(ends).collect();
        println!(
            "moved by the queue, for receives that kills and freezes ate: {user}, {} of {RECEIVES} told of",
            ends.len()
        );
        let last = format!("\"attempt\":{RECEIVES}");
        let gives_back = |line: &str| line.contains("\"verdict\":\"retry") || line.contains("\"verdict\":\"leave");
        if let Some(last) = ends.iter().find(|line| line.contains(&last) && gives_back(line)) {
            self.wrong.push(format!("MOVED BY THE QUEUE FROM A WORKER THAT COULD TELL: {last}"));
        }
    }

    fn list(
        &mut self,
        arena: &Arena,
        past: &[Past],
        accepted: usize,
        explained: &BTreeMap<&str, usize>,
        letters: &[Letters; 2],
        states: &BTreeMap<String, usize>,
    ) {
        let all: usize = explained.values().sum();
        self.row("published (users)", arena.users.len());
        self.row("accepted", accepted);
        self.row("duplicates", all + self.unexplained);
        self.row("  explained", all);
        for (by, count) in explained {
            self.row(&format!("    by {by}"), *count);
        }
        self.row("  unexplained", self.unexplained);
        self.row("most mails to one user", self.most);
        for (queue, letters) in ["email", "profile"].into_iter().zip(letters) {
            let mut reasons = BTreeMap::new();
            for reason in letters.values().flatten() {
                *reasons.entry(reason.as_str()).or_insert(0) += 1;
            }
            self.row(&format!("quarantined, {queue} (users)"), letters.len());
            for (reason, count) in reasons {
                self.row(&format!("  {reason}"), count);
            }
        }
        self.row("lost", self.lost);
        for (state, count) in states {
            self.row(&format!("records in state {state}"), *count);
        }
        let history = &arena.history;
        self.row("processes", past.len());
        self.row("kills", history.count(|what| matches!(what, What::Kill { .. })));
        self.row("  of these at a failpoint", history.count(|what| *what == What::Kill { planned: false }));
        self.row("stops", history.count(|what| matches!(what, What::Stop { .. })));
        self.row("  of these at a failpoint", history.count(|what| *what == What::Stop { planned: false }));
        let proxy = |what: &What| matches!(what, What::Mode(..) | What::Broken(_));
        self.row("proxy faults", history.count(proxy));
        self.row("redis restarts", history.count(|what| *what == What::RedisDown));
        self.row("redis read-only", history.count(|what| *what == What::ReadOnly));
        self.row("redis out of memory", history.count(|what| *what == What::OutOfMemory));
    }

    fn row(&mut self, name: &str, count: usize) {
        self.figures.push((name.to_owned(), count));
    }

    /// Panics unless everything balances.
    pub fn demand(&self) {
        assert!(self.wrong.is_empty(), "{} things do not balance:\n{}", self.wrong.len(), self.wrong.join("\n\n"));
        assert!(self.most <= 2, "{} mails to one user", self.most);
        assert_eq!((self.lost, self.unexplained), (0, 0));
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figures.iter().try_for_each(|(name, count)| writeln!(f, "{name:<32} {count:>6}"))
    }
}

/// Each user's reasons.
type Letters = BTreeMap<String, BTreeSet<String>>;

/// The reason of a letter that has none: the queue's redrive policy moved it.
const MOVED: &str = "(none: moved by the queue)";

async fn letters(arena: &Arena, queue: &TestQueue) -> Letters {
    let mut letters = Letters::new();
    for (body, attributes) in arena.world.dead_letters(queue).await {
        let body: serde_json::Value = serde_json::from_str(&body).expect("we sent JSON");
        let user = body["userId"].as_str().expect("we sent a user").to_owned();
        let reason = attributes.get("failure.reason").map_or(MOVED, String::as_str);
        letters.entry(user).or_default().insert(reason.to_owned());
    }
    letters
}

/// Which fault opened the window between `first` and its record, or held up `second` behind the fence.
fn explain(
    first: &AcceptedMail,
    second: &AcceptedMail,
    records: &[Record],
    past: &[Past],
    user: &str,
) -> Option<&'static str> {
    if matches!(first.reaction, Reaction::AcceptThenClose | Reaction::AcceptButNeverReply) {
        return Some("a reply the server withheld");
    }
    let (one, other) = (fleet::process(&first.envelope_from), fleet::process(&second.envelope_from));
    let says = |what: &str| {
        let its = past.iter().filter(|past| (past.slot, past.number) == one).flat_map(|past| &past.log);
        let (event, handler) = (format!("\"event-{user}\""), "\"welcome_email\"");
        its.filter(|line| [what, &event, handler].iter().all(|text| line.contains(text))).count()
    };
    // A process that says so had it on record in time, unless it was frozen and said so too late.
    let recorded = says("\"outcome\":\"done\"") > usize::from(one == other);
    let (at, margin, commit) = (time(first), at_this_pace(MARGIN), at_this_pace(COMMIT));
    // What the process has sent goes on after its end.
    let on_its_way = records.iter().filter(|record| record.hit(one) && record.overlaps(at - margin, at));
    let sent = at - margin - on_its_way.map(Record::keeps_a_mail_on_its_way).max().unwrap_or_default();
    let hits = |record: &&Record, until| record.hit(one) && record.overlaps(sent, until);
    if !recorded && let Some(record) = records.iter().find(|r| hits(r, at + commit) && r.hides_a_reply()) {
        return Some(name(record.what));
    }
    // While Redis cannot be reached the record waits, and its process can still meet its end.
    let recorded_by = records.iter().filter(|r| r.hit(one) && r.keeps_from_redis()).fold(at + commit, |end, record| {
        if record.overlaps(at - margin, end) { end.max(record.until + commit) } else { end }
    });
    let ends = |r: &&Record| hits(r, recorded_by) && r.ends_a_wait();
    let by_end = records.iter().filter(|_| !recorded).find(ends);
    let by_end = by_end.or_else(|| records.iter().find(|r| ends(r) && matches!(r.what, What::Stop { .. })));
    if let Some(record) = by_end {
        return Some(name(record.what));
    }
    let before = time(second) - lease();
    let held_up =
        |record: &Record| record.hit(other) && record.overlaps(before, time(second)) && record.delays_a_mail();
    if records.iter().any(held_up) {
        return Some("a pause between fence and last byte");
    }
    // The record waited for longer than the claim lasts, and a copy was there.
    if recorded_by >= at + commit + margin && time(second) + margin >= at + lease() - handler() {
        return Some("Redis, away for longer than the claim");
    }
    // Nothing was done to it: the machine was slow, or the worker is wrong. Told apart in the table.
    (says("\"outcome_unknown\"") > 0).then_some("the worker's own time limit")
}

fn name(what: What) -> &'static str {
    match what {
        What::Kill { .. } => "a kill",
        What::Stop { .. } => "a stop",
        What::Broken(_) => "a connection cut or reset",
        What::Mode(_, Mode::Hole) => "a black hole",
        What::Mode(..) => "a slow or refused connection",
        What::RedisDown => "Redis down",
        What::ReadOnly => "Redis read-only",
        What::OutOfMemory => "Redis out of memory",
    }
}

fn time(mail: &AcceptedMail) -> Instant {
    mail.at.expect("the server times what it accepts")
}

/// All that is known of one user: mails, record, log lines, and faults around the first mail.
fn trace(
    user: &str,
    mails: &[AcceptedMail],
    record: &BTreeMap<String, String>,
    faults: &[Record],
    past: &[Past],
) -> String {
    let mut text = format!("  record: {record:?}\n");
    let zero = mails.first().map(time);
    let since = |at: Instant| {
        let zero = zero.unwrap_or(at);
        at.saturating_duration_since(zero).as_secs_f64() - zero.saturating_duration_since(at).as_secs_f64()
    };
    for mail in mails {
        let _ =
            writeln!(text, "  {:+.3} s: accepted from {} {:?}", since(time(mail)), mail.envelope_from, mail.reaction);
    }
    let near = |fault: &&Record| zero.is_some_and(|at| fault.overlaps(at - 4 * lease(), at + 6 * lease()));
    for fault in faults.iter().filter(near) {
        let _ = writeln!(
            text,
            "  {:+.3}..{:+.3} s: {:?} {:?}",
            since(fault.from),
            since(fault.until),
            fault.who,
            fault.what
        );
    }
    let event = format!("event-{user}\"");
    for past in past {
        for line in past.log.iter().filter(|line| line.contains(&event)) {
            let _ = writeln!(text, "  s{}n{}: {line}", past.slot, past.number);
        }
    }
    text
}
