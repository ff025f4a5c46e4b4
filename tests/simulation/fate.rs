//! What becomes of an event whatever happens: by the seed and by its user alone.

use std::panic::panic_any;

use fastrand::Rng;
use user_events::handler::{Handled, HandlerError};

use crate::doubles::Part;
use crate::plan::Plan;

/// A panic that the plan asked for.
pub struct Planned;

/// What becomes of an event whatever happens, by its own seed.
#[derive(PartialEq, Eq)]
pub enum Fate {
    Usual,
    NeverSucceeds,
    AlwaysFails,
    Refused,
    Kills,
}

pub fn fate(plan: &Plan, user: &str) -> Fate {
    let seed = plan.seed ^ user.len() as u64 ^ user.bytes().map(u64::from).sum::<u64>() << 8;
    match Rng::with_seed(seed).u32(0..40) {
        _ if plan.is_patient => Fate::Usual,
        0 => Fate::NeverSucceeds,
        1 => Fate::AlwaysFails,
        2 => Fate::Refused,
        3 | 4 => Fate::Kills,
        _ => Fate::Usual,
    }
}

/// How it fails before the fence, if it does.
pub fn fails_before_the_fence(part: &Part, user: &str) -> Option<Result<Handled, HandlerError>> {
    let Part { life, plan, story, .. } = part;
    let fails = |what: &'static str| {
        story.tell(|told| {
            told.saw(what);
            if what != "a panic" {
                told.answered(*life);
            }
            *told.failures.entry(user.to_owned()).or_default() += 1;
        });
    };
    let fate = fate(plan, user);
    if fate == Fate::NeverSucceeds {
        fails("a permanent failure");
        return Some(Err(HandlerError::Permanent { reason: "simulated", detail: "never".to_owned() }));
    }
    if fate == Fate::Refused {
        fails("a refusal");
        return Some(Err(HandlerError::Suspect { reason: "refused", detail: "554".to_owned() }));
    }
    if fate != Fate::AlwaysFails && !part.goes_wrong(plan.handler_faults) {
        return None;
    }
    if fastrand::u32(0..4) == 0 {
        fails("a panic");
        panic_any(Planned);
    }
    fails("a passing failure");
    Some(Err(HandlerError::Transient("not now".to_owned())))
}
