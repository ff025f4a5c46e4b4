//! What can happen next: the worker's steps, and everything that can come between.
//!
//! The steps follow `worker/reaction.rs`, `handlers/welcome_email.rs` and `mail/smtp.rs`. Whatever goes
//! wrong costs [`Budget`], so that there is an end. What the record cannot tell from a kill is modelled as
//! one: a delete or a dead letter that was not confirmed, a stop that waited in vain. A panic is like time
//! that is up; a connection that fails is like a 4xx.

use super::delivery::{Answer, At, Budget, COPIES, Call, Delivery, GHOST, State, token};
use super::explore::Property;
use super::protocol::{Claim, NOBODY, Protocol, Variant};

/// What a fault is paid from.
type Purse = fn(&mut Budget) -> &mut u8;

const KILL: Purse = |budget| &mut budget.kills;
const PAUSE: Purse = |budget| &mut budget.pauses;
const REPLY: Purse = |budget| &mut budget.replies;
const CALL: Purse = |budget| &mut budget.calls;
const LATE_CALL: Purse = |budget| &mut budget.late_calls;
const REFUSAL: Purse = |budget| &mut budget.refusals;
const END: Purse = |budget| &mut budget.ends;

/// One thing that can happen next.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    pub what: &'static str,
    /// Whose delivery; none for what happens by itself.
    pub who: Option<usize>,
    pub state: State,
    /// What this very move breaks.
    pub breaks: Option<Property>,
}

impl State {
    pub fn moves(&self, protocol: Protocol, out: &mut Vec<Move>) {
        for who in 0..COPIES {
            Moves { from: self, protocol, who: Some(who), out }.of(who);
        }
        Moves { from: self, protocol, who: None, out }.of_nobody();
    }
}

struct Moves<'a> {
    from: &'a State,
    protocol: Protocol,
    who: Option<usize>,
    out: &'a mut Vec<Move>,
}

