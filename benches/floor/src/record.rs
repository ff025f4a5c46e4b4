//! Claim, begin and commit of one record after another: the service's own scripts over one connection, nothing between.
//!
//! Enters: numbers. Leaves: a committed record of each. Scripts and arguments are what the service sends.

use std::rc::Rc;

use redis::aio::MultiplexedConnection;
use redis::{Client, Script};
use tokio::task::spawn_local;

use crate::{Numbers, variable};

const FINGERPRINT: &str = "4c2f6e0d9b1a7c3358e1f0a2d4b6c8ea4c2f6e0d9b1a7c3358e1f0a2d4b6c8ea";
const LEASE: &str = "22500";
const RETENTION: &str = "3888000000";

struct Scripts {
    claim: Script,
    begin: Script,
    commit: Script,
}

pub async fn keep(slots: usize, numbers: Numbers) {
    let client = Client::open(variable("REDIS_URL")).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await.expect("Redis is there");
    let scripts = Rc::new(Scripts {
        claim: Script::new(include_str!("../../../engine/src/idempotency/claim.lua")),
        begin: Script::new(include_str!("../../../engine/src/idempotency/begin.lua")),
        commit: Script::new(include_str!("../../../engine/src/idempotency/commit.lua")),
    });
    let all = (0..slots).map(|_| spawn_local(slot(connection.clone(), scripts.clone(), numbers.clone())));
    for slot in all.collect::<Vec<_>>() {
        slot.await.expect("kept");
    }
}

async fn slot(mut connection: MultiplexedConnection, scripts: Rc<Scripts>, numbers: Numbers) {
    for number in numbers {
        let key = format!("idem:v1:{{u-1-{number}}}:welcome_email");
        let (token, message) = (format!("{number:032x}"), format!("10000000-0000-4000-8000-{number:012}"));
        let receipt = format!("{number:026}@example.com");
        let claim = [&token, FINGERPRINT, FINGERPRINT, LEASE, RETENTION, "2", &message, "-1", "5", "60000"];
        let generation = run(&mut connection, &scripts.claim, &key, &claim, "ACQUIRED").await.pop().expect("a number");
        run(&mut connection, &scripts.begin, &key, &[&token, &generation, LEASE], "GO").await;
        let commit = [&token, &generation, FINGERPRINT, FINGERPRINT, &receipt, RETENTION];
        run(&mut connection, &scripts.commit, &key, &commit, "OK").await;
    }
}

async fn run(
    connection: &mut MultiplexedConnection,
    script: &Script,
    key: &str,
    arguments: &[&str],
    yes: &str,
) -> Vec<String> {
    let mut call = script.key(key);
    for argument in arguments {
        call.arg(*argument);
    }
    let answer: Vec<String> = call.invoke_async(connection).await.expect("Redis answers");
    assert_eq!(answer.first().map(String::as_str), Some(yes));
    answer
}
