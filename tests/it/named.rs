//! What is waited for bears the name that an operator knows, and says where it is.

use std::time::Duration;

use serde_json::Value;

use crate::world::http::get;
use crate::world::processes::{Worker, both, execute};
use crate::world::proxy::free_port;
use crate::world::smtp::SmtpServer;
use crate::world::{World, eventually};

const SOON: Duration = Duration::from_secs(20);
const SECRET: &str = "pw-for-tests-Zx9";

#[tokio::test]
async fn a_redis_that_is_gone_is_named_with_its_host_and_port_and_never_with_its_password() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    let (gone, at) = (free_port(), free_port());
    env.insert("REDIS_URL".to_owned(), format!("redis://worker:{SECRET}@127.0.0.1:{gone}"));
    env.insert("HTTP_ADDR".to_owned(), format!("127.0.0.1:{at}"));
    let worker = Worker::start(&env);

    let waits = format!(": paused: waiting for redis (redis at 127.0.0.1:{gone}: ");
    let address = worker.address().await;
    let told = eventually("both wait for redis", SOON, || async {
        let (status, told) = get(&address, "/readyz").await;
        (status == 503 && told.matches(&waits).count() == 2).then_some(told)
    });
    let told = told.await;
    let output = execute(&env, &["doctor", "--json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen = |fault: &str| {
        let of = |finding: &&Value| finding["fault"] == fault;
        report["findings"].as_array().unwrap().iter().filter(of).map(|f| f["seen"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(seen("redis_silent").len(), 1, "{report}");
    assert!(seen("redis_silent")[0].contains(&format!("redis at 127.0.0.1:{gone}")), "{report}");
    assert_eq!(seen("paused").iter().filter(|seen| seen.contains("waiting for redis (")).count(), 2, "{report}");
    let status = String::from_utf8(execute(&env, &["status", "--json"]).await.stdout).unwrap();
    assert_eq!(status.matches("paused: waiting for redis (").count(), 2, "{status}");

    worker.says("\"dependency\":\"redis\"", SOON).await;
    let all = [told, report.to_string(), status, worker.log().join("\n")].concat();
    assert!(!all.contains(SECRET) && !all.contains("ledger"), "{all}");
    assert_eq!(worker.terminate().await, Some(0));
}
