//! Sample reactions of a team's own, for the unit tests of code that takes a list of reactions.

use super::Reactions;
use crate::events::UserSignedUp;
use crate::one_of;
use engine::event::{Event, EventError, Fields, Head, Once};
use engine::handler::{Handled, Handler, HandlerError};
use engine::idempotency::Fence;

/// A team's own event.
#[derive(Debug)]
pub(crate) struct Paid(Head);

impl Event for Paid {
    const TYPES: &'static [&'static str] = &["order.paid"];

    fn read(head: Head, _: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self(head))
    }

    fn head(&self) -> &Head {
        &self.0
    }

    fn subject(&self) -> &str {
        self.0.id.as_str()
    }
}

one_of! { pub(crate) enum Sale { SignedUp(UserSignedUp), Paid(Paid) } }

/// Defines a reaction that does nothing: type name, reaction name, event, and how often its effect happens.
macro_rules! reaction {
    ($name:ident, $called:literal, $event:ty, $once:expr) => {
        pub(crate) struct $name;

        impl Handler for $name {
            type Event = $event;
            const NAME: &'static str = $called;
            const ONCE: Once = $once;

            async fn handle(&self, _event: &$event, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
                Ok(Handled::done(fence.cross().await?))
            }
        }
    };
}

reaction!(Crm, "crm", UserSignedUp, Once::Subject);
reaction!(Notify, "order-notify", Paid, Once::Subject);
reaction!(Each, "each", Sale, Once::Event);
reaction!(Follows, "follows", Sale, Once::Subject);
// Names that are not allowed, or not beside another name.
reaction!(Hyphen, "order-notify", UserSignedUp, Once::Subject);
reaction!(SameVariables, "order_notify", UserSignedUp, Once::Subject);
reaction!(SameRecords, "welcome_email", UserSignedUp, Once::Subject);
reaction!(Capital, "Crm", UserSignedUp, Once::Subject);
reaction!(Colon, "crm:eu", UserSignedUp, Once::Subject);

/// A list of two: the effects of `crm` are recorded, those of `order-notify` are not.
pub(crate) fn two() -> Reactions {
    Reactions::new().with(Crm).with_atomic(Notify)
}
