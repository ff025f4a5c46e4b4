//! The record and its five steps, as pure functions: what the scripts beside `redis.rs` do to one key.
//!
//! Time is one bit: is the lease over? A [`Protocol`] is ours or one with a single thing changed, so
//! that the same exploration can show what that thing is for. `scripts.rs` holds these functions to the
//! real scripts.

use Step::{Done, Parked, Pending, Sending};

/// Whose. Each delivery attempt has its own; 0 is nobody's.
pub type Token = u8;

pub const NOBODY: Token = 0;

/// Of which message: two are told apart; 0 is none.
pub type Message = u8;

pub const NO_MESSAGE: Message = 0;

/// What the effect is made from: an address, another, and the first in another spelling.
pub type Content = u8;

/// What a content has in common with its other spellings: the one that is spelled like that itself.
fn folded(content: Content) -> Content {
    if content == 2 { 0 } else { content }
}

/// Claims of one message that may run out without a word.
const MAX_EXPIRED_CLAIMS: u8 = 5;

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
    pub fingerprint: Content,
    /// An older release wrote none.
    pub folded: Option<Content>,
    /// Is the lease over?
    pub over: bool,
    /// Commits after the first.
    pub repeats: u8,
    pub counts: Counts,
}

/// What the record counts of messages, and never of the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Of the last grant.
    pub message: Message,
    /// Claims that ran out without a word, of the first message and the second.
    pub takeovers: [u8; 2],
    /// Whose failures, and how many.
    pub failing: Option<(Message, u8)>,
    pub deferring: Option<(Message, u8)>,
}

/// Who claims, for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    pub token: Token,
    pub fingerprint: Content,
    pub message: Message,
    /// Has it seen the ledger fail, so lately that it explains a claim that ran out?
    pub saw_it_fail: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    Uncounted,
    Failed(Message),
    /// It may have happened.
    Unknown(Message),
    Deferred(Message),
}

/// What a release tells: failures and deferrals so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setbacks {
    pub failures: u8,
    pub deferrals: u8,
}

/// What a claim hands out and every later step shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub token: Token,
    pub generation: u8,
    pub fingerprint: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Acquired(Lease),
    Ambiguous(Lease),
    Busy,
    Done,
    Conflict,
    Parked,
    Kills,
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
    /// A record that could not be made twice is not asked for again.
    GivesUpTheRecord,
    /// Nobody looks whether a receive is the last.
    LetterWithoutAReason,
    /// A copy that finds another at it is given back on its last receive too.
    BusyIsGivenBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    pub variant: Variant,
    pub max_sends: u8,
}

impl Protocol {
    /// claim.lua
    pub fn claim(self, slot: &mut Option<Record>, asker: Asker) -> Claim {
        let Asker { token, fingerprint, message, saw_it_fail } = asker;
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
        if !record.is_of(fingerprint) {
            return Claim::Conflict;
        }
        let again = record.token == token;
        match record.step {
            Done => return Claim::Done,
            Parked => return Claim::Parked,
            _ if !again && !record.over => return Claim::Busy,
            // Whoever passed the fence could not record while the ledger was away.
            Sending if !again && saw_it_fail && record.token != NOBODY => return Claim::Busy,
            Sending if !again && record.sends >= self.max_sends => {
                record.step = Parked;
                return Claim::Parked;
            }
            Pending | Sending => {}
        }
        if !again {
            if record.token != NOBODY && !saw_it_fail {
                record.counts.charge();
            }
            if record.counts.takeovers_of(message) >= MAX_EXPIRED_CLAIMS {
                record.token = NOBODY;
                return Claim::Kills;
            }
            record.generation += 1;
        }
        (record.token, record.over, record.counts.message) = (token, false, message);
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
        let (begun, folded, counts) = (None, Some(folded(fingerprint)), record.counts.committed());
        *record = Record { step: Done, token, generation, begun, fingerprint, folded, counts, ..*record };
    }

    /// release.lua
    pub fn release(self, slot: &mut Option<Record>, lease: Lease, why: Release) -> Setbacks {
        let Some(record) = slot.as_mut().filter(|record| self.is_owned(record, lease)) else {
            return Setbacks::default();
        };
        if self.variant == Variant::ReleaseForgets {
            record.sends = 0;
        } else if record.begun == Some(lease.generation) && !matches!(why, Release::Unknown(_)) {
            record.sends -= 1;
        }
        record.step = if record.sends > 0 { Sending } else { Pending };
        (record.token, record.begun, record.over) = (NOBODY, None, true);
        record.counts.release(why)
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
    fn new(fingerprint: Content) -> Self {
        let (step, token, begun, counts) = (Pending, NOBODY, None, Counts::default());
        let folded = Some(folded(fingerprint));
        Self { step, token, generation: 0, begun, sends: 0, fingerprint, folded, over: true, repeats: 0, counts }
    }

    /// Made from the same, in whatever spelling. Where no folded form is stored, what is stored stands in for it.
    fn is_of(&self, content: Content) -> bool {
        self.fingerprint == content || self.folded.unwrap_or(self.fingerprint) == folded(content)
    }

    /// May it still be claimed?
    pub fn is_open(&self) -> bool {
        matches!(self.step, Pending | Sending)
    }
}

impl Counts {
    /// The last grant ran out without a word.
    fn charge(&mut self) {
        if let Some(place) = place(self.message) {
            self.takeovers[place] += 1;
        }
    }

    fn takeovers_of(&self, message: Message) -> u8 {
        place(message).map_or(0, |place| self.takeovers[place])
    }

    /// What a commit leaves: another message's takeovers, which nothing asks for any more.
    fn committed(mut self) -> Self {
        if let Some(place) = place(self.message) {
            self.takeovers[place] = 0;
        }
        Self { takeovers: self.takeovers, ..Self::default() }
    }

    fn release(&mut self, why: Release) -> Setbacks {
        let so_far = |counted: Option<(Message, u8)>, message| {
            counted.filter(|(counted, _)| *counted == message).map_or(0, |(_, count)| count)
        };
        let message = match why {
            Release::Uncounted => return Setbacks::default(),
            Release::Failed(message) | Release::Unknown(message) => {
                self.failing = Some((message, so_far(self.failing, message) + 1));
                message
            }
            Release::Deferred(message) => {
                self.deferring = Some((message, so_far(self.deferring, message) + 1));
                message
            }
        };
        Setbacks { failures: so_far(self.failing, message), deferrals: so_far(self.deferring, message) }
    }
}

fn place(message: Message) -> Option<usize> {
    usize::from(message).checked_sub(1)
}
