//! The names of the labels and span attributes that several files of this folder use.

/// The label that names the reaction.
pub(super) const REACTION: &str = "reaction";
pub(super) const SYSTEM: &str = "messaging.system";
pub(super) const DESTINATION: &str = "messaging.destination.name";
pub(super) const OPERATION: &str = "messaging.operation.name";
pub(super) const ERROR: &str = "error.type";
