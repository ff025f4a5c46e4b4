//! The event that ships: `user.signed_up`, parsed once and never raw again.
//!
//! Enters: an event's fields, or values that already hold their rules. Leaves: a [`UserSignedUp`] in which every field is valid, and
//! its contract as a [`schema`]. Knows no envelope, no queue, no handler. Pure, but for [`UserSignedUp::new`], which takes
//! the time and a random id.

mod address;
pub mod schema;
mod signed_up;
mod values;
mod with_fields;

pub use address::{EmailAddress, a_labels};
pub use signed_up::{USER_SIGNED_UP, UserSignedUp};
pub use values::{Plan, UserId};
pub use with_fields::WithFields;

#[cfg(test)]
mod tests;
