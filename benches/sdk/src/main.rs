//! What a user would write: a loop around aws-sdk-sqs, with its default features, runtime and release profile.
//!
//! Enters: what `poll` reads. Runs until it is killed.

mod poll;

#[tokio::main]
async fn main() {
    poll::run(aws_sdk_sqs::Client::new(&aws_config::load_from_env().await)).await;
}
