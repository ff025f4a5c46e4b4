//! The composition root: opens the servers that all reactions share, once, and starts every worker of the list.
//!
//! Enters: valid settings, the list of reactions, and a token that says stop. Leaves: how each worker ended, or
//! what was missing at the start.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use aws_config::SdkConfig;
use futures_util::future::try_join_all;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::aws::{self, AwsError};
use crate::config::{AwsConfig, ReactionConfig, RunConfig, masked};
use crate::ecs;
use crate::fleet::redis::Fleet;
use crate::fleet::{self, Rate, Report};
use crate::pauses::{NamedSwitch, PauseMarks};
use crate::plain;
use crate::reactions::{Reactions, StartError, WorkerParts};
use crate::telemetry::health;
use crate::telemetry::roster::Roster;
use crate::telemetry::{Measured, Telemetry};
use engine::backoff::Backoff;
use engine::event::Timestamp;
use engine::idempotency::neighbours::{self, Neighbours};
use engine::queue::sqs::SqsQueue;
use engine::queue::{Queue, QueueError};
use engine::redis_link::{ClusterFacts, RedisError, RedisLink};
use engine::worker::{Duty, PauseSwitch, Summary};

/// Why nothing started, or why the process ended without a stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A queue does not exist, or we may not use it.
    #[error("the queue of `{reaction}`: {error}")]
    Queue {
        /// Whose queue.
        reaction: &'static str,
        /// What the queue answered.
        error: QueueError,
    },
    /// The health endpoint cannot listen: the address is in use, or not one of this machine's.
    #[error("HTTP_ADDR cannot be listened on: {0}")]
    Listen(String),
    /// The settings are valid, but do not fit the servers that were found.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The AWS SDK lacks something.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A part refused its settings.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A worker's loop panicked; the log says where.
    #[error("a worker ended by itself")]
    Ended,
}

/// The AWS SDK's settings, for a command that logs. If its calls do not go to AWS, it logs where they go.
///
/// # Errors
/// [`AwsError`].
pub async fn aws(told: &AwsConfig) -> Result<SdkConfig, AwsError> {
    let config = aws::load(told).await?;
    if let Some(endpoint) = aws::elsewhere(&config) {
        warn!(endpoint, "not AWS: calls go to this endpoint");
    }
    Ok(config)
}

/// Starts every reaction and the health endpoint, and works until `stop`. Opens all queues before it receives
/// any message.
///
/// # Errors
/// [`RunError`], before any poll.
pub async fn run(
    config: RunConfig,
    reactions: Reactions,
    telemetry: &Arc<Telemetry>,
    stop: CancellationToken,
) -> Result<Vec<Summary>, RunError> {
    let aws = aws(&config.aws).await?;
    let redis = RedisLink::new(&config.redis_url)?.under(&config.redis_prefix);
    check_redis(&redis, config.require_noeviction).await?;
    let (listener, address) = listen(config.http_addr).await.map_err(|error| unheard(config.http_addr, &error))?;

    // The health endpoint closes after the workers: a slow drain must still look alive.
    let closed = CancellationToken::new();
    let roster = Roster::starting(config.reactions.iter().map(|reaction| reaction.name));
    let endpoint = health::serve(listener, roster.clone(), telemetry.clone(), closed.clone());
    let endpoint = AbortOnDropHandle::new(tokio::spawn(endpoint));

    let opening = try_join_all(config.reactions.iter().map(|reaction| open(&aws, reaction, &roster)));
    let Some(opened) = stop.run_until_cancelled(opening).await else {
        info!("stopped before it began");
        return Ok(Vec::new());
    };
    let (mail, duty) = (config.mail, Duty::default());
    let (mut measured, mut built, mut switches) = (Vec::<Measured>::new(), Vec::new(), Vec::<NamedSwitch>::new());
    let mut opened: Vec<_> = opened?.into_iter().zip(config.reactions).collect();
    let places: Vec<_> = opened.iter().map(|(queue, config)| (config.name, masked(queue.identity()))).collect();
    check_apart(&places)?;
    for listed in reactions.into_rows() {
        let (name, of_it) = (listed.name, opened.extract_if(.., |(_, config)| config.name == listed.name).next());
        let Some((queue, config)) = of_it else { continue };
        let (watch, calls, price) = (telemetry.reaction(name, queue.name()), queue.calls().clone(), config.price);
        let (redis, mail, duty, switch, stop) = (&redis, mail.as_ref(), &duty, &PauseSwitch::default(), &stop);
        let (vitals, worker) = listed.build(WorkerParts { queue, config, watch, redis, mail, duty, switch, stop })?;
        measured.push(Measured { name, vitals, calls, price });
        switches.push((name, switch.clone()));
        built.push(worker);
    }
    telemetry.read(&measured);
    roster.work(measured.iter().map(|one| (one.name, one.vitals.clone())).collect());
    let pauses = PauseMarks::new(redis.clone());
    pauses.apply(&switches).await;
    let _paused = AbortOnDropHandle::new(tokio::spawn(pauses.follow(switches)));
    let announced = announce(Neighbours::new(redis.clone()), places.clone(), roster);
    let _announced = AbortOnDropHandle::new(tokio::spawn(announced));
    let worker = worker_name(config.ecs_agent.as_ref());
    let reported = report(Fleet::new(redis), worker, places.into_iter().collect(), measured);
    let _reported = AbortOnDropHandle::new(tokio::spawn(reported));
    let _protected = config.ecs_agent.map(|agent| AbortOnDropHandle::new(tokio::spawn(ecs::protect(agent, duty))));
    info!(%address, reactions = built.len(), "running");

    // No message was received before this line. No start can fail after it.
    let summaries = ends(built.into_iter().collect(), &stop).await;
    closed.cancel();
    if endpoint.await.is_err() {
        warn!("the health endpoint ended by itself");
    }
    summaries
}

