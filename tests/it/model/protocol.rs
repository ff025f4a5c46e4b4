//! The record and its five steps, as pure functions: what the scripts beside `redis.rs` do to one key.
//!
//! Time is one bit: is the lease over? A [`Protocol`] is ours or one with a single thing changed, so
//! that the same exploration can show what that thing is for. `scripts.rs` holds these functions to the
//! real scripts.

use Step::{Done, Parked, Pending, Sending};

/// Whose. Each delivery attempt has its own; 0 is nobody's.
pub type Token = u8;

pub const NOBODY: Token = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Pending,
    Sending,
    Done,
    Parked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub step: Step,
    pub token: Token,
    pub generation: u8,
    /// The generation that has begun, if it is still at it.
    pub begun: Option<u8>,
    /// Sends that may have happened.
    pub sends: u8,
    pub fingerprint: u8,
    /// Is the lease over?
    pub over: bool,
    /// Commits after the first.
    pub repeats: u8,
}

/// What a claim hands out and every later step shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub token: Token,
    pub generation: u8,
    pub fingerprint: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Acquired(Lease),
    Ambiguous(Lease),
    Busy,
    Done,
    Conflict,
    Parked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Go,
    Done,
    Lost,
}

/// The protocol, or it with one thing taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    Ours,
    /// Anyone's begin and release count as the owner's.
    WithoutOwner,
    /// The lease is the key's time to live: at its end the record is gone.
    LeaseIsTimeToLive,
    /// `SET NX`, send: the mark comes first.
    MarkFirst,
    /// `GET`; send; `SETEX`: the mark comes last and nothing comes first.
    GetSendSet,
    /// Whoever releases declares that nothing was ever sent.
    ReleaseForgets,
    /// Begin says "go" to anyone.
    WithoutFence,
    /// A lease holds until it is given back.
    LeaseNeverEnds,
    /// The mark is forgotten while copies can still arrive.
    MarkIsForgotten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    pub variant: Variant,
    pub max_sends: u8,
}

impl Protocol {
    /// claim.lua
    pub fn claim(self, slot: &mut Option<Record>, token: Token, fingerprint: u8) -> Claim {
        let lease = |generation| Lease { token, generation, fingerprint };
        match self.variant {
            Variant::GetSendSet => return slot.map_or(Claim::Acquired(lease(1)), |_| Claim::Done),
            Variant::MarkFirst if slot.is_none() => {
                *slot = Some(Record { step: Done, ..Record::new(fingerprint) });
                return Claim::Acquired(lease(1));
            }
            _ => {}
        }
        let record = slot.get_or_insert_with(|| Record::new(fingerprint));
        if record.fingerprint != fingerprint {
            return Claim::Conflict;
        }
        let again = record.token == token;
        match record.step {
            Done => return Claim::Done,
            Parked => return Claim::Parked,
            _ if !again && !record.over => return Claim::Busy,
            Sending if !again && record.sends >= self.max_sends => {
                record.step = Parked;
                return Claim::Parked;
            }
            Pending | Sending => {}
        }
        if !again {
            record.generation += 1;
        }
        (record.token, record.over) = (token, false);
        let lease = lease(record.generation);
        if record.step == Sending { Claim::Ambiguous(lease) } else { Claim::Acquired(lease) }
    }

    /// begin.lua
    pub fn begin(self, slot: &mut Option<Record>, lease: Lease) -> Begin {
        if matches!(self.variant, Variant::GetSendSet | Variant::MarkFirst) {
            return Begin::Go;
        }
        let Some(record) = slot else { return Begin::Lost };
        if !self.is_owned(record, lease) {
            return match (self.variant, record.step) {
                (Variant::WithoutFence, _) => Begin::Go,
                (_, Done) => Begin::Done,
                _ => Begin::Lost,
            };
        }
        if record.begun != Some(lease.generation) {
            record.sends += 1;
        }
        (record.step, record.begun, record.over) = (Sending, Some(lease.generation), false);
        Begin::Go
    }

    /// renew.lua
    pub fn renew(self, slot: &mut Option<Record>, lease: Lease) -> bool {
        if matches!(self.variant, Variant::GetSendSet | Variant::MarkFirst) {
            return true;
        }
        let Some(record) = slot.as_mut().filter(|record| self.is_owned(record, lease)) else { return false };
        record.over = false;
        true
    }

    /// commit.lua
    pub fn commit(self, slot: &mut Option<Record>, lease: Lease) {
        let record = slot.get_or_insert_with(|| Record::new(lease.fingerprint));
        let mine = record.token == lease.token && record.generation == lease.generation;
        if record.step == Done {
            record.repeats += u8::from(!mine);
            return;
        }
        let Lease { token, generation, fingerprint } = lease;
        *record = Record { step: Done, token, generation, begun: None, fingerprint, ..*record };
    }

    /// release.lua: was it the owner's?
    pub fn release(self, slot: &mut Option<Record>, lease: Lease) -> bool {
        let Some(record) = slot.as_mut().filter(|record| self.is_owned(record, lease)) else { return false };
        if self.variant == Variant::ReleaseForgets {
            record.sends = 0;
        } else if record.begun == Some(lease.generation) {
            record.sends -= 1;
        }
        record.step = if record.sends > 0 { Sending } else { Pending };
        (record.token, record.begun, record.over) = (NOBODY, None, true);
        true
    }

    /// The lease's time passes.
    pub fn expire(self, slot: &mut Option<Record>) {
        match (self.variant, slot.as_mut().filter(|record| record.is_open())) {
            (_, None) | (Variant::LeaseNeverEnds, _) => {}
            (Variant::LeaseIsTimeToLive, _) => *slot = None,
            (_, Some(record)) => record.over = true,
        }
    }

    fn is_owned(self, record: &Record, lease: Lease) -> bool {
        let owns = record.token == lease.token && record.generation == lease.generation;
        record.is_open() && (owns || self.variant == Variant::WithoutOwner)
    }
}

impl Record {
    fn new(fingerprint: u8) -> Self {
        Self { step: Pending, token: NOBODY, generation: 0, begun: None, sends: 0, fingerprint, over: true, repeats: 0 }
    }

    /// May it still be claimed?
    pub fn is_open(&self) -> bool {
        matches!(self.step, Pending | Sending)
    }
}
