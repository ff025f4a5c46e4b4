//! What any sequence of steps on a ledger must keep, whoever takes them in whatever order.
//!
//! Enters: random steps of three deliveries and of time. Leaves: the first step whose answer breaks a
//! promise: two leases at once, an effect undone, a send that was not counted or not told of. The
//! [`Model`] knows the promises of `idempotency/mod.rs`, not the code that keeps them.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::time::{Instant, advance};
use user_events::idempotency::{Begin, Claim, Lease, Ledger};

use engine::testing::ledger::{Case, LONG, OVER};

use crate::ledger_contract::{in_memory, in_redis};

#[derive(Debug, Clone, Copy)]
enum Step {
    Claim(usize, Duration),
    Begin(usize, Duration),
    Renew(usize, Duration),
    Commit(usize),
    Release(usize),
    Advance(Duration),
}

const LEASE: Duration = Duration::from_secs(45);
/// Redis's clock counts whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

fn steps(leases: Vec<Duration>, passing: Vec<Duration>) -> impl Strategy<Value = Vec<Step>> {
    let lease = || prop::sample::select(leases.clone());
    let step = prop_oneof![
        8 => (0..3_usize, lease()).prop_map(|(who, lease)| Step::Claim(who, lease)),
        6 => (0..3_usize, lease()).prop_map(|(who, lease)| Step::Begin(who, lease)),
        2 => (0..3_usize, lease()).prop_map(|(who, lease)| Step::Renew(who, lease)),
        1 => (0..3_usize).prop_map(Step::Commit),
        3 => (0..3_usize).prop_map(Step::Release),
        4 => prop::sample::select(passing).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..60)
}

/// A lease as granted: owner and generation tell one grant from another.
type Grant = String;

/// What is known of one effect, by the answers so far.
#[derive(Default)]
struct Model {
    /// The grant that holds, and until when.
    holder: Option<(Grant, Instant)>,
    /// Grants that crossed the fence and did not take it back.
    sends: BTreeSet<Grant>,
    done: bool,
    parked: bool,
}

impl Model {
    fn holds(&self, grant: &Grant) -> bool {
        !self.done && !self.parked && self.holder.as_ref().is_some_and(|(holder, _)| holder == grant)
    }

    /// Grants `grant` until `until`: only if nobody else's lease is running.
    fn grant(&mut self, grant: Grant, until: Instant) -> Result<(), TestCaseError> {
        if let Some((holder, deadline)) = &self.holder {
            prop_assert!(*holder == grant || *deadline <= Instant::now(), "two leases: {holder} and {grant}");
        }
        prop_assert!(!self.done && !self.parked, "granted after the end");
        self.holder = Some((grant, until));
        Ok(())
    }

    /// `asked`: when the claim was made; its answer is known a little later.
    fn claimed(
        &mut self,
        asked: Instant,
        claim: &Claim,
        lease: Duration,
        max_sends: usize,
    ) -> Result<(), TestCaseError> {
        let now = Instant::now();
        match claim {
            Claim::Acquired(granted) => {
                prop_assert!(self.sends.is_empty(), "called clean although {:?} may have sent", self.sends);
                self.grant(format!("{granted:?}"), now + lease)
            }
            Claim::Ambiguous(granted) => {
                prop_assert!(!self.sends.is_empty(), "called ambiguous although nobody has crossed the fence");
                self.grant(format!("{granted:?}"), now + lease)
            }
            Claim::Busy(left) => {
                let until = self.holder.as_ref().map(|(_, deadline)| *deadline).filter(|deadline| *deadline > asked);
                let at_most = until.map(|deadline| deadline - asked + ROUNDING);
                prop_assert!(at_most.is_some_and(|most| *left <= most), "busy {left:?}, held for {at_most:?}");
                Ok(())
            }
            Claim::Parked => {
                prop_assert!(self.parked || (!self.done && self.sends.len() >= max_sends), "parked too early");
                self.parked = true;
                Ok(())
            }
            Claim::Done => {
                prop_assert!(self.done, "done although nobody committed");
                Ok(())
            }
            Claim::Conflict => Err(TestCaseError::fail("a conflict of one content")),
            Claim::KillsItsWorker => Err(TestCaseError::fail("no message, and one is blamed")),
            _ => Err(TestCaseError::fail(format!("the model does not know {claim:?}"))),
        }
    }

    fn begun(&mut self, grant: Grant, begin: Begin, lease: Duration, max_sends: usize) -> Result<(), TestCaseError> {
        let expected = match (self.done, self.holds(&grant)) {
            (true, _) => Begin::Done,
            (false, true) => Begin::Go,
            (false, false) => Begin::Lost,
        };
        prop_assert_eq!(begin, expected);
        if begin == Begin::Go {
            self.sends.insert(grant.clone());
            prop_assert!(self.sends.len() <= max_sends, "sent too often: {:?}", self.sends);
            self.holder = Some((grant, Instant::now() + lease));
        }
        Ok(())
    }
}

async fn walk(case: Case<impl Ledger>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let max_sends = case.max_sends as usize;
    let mut model = Model::default();
    let mut held: [Option<Lease>; 3] = [None, None, None];
    for step in steps {
        match step {
            Step::Claim(who, lease) => {
                let (asked, claim) = (Instant::now(), case.claim(&who.to_string(), lease).await);
                prop_assert_eq!(matches!(claim, Claim::Done), model.done, "done is final");
                model.claimed(asked, &claim, lease, max_sends)?;
                if let Claim::Acquired(lease) | Claim::Ambiguous(lease) = claim {
                    held[who] = Some(lease);
                }
            }
            Step::Begin(who, lease) => {
                let Some(granted) = &held[who] else { continue };
                let begin = case.begin(granted, lease).await;
                model.begun(format!("{granted:?}"), begin, lease, max_sends)?;
            }
            Step::Renew(who, lease) => {
                let Some(granted) = &held[who] else { continue };
                let (grant, renewed) = (format!("{granted:?}"), case.renew(granted, lease).await);
                prop_assert_eq!(renewed, model.holds(&grant));
                if renewed {
                    model.grant(grant, Instant::now() + lease)?;
                }
            }
            Step::Commit(who) => {
                let Some(granted) = &held[who] else { continue };
                case.commit(granted).await;
                model.done = true;
            }
            Step::Release(who) => {
                let Some(granted) = &held[who] else { continue };
                let grant = format!("{granted:?}");
                case.release(granted).await;
                if model.holds(&grant) {
                    model.sends.remove(&grant);
                    model.holder = None;
                }
            }
            Step::Advance(time) => advance(time).await,
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_memory_no_sequence_of_steps_breaks_a_promise(
        steps in steps(vec![LEASE, OVER], vec![LEASE / 2, LEASE]),
        max_sends in 1..4_u32,
    ) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let case = Case { max_sends, ..in_memory() };
        runtime.block_on(walk(case, steps))?;
    }

    #[test]
    fn in_redis_no_sequence_of_steps_breaks_a_promise(
        // Its clock cannot be turned: leases are over at once or hold for the whole test.
        steps in steps(vec![LONG, OVER], vec![OVER]),
        max_sends in 1..4_u32,
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Advance(_))).collect();
        runtime.block_on(async { walk(Case { max_sends, ..in_redis() }, steps).await })?;
    }
}
