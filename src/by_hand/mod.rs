//! What a person does by hand to workers, records and events, for the commands and the console alike: each deed is here once.
//!
//! Enters: what was asked for. Leaves: the deed, done, and its line for [`crate::audit`]; or why there is no such deed. Knows
//! no terminal and no page. What is done to dead letters has a room of its own.

pub(crate) mod event;
pub(crate) mod pause;
pub(crate) mod record;
