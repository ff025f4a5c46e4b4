//! Named steps at which a test may end or freeze this process, as a crash or a pause would, or have it panic, as a bug would.
//!
//! Enters: what the variable `FAILPOINTS` says happens where: `begun=kill`, or `claimed=stop:0.05,sent=kill:0.1`
//! with chances. Compiled in by the feature `failpoints` alone; without it [`reach`] is nothing, and the variable
//! is not read. `kill` is SIGKILL to oneself, `stop` SIGSTOP: nothing is flushed, closed or told to anyone. `panic` is one
//! that says what nobody may read.

/// The steps of one delivery, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A delivery has its task; nothing was asked of the ledger.
    Received,
    /// The claim was granted.
    Claimed,
    /// All is ready but for the fence: the mail server has said 354.
    Prepared,
    /// The fence is passed; not a byte of the body has gone out.
    Begun,
    /// The effect has happened; it is not on record.
    Sent,
    /// The effect is on record; the message is not deleted.
    Recorded,
    /// Not of a delivery: dead letters are in their source queue again, and not yet deleted.
    Redriven,
}

#[cfg(not(feature = "failpoints"))]
pub fn reach(_step: Step) {}

#[cfg(feature = "failpoints")]
pub use armed::{arm, reach};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::Step;

    const STEPS: [Step; 7] =
        [Step::Received, Step::Claimed, Step::Prepared, Step::Begun, Step::Sent, Step::Recorded, Step::Redriven];
    /// Time for a stop to land. It runs on while the process is stopped, so it delays no one afterwards.
    const LANDED: Duration = Duration::from_secs(1);

    /// What happens where, once it is said; until then nothing does.
    static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();

    #[derive(Debug)]
    struct Armed {
        step: String,
        deed: Deed,
        chance: f64,
    }

    #[derive(Debug)]
    enum Deed {
        Signal(Signal),
        Panic,
    }

    /// Takes the variable's text, the first time it is read.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn arm(text: &str) -> Result<(), &'static str> {
        const RULE: &str = "must be a list like begun=kill,sent=stop:0.1";
        let armed: Option<Vec<_>> = text.split(',').map(parse).collect();
        ARMED.set(armed.ok_or(RULE)?).or(Ok(()))
    }

    pub fn reach(step: Step) {
        let name = name(step);
        for armed in ARMED.get().into_iter().flatten().filter(|armed| armed.step == name) {
            if fastrand::f64() < armed.chance {
                let Deed::Signal(signal) = armed.deed else {
                    std::panic::panic_any("no mail for anna@example.com \u{1b}[2J".to_owned());
                };
                // Says nothing of the delivery: a crash would not either.
                let _ = kill_process(getpid(), signal);
                // A stop may reach another thread first and this one a moment later. This one must not go on.
                std::thread::sleep(LANDED);
            }
        }
    }

    fn name(step: Step) -> String {
        format!("{step:?}").to_lowercase()
    }

    fn parse(part: &str) -> Option<Armed> {
        let (step, action) = part.split_once('=')?;
        let (action, chance) = action.split_once(':').unwrap_or((action, "1"));
        let deed = match action {
            "kill" => Deed::Signal(Signal::KILL),
            "stop" => Deed::Signal(Signal::STOP),
            "panic" => Deed::Panic,
            _ => return None,
        };
        let is_known = STEPS.iter().any(|known| name(*known) == step);
        is_known.then_some(Armed { step: step.to_owned(), deed, chance: chance.parse().ok()? })
    }
}
