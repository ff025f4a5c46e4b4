//! How far an effect has come. Every ledger keeps it; in Redis it is a record's field `st`, one letter.

/// How far an effect has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// `P`: surely nothing was sent.
    Claimed,
    /// `S`: the fence was crossed, and the effect may have happened.
    Begun,
    /// `D`: the effect was seen to happen.
    Done,
    /// `X`: it is unknown whether the effect happened, and no send is left.
    Parked,
}

impl State {
    /// All states, in the order of an effect's way.
    pub const ALL: [Self; 4] = [Self::Claimed, Self::Begun, Self::Done, Self::Parked];

    /// The word a person reads.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Parked => "parked",
        }
    }
}
