//! A team's own event, and one reaction to two types of event on one queue: from outside the crate, with every command.

use std::{fs::OpenOptions, io::Write, process::ExitCode};

use serde::Deserialize;
use user_events::event::{Event, EventError, Fields, Head, Once};
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::{events::UserSignedUp, idempotency::Fence, one_of, ops, reactions::Reactions};

#[derive(Debug)]
struct OrderPaid {
    head: Head,
    order_id: String,
    total: Total,
}

#[derive(Debug, Deserialize)]
struct Total {
    amount: f64,
}

impl Event for OrderPaid {
    const TYPES: &'static [&'static str] = &["order.paid"];
    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self { head, order_id: fields.id("orderId")?, total: fields.parsed("total")? })
    }

    fn head(&self) -> &Head {
        &self.head
    }
    fn subject(&self) -> &str {
        &self.order_id
    }
}

one_of! { enum Sale { Paid(OrderPaid), SignedUp(UserSignedUp) } }

struct Journal;

impl Handler for Journal {
    type Event = Sale;
    const NAME: &'static str = "orders";
    const ONCE: Once = Once::Event;

    async fn handle(&self, event: &Sale, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let line = match event {
            Sale::Paid(order) => format!("{} paid {}\n", order.order_id, order.total.amount),
            Sale::SignedUp(user) => format!("{} signed up\n", user.user_id.as_str()),
        };
        // Whatever cannot be taken back comes after this line.
        let crossing = fence.cross().await?;
        let file = OpenOptions::new().append(true).create(true).open("journal.txt");
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.map(|()| Handled::done(crossing)).map_err(|error| HandlerError::OutcomeUnknown(error.to_string()))
    }
}

fn main() -> ExitCode {
    ops::main(Reactions::new().with(Journal))
}
