//! Events without a broker: the same handlers, in one process.
//!
//! `cargo run --example in_process` publishes one event twice and prints what each reaction made of it.

#![expect(clippy::print_stdout, reason = "printing is what this example does")]

use std::error::Error;
use std::time::Duration;

use user_events::bus::Bus;
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::handlers::profile::ProfileHandler;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Fence, Terms};
use user_events::profiles::memory::MemoryProfiles;
use user_events::worker::Reaction;

/// A reaction of one's own: a name and one function.
struct Greeter;

impl Handler for Greeter {
    type Event = UserSignedUp;
    const NAME: &'static str = "greeter";

    async fn handle(&self, event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        // Whatever cannot be taken back comes after this line.
        let crossing = fence.cross().await?;
        println!("  hello, {}", event.user_id.as_str());
        Ok(Handled::done(crossing))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let terms = Terms::new(Duration::from_secs(30), Duration::from_secs(3600));
    let timeout = Duration::from_secs(10);
    let bus = Bus::new()
        .react(Reaction::atomic(ProfileHandler::new(MemoryProfiles::default()), timeout))
        .react(Reaction::recorded(Greeter, MemoryLedger::default(), terms, timeout));

    let event = UserSignedUp::new("123".parse()?, "user@example.com".parse()?, Some("pro".parse()?));
    for time in ["first", "second"] {
        println!("published for the {time} time:");
        for reacted in bus.publish(&event).await {
            println!("  {}: {}", reacted.handler, reacted.outcome.name());
        }
    }
    Ok(())
}
