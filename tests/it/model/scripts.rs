//! The real scripts against the model's steps: random sequences by four tokens with two contents, one of them in two
//! spellings, and two messages.
//!
//! After each step the answer and the stored record must be what `protocol` says. A lost answer is the
//! same call made twice; a lease ends by the test's hand, so nothing sleeps. The ledger in memory goes
//! through the same sequences, judged by its answers: its record is its own.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Builder;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{self as real, Fingerprint, Key, Ledger, OnAmbiguous, Request, Setbacks, Terms};

use super::protocol::{self as model, Asker, Content, Message, Protocol, Record, Step, Variant};
use crate::world::{self, unique};

/// Longer than a run, so that only the test's hand ends a lease.
const LEASE: Duration = Duration::from_secs(300);
const RETENTION: Duration = Duration::from_secs(600);
/// As spelled, and folded.
const CONTENTS: [(&str, &str); 3] = [("a", "a"), ("b", "b"), ("A", "a")];
const MESSAGES: [&str; 3] = ["", "one", "two"];
/// Longer ago than any claim of these ran out.
const AGES: Duration = Duration::from_secs(10_000_000_000);

#[derive(Debug, Clone)]
enum Act {
    Claim {
        token: u8,
        content: u8,
        message: Message,
        failed_ago: Option<Duration>,
    },
    /// By one of the leases handed out so far, lost ones too; most often the last.
    Show(Lease, Call),
    /// The lease's time passes.
    Expire,
    /// The record becomes an older release's.
    Age,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    Begin,
    Renew,
    Commit,
    Release(model::Release),
}

#[derive(Debug, Clone)]
enum Lease {
    Last,
    Any(Index),
}

/// An act, and whether its answer is lost and it is done again.
type Acts = Vec<(Act, bool)>;

fn acts() -> impl Strategy<Value = Acts> {
    let content = prop_oneof![6 => Just(0_u8), 1 => Just(1_u8), 3 => Just(2_u8)];
    let lease = prop_oneof![2 => Just(Lease::Last), 1 => any::<Index>().prop_map(Lease::Any)];
    let message = || prop_oneof![1 => Just(0_u8), 6 => Just(1_u8), 3 => Just(2_u8)];
    let failed_ago = prop_oneof![6 => Just(None), 1 => Just(Some(Duration::ZERO)), 2 => Just(Some(AGES))];
    let why = prop_oneof![
        1 => Just(model::Release::Uncounted),
        2 => message().prop_map(model::Release::Failed), 1 => message().prop_map(model::Release::Unknown),
        2 => message().prop_map(model::Release::Deferred),
    ];
    // Few commits: nothing comes after one.
    let call = prop_oneof![
        4 => Just(Call::Begin), 2 => Just(Call::Renew), 1 => Just(Call::Commit), 3 => why.prop_map(Call::Release)
    ];
    let act = prop_oneof![
        5 => (1..=4_u8, content, message(), failed_ago)
            .prop_map(|(token, content, message, failed_ago)| Act::Claim { token, content, message, failed_ago }),
        7 => (lease, call).prop_map(|(lease, call)| Act::Show(lease, call)),
        4 => Just(Act::Expire),
        1 => Just(Act::Age),
    ];
    let few = prop_oneof![9 => act.prop_map(|act| vec![act]), 1 => (message(), 2..=6_u8).prop_map(deaths)];
    let act = few.prop_flat_map(|acts| {
        let lost = prop::collection::vec(prop::bool::weighted(0.25), acts.len());
        lost.prop_map(move |lost| acts.clone().into_iter().zip(lost).collect::<Vec<_>>())
    });
    prop::collection::vec(act, 1..=40).prop_map(|acts| acts.into_iter().flatten().collect())
}

/// So many claims of one message, none of which is heard of again: by chance they would be rare.
fn deaths((message, times): (Message, u8)) -> Vec<Act> {
    let claim = |n| Act::Claim { token: n % 4 + 1, content: 0, message, failed_ago: None };
    (0..times).flat_map(|n| [claim(n), Act::Expire]).collect()
}

/// A ledger whose time the test can move.
trait Bench {
    type Ledger: Ledger;

    fn ledger(&self) -> &Self::Ledger;

    /// Ends the lease of an open record.
    async fn expire(&mut self, key: &Key);

    /// Takes the folded form away. `false`: no older release wrote such records.
    async fn age(&mut self, key: &Key) -> bool;

    /// Holds the stored record against the model's, where it can be seen.
    async fn compare(&mut self, key: &Key, expected: Option<Record>) -> Result<(), TestCaseError>;
}