impl Moves<'_> {
    fn push(&mut self, what: &'static str, state: State, breaks: Option<Property>) {
        let undone = self.from.is_recorded() && !state.is_recorded();
        let breaks = if undone { Some(Property::DoneIsFinal) } else { breaks };
        self.out.push(Move { what, who: self.who, state, breaks });
    }

    fn step(&mut self, what: &'static str, change: impl FnOnce(&mut State)) {
        let mut state = *self.from;
        change(&mut state);
        self.push(what, state, None);
    }

    /// A move that costs, if there is something left to pay it with.
    fn fault(&mut self, what: &'static str, purse: Purse, change: impl FnOnce(&mut State)) {
        let mut left = self.from.left;
        let purse = purse(&mut left);
        if *purse > 0 {
            *purse -= 1;
            let mut state = State { left, ..*self.from };
            change(&mut state);
            self.push(what, state, None);
        }
    }

    fn of(&mut self, who: usize) {
        let Delivery { at, again, .. } = self.from.deliveries[who];
        let protocol = self.protocol;
        match at {
            At::Waiting => self.call(who, Call::Claim),
            At::Claimed => {
                self.step("354", |s| s.goes(who, At::Prepared));
                self.fault("4xx before the dot", REFUSAL, |s| s.goes(who, At::GivingBack));
                self.fault("5xx before the dot", REFUSAL, |s| s.goes(who, At::GivingUp));
            }
            At::Prepared => {
                if !again {
                    self.fault("time is up before the fence", REFUSAL, |s| s.goes(who, At::GivingBack));
                }
                // Cut while asking: the fence counts as passed, and nothing is released.
                self.fault("time is up at the fence, unasked", REFUSAL, |s| s.comes_again(who, protocol));
                let lease = self.from.lease(who);
                self.fault("time is up at the fence", REFUSAL, |s| {
                    s.run(protocol, Call::Begin, lease);
                    s.comes_again(who, protocol);
                });
                self.call(who, Call::Begin);
            }
            At::Crossed => {
                self.step("dot, accepted", |s| {
                    s.accepted = (s.accepted + 1).min(4);
                    s.goes(who, At::Accepted);
                });
                self.fault("dot, 4xx", REFUSAL, |s| s.goes(who, At::Deferred));
                self.fault("dot, 5xx", REFUSAL, |s| s.goes(who, At::Refused));
                self.fault("connection lost before the dot", REPLY, |s| s.comes_again(who, protocol));
            }
            At::Accepted => {
                self.step("reads 250", |s| s.goes(who, At::Committing));
                self.fault("250 lost", REPLY, |s| {
                    s.excused = true;
                    s.comes_again(who, protocol);
                });
            }
            At::Deferred | At::Refused => {
                let next = if at == At::Deferred { At::GivingBack } else { At::GivingUp };
                self.step("reads the refusal", |s| s.goes(who, next));
                self.fault("refusal lost", REPLY, |s| s.comes_again(who, protocol));
            }
            At::Committing => {
                self.call(who, Call::Commit);
                if again {
                    self.fault("time is up before the record", END, |s| {
                        s.excused |= !s.is_recorded();
                        s.ends(who, At::Deleting);
                    });
                }
            }
            At::GivingBack | At::GivingUp => self.call(who, Call::Release),
            At::Quarantining => self.step("quarantined", |s| {
                s.quarantined = true;
                s.goes(who, At::Deleting);
            }),
            At::Deleting => {
                let mut state = *self.from;
                state.goes(who, At::Gone);
                let undone = state.accepted == 0 && !state.quarantined;
                self.push("deleted", state, undone.then_some(Property::NothingUndoneIsDeleted));
            }
            At::Gone => {}
        }
        if matches!(at, At::Claimed | At::Prepared | At::Crossed | At::Accepted | At::Deferred | At::Refused) {
            self.beat(who, at);
        }
        if at != At::Gone && (at != At::Waiting || again) {
            self.fault("killed", KILL, |s| {
                s.excused |= matches!(at, At::Accepted | At::Committing) && !s.is_recorded();
                s.is_dropped(who);
            });
        }
    }

    fn of_nobody(&mut self) {
        let protocol = self.protocol;
        if let Some(record) = self.from.record.filter(|record| record.is_open() && !record.over) {
            let expire = |s: &mut State| {
                protocol.expire(&mut s.record);
                s.deliveries.iter_mut().for_each(|delivery| delivery.holds = false);
            };
            match (0..COPIES).find(|who| token(*who) == record.token) {
                None => self.step("the lease runs out", expire),
                Some(owner) => self.fault("the lease runs out under its owner", PAUSE, |s| {
                    // From the fence on: nothing stops the dot of one that wakes behind it.
                    s.excused |= matches!(s.deliveries[owner].at, At::Crossed | At::Accepted | At::Committing);
                    expire(s);
                }),
            }
        }
        if protocol.variant == Variant::MarkIsForgotten && self.from.is_recorded() {
            self.step("the mark is forgotten", |s| s.record = None);
        }
        if let Some((call, lease)) = self.from.late {
            self.step("a late call runs", |s| {
                s.run(protocol, call, lease);
                s.late = None;
                if let Some(record) = s.record.as_mut().filter(|record| record.token == GHOST) {
                    record.token = NOBODY;
                }
            });
        }
    }

    /// Beside a running handler: holds the lease longer, or cuts the handler, which then gives back what it may still hold.
    fn beat(&mut self, who: usize, at: At) {
        let (protocol, lease) = (self.protocol, self.from.lease(who));
        // Behind it, a lost lease ends the beats and not the run.
        let before_the_fence = matches!(at, At::Claimed | At::Prepared);
        self.step("beats", |s| {
            if protocol.renew(&mut s.record, lease) {
                s.deliveries[who].holds = true;
            } else if before_the_fence {
                s.goes(who, At::GivingBack);
            }
        });
        if self.from.late.is_none() {
            self.fault("beat delayed", LATE_CALL, |s| s.late = Some((Call::Renew, lease)));
        }
        if before_the_fence {
            self.fault("loses its message", PAUSE, |s| s.goes(who, At::GivingBack));
        }
    }

    /// A call to Redis, as `redis_link.rs` makes it: two tries, either of which may have run; the record again and again.
    fn call(&mut self, who: usize, call: Call) {
        let (protocol, lease) = (self.protocol, self.from.lease(who));
        let name = ["claims", "begins", "commits", "releases", "renews"][call as usize];
        let mut state = *self.from;
        let answer = state.run(protocol, call, lease);
        let told_nothing_was_sent = matches!(answer, Answer::Claim(Claim::Acquired(_)));
        let untold = told_nothing_was_sent && state.accepted > 0;
        state.hears(protocol, who, call, answer);
        self.push(name, state, untold.then_some(Property::EachFurtherSendIsAnnounced));

        self.fault("call ran, answer lost", CALL, |s| {
            s.run(protocol, call, lease);
            s.hears_nothing(protocol, who, call);
        });
        self.fault("call lost", CALL, |s| s.hears_nothing(protocol, who, call));
        if self.from.late.is_none() {
            self.fault("call delayed", LATE_CALL, |s| {
                s.late = Some((call, lease));
                s.hears_nothing(protocol, who, call);
            });
        }
    }
}
