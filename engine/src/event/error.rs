//! Why a text is not an event: names field and rule, never the content.

use super::InvalidValue;

/// Why a text is not an event. Names field and rule; never repeats the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not a JSON object, cut off, or a field that is read stands in it twice.
    #[error("the event is not a JSON object with each field once")]
    NotAnObject,
    /// It has no `type` that is a text, and its fields are not ours either.
    #[error("the event has no `type`, and is not ours by its fields either")]
    Foreign {
        /// Is there a `type` that is no text?
        has_type: bool,
    },
    /// A field that this version must have is absent or null.
    #[error("the event has no field `{0}`")]
    MissingField(&'static str),
    /// A field breaks its rule.
    #[error("the event's field `{0}` {1}")]
    InvalidField(&'static str, InvalidValue),
    /// A newer version that lacks a field we know, or has changed it.
    #[error("the event has version {version} and not the field `{field}` that version {newest} has")]
    UnsupportedVersion {
        /// The version that the event states.
        version: u32,
        /// The newest version whose fields are known.
        newest: u32,
        /// The known field that is gone or changed.
        field: &'static str,
    },
}

impl EventError {
    /// Field and rule, in one short line: never the content.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::NotAnObject => "event: must be a JSON object with each field once".to_owned(),
            Self::Foreign { has_type: false } => "type: must be there".to_owned(),
            Self::Foreign { has_type: true } => "type: must be a string".to_owned(),
            Self::MissingField(field) => format!("{field}: must be there"),
            Self::InvalidField(field, rule) => format!("{field}: {rule}"),
            Self::UnsupportedVersion { field, newest, .. } => format!("{field}: must be as version {newest} has it"),
        }
    }

    /// The same error in an event of this version: if a newer version lacks a field, the version is at fault.
    pub(super) fn in_version(self, version: u32, newest: u32) -> Self {
        match self {
            Self::MissingField(field) | Self::InvalidField(field, _) if version > newest => {
                Self::UnsupportedVersion { version, newest, field }
            }
            other => other,
        }
    }
}
