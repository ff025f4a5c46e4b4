//! The event: what happened, parsed once and never raw again.
//!
//! Enters: JSON text (`wire`) or values that already hold their rules (`values`, `address`, `timestamp`). Leaves: a
//! [`UserSignedUp`] in which every field is valid, and the contract as a [`schema`]. Pure: knows no envelope, no queue, no handler.

mod address;
mod scalar;
pub mod schema;
mod timestamp;
mod values;
mod wire;

pub use address::{EmailAddress, a_labels};
pub(crate) use scalar::Scalar;
pub use timestamp::Timestamp;
pub use values::{EventId, InvalidValue, Plan, UserId};
pub use wire::{Arrival, EventError, EventKind};

/// The `type` of the only event carried today, and the value of its `eventType` attribute.
pub const USER_SIGNED_UP: &str = "user.signed_up";

/// The newest schema version whose fields this crate knows.
pub const NEWEST_KNOWN_VERSION: u32 = 2;

/// A user has signed up. Versions 1 (no plan) and 2 (with plan) of the schema both end here.
///
/// ```
/// use user_events::event::{EmailAddress, UserSignedUp};
///
/// let email: EmailAddress = "user@example.com".parse()?;
/// let event = UserSignedUp::new("123".parse()?, email, Some("pro".parse()?));
/// assert_eq!(event.version, 2);
/// assert!(event.to_json().contains(r#""userId":"123""#));
/// assert!(!format!("{event:?}").contains("user@example.com"), "addresses mask themselves");
/// # Ok::<(), user_events::event::InvalidValue>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSignedUp {
    /// Which event this is: the same on every copy and every retry.
    pub event_id: EventId,
    /// Who signed up: the business key that effects are made idempotent by.
    pub user_id: UserId,
    /// Where the welcome mail goes. Masks itself when printed.
    pub email: EmailAddress,
    /// What they signed up for; version 1 does not say, and version 2 need not.
    pub plan: Option<Plan>,
    /// When it happened, by the publisher's clock, else by the carrier's.
    pub occurred_at: Timestamp,
    /// It had a time of its own, which could not be read or lay in the future: the carrier's stands in.
    pub has_stand_in_time: bool,
    /// The schema version as published; may be newer than [`NEWEST_KNOWN_VERSION`].
    pub version: u32,
}

impl UserSignedUp {
    /// A new event with a fresh id (UUID v7), occurred now: version 2 with a plan, else version 1.
    #[must_use]
    pub fn new(user_id: UserId, email: EmailAddress, plan: Option<Plan>) -> Self {
        Self {
            event_id: EventId::fresh(),
            user_id,
            email,
            version: if plan.is_some() { 2 } else { 1 },
            plan,
            occurred_at: Timestamp::now(),
            has_stand_in_time: false,
        }
    }

    /// Was this written for a newer schema than we know? Handled all the same, and counted.
    #[must_use]
    pub fn is_newer_than_known(&self) -> bool {
        self.version > NEWEST_KNOWN_VERSION
    }
}
