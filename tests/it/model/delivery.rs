//! Three copies of one event at one moment: where each is, what is on record, what is left to go wrong.
//!
//! It changes as `worker/reaction.rs` and `redis_link.rs` would have it:
//! what an answer from Redis leads to, and what no answer does.

use std::fmt;

use super::protocol::{
    Asker, Begin, Claim, Lease, NO_MESSAGE, NOBODY, Protocol, Record, Release, Step, Token, Variant,
};

pub const COPIES: usize = 3;

/// The token of a delivery that has ended while a call of its is still on the way.
pub const GHOST: Token = 4;

/// How often each thing may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// The worker dies between two steps.
    pub kills: u8,
    /// The lease runs out while its owner still counts on it, or the queue takes the message back.
    pub pauses: u8,
    /// The mail server's reply to the dot is lost, or the handler's time is up before it comes.
    pub replies: u8,
    /// A call to Redis has no answer, whether it ran or not.
    pub calls: u8,
    /// A call to Redis has no answer, and runs later.
    pub late_calls: u8,
    /// The server answers 4xx or 5xx, or the handler's time is up before the dot.
    pub refusals: u8,
    /// A stop's time is up, or the longest hold is over, before the record could be made.
    pub ends: u8,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, pauses, replies, calls, late_calls, refusals, ends } = self;
        write!(f, "{kills} kills, {pauses} pauses, {replies} lost replies to the dot, ")?;
        write!(f, "{calls} calls without an answer, {late_calls} late, {refusals} refusals, {ends} ends of a hold")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// In the queue; or claiming for the second time, if `again`.
    Waiting,
    Claimed,
    /// The server has said 354.
    Prepared,
    /// The fence was passed; the dot is not out.
    Crossed,
    /// The server has taken the mail; its reply is on the way.
    Accepted,
    /// The server has answered 4xx.
    Deferred,
    /// The server has answered 5xx.
    Refused,
    Committing,
    /// Releasing, then the event comes again.
    GivingBack,
    /// Releasing, then quarantine.
    GivingUp,
    Quarantining,
    Deleting,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    pub at: At,
    /// The call at this step has been tried once, without an answer.
    pub again: bool,
    /// Of the lease it was given.
    pub generation: u8,
    /// Does it hold a lease that has not run out?
    pub holds: bool,
    /// Receives that the queue still allows after this one; none: any number.
    pub left: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Claim,
    Begin,
    Commit,
    Release,
    Renew,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Claim(Claim),
    Begin(Begin),
    Taken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub record: Option<Record>,
    pub deliveries: [Delivery; COPIES],
    /// A call that still is on its way to Redis.
    pub late: Option<(Call, Lease)>,
    pub left: Budget,
    /// Mails the server has taken.
    pub accepted: u8,
    /// Did a fault fall where it can make a duplicate?
    pub excused: bool,
    pub quarantined: bool,
    /// Did the queue move a copy that a worker had in hand?
    pub unexplained: bool,
}

impl State {
    /// Each copy may be received so often, before the queue moves it.
    pub fn start(left: Budget, receives: Option<u8>) -> Self {
        let receives = receives.map(|most| most - 1);
        let waiting = Delivery { at: At::Waiting, again: false, generation: 0, holds: false, left: receives };
        let deliveries = [waiting; COPIES];
        Self {
            record: None,
            deliveries,
            late: None,
            left,
            accepted: 0,
            excused: false,
            quarantined: false,
            unexplained: false,
        }
    }