async fn play(mut bench: impl Bench, acts: Acts, max_sends: u8) -> Result<(), TestCaseError> {
    let protocol = Protocol { variant: Variant::Ours, max_sends };
    let terms = Terms::new(LEASE, RETENTION).on_ambiguous(OnAmbiguous::ResendUpTo(max_sends.into()));
    let key = Key::new("model", &unique());
    let mut record: Option<Record> = None;
    let mut leases = Vec::new();
    // At last someone new looks: what a record hides, its next claim shows.
    let last = Act::Claim { token: 5, content: 0, message: 1, failed_ago: None };
    let end = [(Act::Expire, false), (last, false)];
    for (act, lost) in acts.into_iter().chain(end) {
        for _ in 0..=u8::from(lost) {
            match &act {
                &Act::Claim { token, content, message, failed_ago } => {
                    let mut request = Request::new(key.clone(), fingerprint(content));
                    (request.message_id, request.ledger_failed_ago) = (name(message), failed_ago);
                    let answer = bench.ledger().claim(&request, &format!("token-{token}"), &terms).await;
                    let saw_it_fail = failed_ago == Some(Duration::ZERO);
                    let asker = Asker { token, fingerprint: content, message, saw_it_fail };
                    match (protocol.claim(&mut record, asker), answer.expect("an answer")) {
                        (model::Claim::Acquired(ours), real::Claim::Acquired(theirs))
                        | (model::Claim::Ambiguous(ours), real::Claim::Ambiguous(theirs)) => {
                            leases.push((ours, theirs));
                        }
                        (model::Claim::Busy, real::Claim::Busy(left)) => {
                            prop_assert!(left > LEASE / 2 && left <= LEASE, "{left:?} left");
                        }
                        (model::Claim::Done, real::Claim::Done)
                        | (model::Claim::Conflict, real::Claim::Conflict)
                        | (model::Claim::Parked, real::Claim::Parked)
                        | (model::Claim::Kills, real::Claim::KillsItsWorker) => {}
                        (ours, theirs) => prop_assert!(false, "{act:?}: {ours:?} expected, {theirs:?}"),
                    }
                }
                Act::Show(which, call) => {
                    let Some(last) = leases.len().checked_sub(1) else { continue };
                    let (ours, theirs) = match which {
                        Lease::Last => &leases[last],
                        Lease::Any(index) => index.get(&leases),
                    };
                    match call {
                        Call::Begin => {
                            let expected = match protocol.begin(&mut record, *ours) {
                                model::Begin::Go => real::Begin::Go,
                                model::Begin::Done => real::Begin::Done,
                                model::Begin::Lost => real::Begin::Lost,
                            };
                            prop_assert_eq!(bench.ledger().begin(theirs, &terms).await, Ok(expected));
                        }
                        Call::Renew => {
                            let expected = protocol.renew(&mut record, *ours);
                            prop_assert_eq!(bench.ledger().renew(theirs, &terms).await, Ok(expected));
                        }
                        Call::Commit => {
                            protocol.commit(&mut record, *ours);
                            prop_assert_eq!(bench.ledger().commit(theirs, "receipt", &terms).await, Ok(()));
                        }
                        Call::Release(why) => {
                            let expected = protocol.release(&mut record, *ours, *why);
                            let answer = bench.ledger().release(theirs, shown(*why)).await;
                            tells(&answer.expect("an answer"), expected)?;
                        }
                    }
                }
                Act::Expire => {
                    if record.is_some_and(|record| record.is_open() && !record.over) {
                        protocol.expire(&mut record);
                        bench.expire(&key).await;
                    }
                }
                Act::Age => {
                    let is_older = bench.age(&key).await;
                    record.iter_mut().filter(|_| is_older).for_each(|record| record.folded = None);
                }
            }
            bench.compare(&key, record).await?;
        }
    }
    Ok(())
}

fn fingerprint(content: Content) -> Fingerprint {
    let (spelled, folded) = CONTENTS[usize::from(content)];
    Fingerprint::spelled(&[spelled], &[folded])
}

fn name(message: Message) -> String {
    MESSAGES[usize::from(message)].to_owned()
}

fn shown(why: model::Release) -> real::Release<'static> {
    let (of, outcome) = (|message: Message| MESSAGES[usize::from(message)], "f");
    match why {
        model::Release::Uncounted => real::Release::Uncounted,
        model::Release::Failed(message) => real::Release::Failed { message_id: of(message), outcome },
        model::Release::Unknown(message) => real::Release::Unknown { message_id: of(message), outcome },
        model::Release::Deferred(message) => real::Release::Deferred { message_id: of(message) },
    }
}

/// Times are the clock's; what was never counted has none.
fn tells(setbacks: &Setbacks, expected: model::Setbacks) -> Result<(), TestCaseError> {
    let Setbacks { failures, history, deferrals, deferred_for } = setbacks;
    prop_assert_eq!((*failures, *deferrals), (expected.failures.into(), expected.deferrals.into()));
    prop_assert_eq!(history.matches("f@").count(), usize::from(expected.failures), "{}", history);
    prop_assert!(*deferrals > 0 || deferred_for.is_zero(), "{:?}", setbacks);
    Ok(())
}

struct Redis {
    ledger: RedisLedger,
    connection: MultiplexedConnection,
}

impl Redis {
    async fn connect() -> Self {
        let client = redis::Client::open(world::servers()["REDIS_URL"].as_str()).expect("a Redis URL");
        let connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        Self { ledger: RedisLedger::new(world::redis()), connection }
    }
}