/// The address is the one in use: `:0` in the settings lets the system choose a port.
async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The usual reason is another worker on this machine: then it is told how both can run.
fn unheard(address: SocketAddr, error: &io::Error) -> RunError {
    let is_taken = error.kind() == io::ErrorKind::AddrInUse;
    let remedy =
        if is_taken { "; a second worker here needs another one, such as HTTP_ADDR=127.0.0.1:8081" } else { "" };
    RunError::Listen(format!("{address}: {}{remedy}", plain::said(error)))
}

/// Waits until every worker has ended. If one panics the others stop too: restarting the whole service is better than
/// running half of it.
async fn ends(mut workers: JoinSet<Summary>, stop: &CancellationToken) -> Result<Vec<Summary>, RunError> {
    let (mut summaries, mut failed) = (Vec::new(), Ok(()));
    while let Some(ended) = workers.join_next().await {
        match ended {
            Ok(summary) => summaries.push(summary),
            // The panic's text is not logged: it may hold a value of an event.
            Err(_panic) => {
                stop.cancel();
                failed = Err(RunError::Ended);
            }
        }
    }
    failed.map(|()| summaries)
}

/// Refuses a Redis that cannot keep records. A Redis that does not answer yet is no error: the workers wait for it.
async fn check_redis(redis: &RedisLink, require_noeviction: bool) -> Result<(), RunError> {
    let facts = match redis.facts().await {
        Ok(facts) => facts,
        Err(error) if error.is_denied() => {
            let problem = "redis does not let us look (INFO): not known whether it is 7 or newer and keeps its records";
            if require_noeviction {
                return Err(misfit(format!("{problem}, as REQUIRE_NOEVICTION asks")));
            }
            warn!(%error, "{problem}");
            return Ok(());
        }
        Err(error) if error.is_misnamed() => return Err(misfit(format!("REDIS_URL: {error}"))),
        Err(error) if require_noeviction => return Err(error.into()),
        Err(error) => {
            warn!(%error, "redis is not there yet; its settings are not checked");
            return Ok(());
        }
    };
    if facts.major_version < 7 {
        return Err(misfit(format!("redis 7 or newer is needed, this is {}", facts.major_version)));
    }
    if let Some(ClusterFacts { masters, replicas, missing, .. }) = facts.cluster {
        info!(masters, replicas, "redis is a Redis Cluster");
        if !missing.is_empty() {
            let missing = missing.join(", ");
            warn!(missing, "no server of the Redis Cluster has these slots: events whose records belong there wait");
        }
    }
    if facts.eviction_policy != "noeviction" {
        let policy = facts.eviction_policy;
        let problem =
            format!("redis may drop records of effects in silence: maxmemory-policy is {policy}, not noeviction");
        if require_noeviction {
            return Err(misfit(problem));
        }
        warn!("{problem}");
    }
    Ok(())
}

