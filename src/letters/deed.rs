//! What a person has done with letters: its name, its words, and the action on each of them. Pure.

use super::{LetterAction, Source};

/// A deed on letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetterDeed {
    /// They go back to their source queue.
    Redrive,
    /// They are deleted for good.
    Drop,
}

impl LetterDeed {
    /// As the commands, the pages and the audit call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Drop => "drop",
        }
    }

    /// What it does with each letter; at most `rate` letters a second go back.
    pub(crate) fn action(self, rate: Option<u32>) -> LetterAction<'static> {
        match self {
            Self::Redrive => LetterAction::Send { rate },
            Self::Drop => LetterAction::Drop,
        }
    }

    /// Can only SQS itself do it? It alone knows the groups of a FIFO queue's letters.
    pub(crate) fn needs_sqs(self, source: &impl Source) -> bool {
        self == Self::Redrive && source.is_fifo()
    }

    /// What became of this many letters: `went back to QUEUE`, `were dropped`.
    pub(crate) fn did(self, letters: u64, source: &impl Source) -> String {
        match self {
            Self::Redrive => format!("went back to {}", source.name()),
            Self::Drop if letters == 1 => "was dropped".to_owned(),
            Self::Drop => "were dropped".to_owned(),
        }
    }

    /// What would become of letters.
    pub(crate) fn would(self, source: &impl Source) -> String {
        match self {
            Self::Redrive => format!("go back to {}", source.name()),
            Self::Drop => "be dropped".to_owned(),
        }
    }
}