    pub fn is_over(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.at == At::Gone)
    }

    pub fn lease(&self, who: usize) -> Lease {
        Lease { token: token(who), generation: self.deliveries[who].generation, fingerprint: 0 }
    }

    pub fn is_recorded(&self) -> bool {
        self.record.is_some_and(|record| record.step == Step::Done)
    }

    /// Goes on at `at`, with the token it has.
    pub fn goes(&mut self, who: usize, at: At) {
        let holds = self.deliveries[who].holds && !matches!(at, At::GivingBack | At::GivingUp);
        self.deliveries[who] = Delivery { at, again: false, holds, ..self.deliveries[who] };
    }

    /// Goes on at `at`, done with its token: the next receive has a fresh one.
    pub fn ends(&mut self, who: usize, at: At) {
        self.deliveries[who] = Delivery { at, again: false, generation: 0, holds: false, ..self.deliveries[who] };
        let mut heir = NOBODY;
        if let Some((_, lease)) = self.late.as_mut().filter(|(_, lease)| lease.token == token(who)) {
            lease.token = GHOST;
            heir = GHOST;
        }
        if let Some(record) = self.record.as_mut().filter(|record| record.token == token(who)) {
            record.token = heir;
        }
    }

    /// It is shown again, which costs a receive; on its last one it becomes a letter with its reason.
    pub fn comes_again(&mut self, who: usize, protocol: Protocol) {
        match &mut self.deliveries[who].left {
            Some(0) if protocol.variant == Variant::LetterWithoutAReason => self.is_moved(who),
            Some(0) => self.ends(who, At::Quarantining),
            left => {
                *left = left.map(|receives| receives - 1);
                self.ends(who, At::Waiting);
            }
        }
    }

    /// Its worker is gone: nobody is there to say why.
    pub fn is_dropped(&mut self, who: usize) {
        match &mut self.deliveries[who].left {
            Some(0) => {
                self.ends(who, At::Gone);
                self.quarantined = true;
            }
            left => {
                *left = left.map(|receives| receives - 1);
                self.ends(who, At::Waiting);
            }
        }
    }

    /// By the queue itself, from the hands of a worker that could have said why.
    fn is_moved(&mut self, who: usize) {
        self.ends(who, At::Gone);
        (self.quarantined, self.unexplained) = (true, true);
    }

    pub fn run(&mut self, protocol: Protocol, call: Call, lease: Lease) -> Answer {
        match call {
            Call::Claim => {
                let Lease { token, fingerprint, .. } = lease;
                let asker = Asker { token, fingerprint, message: NO_MESSAGE, saw_it_fail: false };
                Answer::Claim(protocol.claim(&mut self.record, asker))
            }
            Call::Begin => Answer::Begin(protocol.begin(&mut self.record, lease)),
            Call::Commit => {
                protocol.commit(&mut self.record, lease);
                Answer::Taken
            }
            Call::Release => {
                protocol.release(&mut self.record, lease, Release::Uncounted);
                Answer::Taken
            }
            Call::Renew => {
                protocol.renew(&mut self.record, lease);
                Answer::Taken
            }
        }
    }

    pub fn hears(&mut self, protocol: Protocol, who: usize, call: Call, answer: Answer) {
        match answer {
            Answer::Claim(Claim::Acquired(lease) | Claim::Ambiguous(lease)) => {
                self.goes(who, At::Claimed);
                (self.deliveries[who].generation, self.deliveries[who].holds) = (lease.generation, true);
            }
            Answer::Claim(Claim::Busy) => self.is_busy(who, protocol),
            // It is held still: it claims anew, and so looks at the record.
            Answer::Begin(Begin::Lost) => self.ends(who, At::Waiting),
            Answer::Claim(Claim::Done) | Answer::Begin(Begin::Done) => self.ends(who, At::Deleting),
            Answer::Claim(Claim::Parked | Claim::Conflict | Claim::Kills) => self.ends(who, At::Quarantining),
            Answer::Begin(Begin::Go) => {
                self.goes(who, At::Crossed);
                self.deliveries[who].holds = true;
            }
            Answer::Taken => self.goes_on(who, protocol, call),
        }
    }

    /// The first time it asks again. The second time it takes it that the ledger is away: then nothing is begun, and what
    /// was to be given back runs out. But a record is asked for until it is made.
    pub fn hears_nothing(&mut self, protocol: Protocol, who: usize, call: Call) {
        let gives_up = call != Call::Commit || protocol.variant == Variant::GivesUpTheRecord;
        if !self.deliveries[who].again || !gives_up {
            self.deliveries[who].again = true;
        } else if call == Call::Begin {
            self.goes(who, At::GivingBack);
        } else {
            self.goes_on(who, protocol, call);
        }
    }

    /// After a call that is over, whatever came of it.
    fn goes_on(&mut self, who: usize, protocol: Protocol, call: Call) {
        match (call, self.deliveries[who].at) {
            // Unrecorded too: the effect is certain, and keeping the message would make its copy so.
            (Call::Commit, _) => self.ends(who, At::Deleting),
            (_, At::GivingUp) => self.ends(who, At::Quarantining),
            _ => self.comes_again(who, protocol),
        }
    }

    /// Another is at it. On its last receive it waits for that one's end, and claims again.
    fn is_busy(&mut self, who: usize, protocol: Protocol) {
        match self.deliveries[who].left {
            Some(0) if protocol.variant == Variant::BusyIsGivenBack => self.is_moved(who),
            Some(0) => self.ends(who, At::Waiting),
            _ => self.comes_again(who, protocol),
        }
    }
}

pub fn token(who: usize) -> Token {
    [1, 2, 3][who]
}