/// Refuses two reactions on one queue, of which their URLs did not tell that it is one.
fn check_apart(places: &[(&str, String)]) -> Result<(), RunError> {
    for (n, (name, queue)) in places.iter().enumerate() {
        if let Some((other, _)) = places[..n].iter().find(|(_, other)| other == queue) {
            return Err(misfit(format!("`{name}` and `{other}` have one queue: each reaction needs one of its own")));
        }
    }
    Ok(())
}

/// Announces in Redis, until the process ends, which queue each reaction works on. Warns when another queue is worked
/// on under the same name.
async fn announce(here: Neighbours, places: Vec<(&'static str, String)>, roster: Roster) {
    loop {
        for (reaction, queue) in &places {
            let remark = match here.meet(reaction, queue).await {
                Ok(others) if others.is_empty() => None,
                Ok(others) => Some(format!(
                    "in this redis another queue is worked on under this name, and what one has done the other takes for done: \
                     {}; each environment needs a REDIS_PREFIX of its own",
                    neighbours::in_words(&others)
                )),
                Err(error) if error.is_denied() || error.is_wrong_type() => Some(format!(
                    "it is not known who else works under this name: {error} at the key reaction:{reaction}"
                )),
                // Redis is away: the workers that need it report that.
                Err(_) => continue,
            };
            if roster.remark(reaction, remark.clone())
                && let Some(remark) = remark
            {
                warn!(reaction, "{remark}");
            }
        }
        sleep(neighbours::RENEWED).await;
    }
}

/// Reports, until the process ends, how each reaction is and what its calls were.
async fn report(fleet: Fleet, worker: String, places: BTreeMap<&'static str, String>, reactions: Vec<Measured>) {
    let (since, mut is_told, mut rates) = (Timestamp::now(), false, BTreeMap::<&str, Rate>::new());
    let states = || reactions.iter().map(|one| one.vitals.hindrance()).collect::<Vec<_>>();
    loop {
        let told = states();
        for Measured { name, vitals, calls, price } in &reactions {
            let queue = places.get(name).map_or("", String::as_str);
            let report = Report::of(queue, vitals, calls, *price, since);
            let report = report.at(rates.entry(name).or_default(), Instant::now());
            if let Err(error) = fleet.say(name, &worker, &report).await
                && (error.is_denied() || error.is_wrong_type())
                && !std::mem::replace(&mut is_told, true)
            {
                warn!(reaction = name, "`status` does not see this worker: {error} at the key workers:{name}");
            }
        }
        // What it waits for is told at once.
        let change = async {
            while states() == told {
                sleep(fleet::LOOK).await
            }
        };
        let _ = timeout(fleet::RENEWED, change).await;
    }
}

/// The ECS task, else this machine, and the process.
fn worker_name(agent: Option<&ecs::Agent>) -> String {
    let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let place = agent.and_then(ecs::Agent::task).map(str::to_owned).or_else(machine).unwrap_or_default();
    format!("{}/{}", place.trim(), std::process::id())
}

fn misfit(problem: impl Into<String>) -> RunError {
    StartError(problem.into()).into()
}

/// Opens a reaction's queue. Waits while SQS does not answer, as a worker waits for Redis. A refusal fails at once.
async fn open(aws: &SdkConfig, config: &ReactionConfig, roster: &Roster) -> Result<SqsQueue, RunError> {
    let (dependency, since, mut tries) = (SqsQueue::SERVER, Timestamp::now(), 0);
    let queue = loop {
        let (url, dlq_url) = (config.queue_url.clone(), config.dlq_url.clone());
        let error = match SqsQueue::open(aws, url, dlq_url, config.settings.wait).await {
            Ok(queue) => break queue,
            Err(error) if error.is_passing() => error,
            Err(error) => return Err(RunError::Queue { reaction: config.name, error }),
        };
        tries += 1;
        if tries == 1 {
            warn!(reaction = config.name, dependency, %error, "waiting: something this reaction needs is not there yet");
        }
        roster.waits(config.name, format!("paused: waiting for {dependency} ({error}) since {since}"));
        sleep(Backoff::POLL.delay(tries)).await;
    };
    if queue.is_its_own_dlq() {
        let problem = format!("the DLQ of `{}` is its own queue: a dead letter would come again at once", config.name);
        return Err(misfit(problem));
    }
    Ok(match config.visibility {
        Some(visibility) => queue.with_visibility(visibility),
        None => queue,
    })
}
