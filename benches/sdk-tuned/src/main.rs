//! The loop of `sdk`, tuned: narrow features, one thread, link-time optimisation, no stalled-stream watch.
//!
//! Enters: what `poll` reads. Runs until it is killed.

#[path = "../../sdk/src/poll.rs"]
mod poll;

use aws_sdk_sqs::config::StalledStreamProtectionConfig;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = aws_config::load_from_env().await;
    let config = aws_sdk_sqs::config::Builder::from(&config)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    poll::run(aws_sdk_sqs::Client::from_conf(config)).await;
}