impl Bench for Redis {
    type Ledger = RedisLedger;

    fn ledger(&self) -> &RedisLedger {
        &self.ledger
    }

    async fn expire(&mut self, key: &Key) {
        let key = key.as_str();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
        let _: i64 = self.connection.hset(key, "dl", (now - 1) as u64).await.expect("Redis answers");
        // Most of the retention has passed too: a commit must begin it anew.
        let _: bool = self.connection.pexpire(key, millis(RETENTION / 4)).await.expect("Redis answers");
    }

    async fn age(&mut self, key: &Key) -> bool {
        let _: i64 = self.connection.hdel(key.as_str(), "ff").await.expect("Redis answers");
        true
    }

    async fn compare(&mut self, key: &Key, expected: Option<Record>) -> Result<(), TestCaseError> {
        let stored = redis::pipe().hgetall(key.as_str()).pttl(key.as_str()).cmd("TIME").to_owned();
        let (mut stored, ttl, now): (BTreeMap<String, String>, i64, (u64, u64)) =
            stored.query_async(&mut self.connection).await.expect("Redis answers");
        let Some(expected) = expected else {
            prop_assert!(stored.is_empty(), "nothing expected, {stored:?}");
            return Ok(());
        };
        // Times are the clock's: which are there, and whether the lease is over, is the record's.
        let is_there: Vec<_> = ["dl", "mid", "t0", "t1", "fh", "d0"].map(|field| stored.remove(field)).into();
        let now = now.0 * 1000 + now.1 / 1000;
        let over = is_there[0].as_ref().map(|dl| dl.parse::<u64>().expect("a time") <= now);
        let is_done = expected.step == Step::Done;
        prop_assert_eq!(over, (!is_done).then_some(expected.over));
        let is_there: Vec<_> = is_there.iter().skip(1).map(Option::is_some).collect();
        let (failing, deferring) = (expected.counts.failing, expected.counts.deferring);
        prop_assert_eq!(is_there, [is_done, true, !expected.is_open(), failing.is_some(), deferring.is_some()]);
        prop_assert_eq!(stored, fields(&expected));
        let least = if is_done { millis(RETENTION / 2) } else { 0 };
        prop_assert!(ttl > least && ttl <= millis(RETENTION), "the key lives for {ttl} ms");
        Ok(())
    }
}

/// The record as `claim.lua` and its siblings write it, times left out.
fn fields(record: &Record) -> BTreeMap<String, String> {
    let step = match record.step {
        Step::Pending => "P",
        Step::Sending => "S",
        Step::Done => "D",
        Step::Parked => "X",
    };
    let token = if record.token == model::NOBODY { String::new() } else { format!("token-{}", record.token) };
    let mut fields = BTreeMap::from([
        ("st".to_owned(), step.to_owned()),
        ("tok".to_owned(), token),
        ("gen".to_owned(), record.generation.to_string()),
        ("att".to_owned(), record.sends.to_string()),
        ("fp".to_owned(), fingerprint(record.fingerprint).exact().to_owned()),
    ]);
    fields.extend(record.folded.map(|folded| ("ff".to_owned(), fingerprint(folded).exact().to_owned())));
    fields.extend(record.begun.map(|begun| ("bg".to_owned(), begun.to_string())));
    fields.extend((record.repeats > 0).then(|| ("dup".to_owned(), record.repeats.to_string())));
    fields.extend((record.step != Step::Done).then(|| ("cm".to_owned(), name(record.counts.message))));
    let counted = (1_u8..).zip(record.counts.takeovers).filter(|(_, count)| *count > 0);
    fields.extend(counted.map(|(message, count)| (format!("k:{}", name(message)), count.to_string())));
    for (which, count, counted) in [("fm", "fn", record.counts.failing), ("dm", "dn", record.counts.deferring)] {
        let Some((message, so_far)) = counted else { continue };
        fields.extend([(which.to_owned(), name(message)), (count.to_owned(), so_far.to_string())]);
    }
    fields
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("a short time")
}

struct Memory(MemoryLedger);

impl Bench for Memory {
    type Ledger = MemoryLedger;

    fn ledger(&self) -> &MemoryLedger {
        &self.0
    }

    async fn expire(&mut self, _key: &Key) {
        tokio::time::advance(LEASE).await;
    }

    async fn age(&mut self, _key: &Key) -> bool {
        false
    }

    async fn compare(&mut self, _key: &Key, _expected: Option<Record>) -> Result<(), TestCaseError> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_scripts_on_redis_do_to_a_record_what_the_model_does(acts in acts(), max_sends in 1..=3_u8) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { play(Redis::connect().await, acts, max_sends).await })?;
    }

    #[test]
    fn the_ledger_in_memory_answers_what_the_model_answers(acts in acts(), max_sends in 1..=3_u8) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(play(Memory(MemoryLedger::default()), acts, max_sends))?;
    }
}
