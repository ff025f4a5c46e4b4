//! Everything at once, the short form: `make soak` takes half an hour of it on the release binary.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::world::World;
use crate::world::patience::{patience, slowness};
use crate::world::processes::OURS;

/// In seconds; at twenty events each, of which one in twenty meets a fault at each of its servers.
const PUBLISHING: u32 = 12;

#[tokio::test]
async fn while_one_call_in_twenty_goes_wrong_each_event_gets_its_mail_its_profile_and_its_call() {
    let world = World::start().await;
    let python = std::env::var("TEST_PYTHON").expect("no Python with boto3: run the tests by `make test`");
    let minutes = format!("{}", f64::from(PUBLISHING) / 60.0);
    let mut soak = Command::new(python);
    soak.args(["tests/soak/run", "--binary", OURS, "--endpoint", &world.env["AWS_ENDPOINT_URL"]]);
    soak.args(["--minutes", &minutes, "--rate", "20", "--odds", "20", "--visibility", "15"]);
    soak.current_dir(env!("CARGO_MANIFEST_DIR")).env("TEST_SLOWNESS", slowness().to_string()).kill_on_drop(true);
    let output =
        timeout(patience(Duration::from_secs(360)), soak.output()).await.expect("it ends").expect("Python runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("profiles: 240 of 240 users"), "{told}");
}
