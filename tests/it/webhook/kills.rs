//! Workers that call once a user are killed while they call: one call a user, and a second only where a kill explains it.
//!
//! Enters: `WEBHOOK_KILLS`, few without it; they fall by chance. Trusts the service's diary; each process signs its calls by a header of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::crm::{Crm, events_of};
use super::service::{Reaction, Service};
use crate::world::eventually;
use crate::world::patience::at_this_pace;
use crate::world::processes::Worker;

const WORKERS: usize = 3;
const USERS_A_KILL: usize = 15;

/// One call.
#[derive(Debug, Clone)]
struct Call {
    at: Instant,
    process: String,
    event: String,
}

/// A process that was.
struct Past {
    killed: Option<Instant>,
    /// The events that it called done.
    done: BTreeSet<String>,
}

/// The calls for each user.
type Diary = Arc<Mutex<BTreeMap<String, Vec<Call>>>>;

fn diary_of(service: &Service) -> Diary {
    let diary = Diary::default();
    let writes = diary.clone();
    service.decides(move |request| {
        let body: Value = serde_json::from_str(&request.body).expect("we sent JSON");
        let user = body["userId"].as_str().expect("a user").to_owned();
        let (process, event) = (request.headers["x-process"].clone(), request.headers["webhook-id"].clone());
        writes.lock().unwrap().entry(user).or_default().push(Call { at: Instant::now(), process, event });
        // Long enough that a kill finds calls under way.
        Reaction::Late(Duration::from_millis(fastrand::u64(50..200)))
    });
    diary
}

fn started(crm: &Crm, number: usize) -> (String, Worker) {
    let name = format!("p{number}");
    let mut env = crm.env.clone();
    env.insert("CRM_WEBHOOK_HEADERS".to_owned(), format!("X-Process: {name}"));
    (name, Worker::of(&env, &["run", "crm"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_once_for_a_user_whose_workers_are_killed_makes_one_call_each_and_a_second_only_for_a_kill() {
    let kills = std::env::var("WEBHOOK_KILLS").map_or(6, |text| text.parse().expect("a whole number"));
    let service = Service::start().await;
    let diary = diary_of(&service);
    let lease = at_this_pace(Duration::from_secs(2));
    let crm = Crm::calling(&service.url, 2 * lease).await;
    let settings = [
        ("CRM_ONCE", "userId".to_owned()),
        ("WORKER_CONCURRENCY", "4".to_owned()),
        ("IDEMPOTENCY_LEASE", format!("{}s", lease.as_secs())),
    ];
    let crm = settings.into_iter().fold(crm, |crm, (name, value)| crm.with(name, &value));
    let mut running: Vec<_> = (0..WORKERS).map(|n| started(&crm, n)).collect();
    let mut past = BTreeMap::new();
    for kill in 0..kills {
        let users = kill * USERS_A_KILL..(kill + 1) * USERS_A_KILL;
        // Two events a user, and one of them twice.
        let body = |user: usize, n: usize| {
            format!(r#"{{"type":"user.signed_up","eventId":"{id}-{n}","userId":"{id}"}}"#, id = crm.id(user))
        };
        let bodies: Vec<_> = users.flat_map(|user| [body(user, 0), body(user, 1), body(user, 0)]).collect();
        let from = Instant::now();
        crm.world.send_all(&crm.queue, &bodies).await;
        fastrand::shuffle(&mut running);
        let calls_now = async || {
            let diary = diary.lock().unwrap();
            let is_calling = |name: &String| diary.values().flatten().any(|c| c.at > from && c.process == *name);
            running.iter().position(|(name, _)| is_calling(name))
        };
        let at = eventually("somebody calls", Duration::from_secs(30), calls_now).await;
        sleep(Duration::from_millis(fastrand::u64(..150))).await;
        let (name, mut worker) = running.swap_remove(at);
        worker.signal("KILL");
        let killed = Some(Instant::now());
        assert_eq!(worker.exit(Duration::from_secs(10)).await, None, "a signal ended it");
        past.insert(
            name,
            Past { killed, done: events_of(&worker.log(), "\"outcome\":\"done\"").into_iter().collect() },
        );
        running.push(started(&crm, WORKERS + kill));
    }
    crm.world.drained(&crm.queue, Duration::from_secs(90)).await;
    for (name, worker) in running {
        let done = events_of(&worker.log(), "\"outcome\":\"done\"").into_iter().collect();
        past.insert(name, Past { killed: None, done });
        assert_eq!(worker.terminate().await, Some(0));
    }

    let letters = crm.letters().await;
    let diary = diary.lock().unwrap().clone();
    let mut explained = 0;
    for user in 0..kills * USERS_A_KILL {
        let calls = diary.get(&crm.id(user)).cloned().unwrap_or_default();
        let dead = (0..2).filter_map(|n| letters.get(&format!("{}-{n}", crm.id(user)))).collect::<Vec<_>>();
        assert!(calls.len() <= 2, "{user}: {calls:?}");
        // Two kills between fence and record leave no call to make, and nobody knows of those that were.
        assert!(!calls.is_empty() || !dead.is_empty(), "{user} was never called for");
        assert!(dead.iter().all(|why| why.starts_with("outcome_unknown: ")), "{user}: {dead:?}");
        let events = [0, 1].map(|n| format!("{}-{n}", crm.id(user)));
        let is_done = past.values().any(|past| events.iter().any(|event| past.done.contains(event)));
        assert!(dead.is_empty() || !is_done, "{user} is done, and dead as unknown: {calls:?} {dead:?}");
        for pair in calls.windows(2) {
            let first = &past[&pair[0].process];
            let is_killed = first.killed.is_some_and(|at| at >= pair[0].at) && pair[0].process != pair[1].process;
            assert!(is_killed && !first.done.contains(&pair[0].event), "no kill explains the second of {calls:?}");
            explained += 1;
        }
    }
    println!("{kills} kills, {} users, {explained} called for twice, {} letters", kills * USERS_A_KILL, letters.len());
}
