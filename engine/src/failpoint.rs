//! Named steps at which a test may kill or freeze this process, like a crash or a pause, or let it panic, like a bug.
//!
//! Enters: the variable `FAILPOINTS`, which says what happens at which step: `begun=kill`, or with chances
//! `claimed=stop:0.05,sent=kill:0.1`. Compiled in only by the feature `failpoints`; without it [`reach`] does nothing,
//! and the variable is not read. `kill` sends SIGKILL to this process, `stop` SIGSTOP: nothing is flushed or closed,
//! nobody is told. `panic` panics with a text that must appear nowhere.

/// The steps of one delivery, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A delivery has its task; the ledger was not called yet.
    Received,
    /// The claim was granted.
    Claimed,
    /// All is ready, the fence not crossed: the mail server has said 354.
    Prepared,
    /// The fence is crossed; no byte of the body was sent.
    Begun,
    /// The effect has happened, and is not on record.
    Sent,
    /// The effect is on record; the message is not deleted.
    Recorded,
    /// Not a step of a delivery: dead letters are back in their source queue, and not yet deleted.
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
    /// Time for a stop to take effect. The clock runs while the process is stopped, so nobody waits for it afterwards.
    const LANDED: Duration = Duration::from_secs(1);

    /// What happens at which step. Empty until [`arm`].
    static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();

    #[derive(Debug)]
    struct Armed {
        step: String,
        action: Action,
        chance: f64,
    }

    #[derive(Debug)]
    enum Action {
        Signal(Signal),
        Panic,
    }

    /// Takes the variable's text. Only the first call counts.
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
                let Action::Signal(signal) = armed.action else {
                    std::panic::panic_any("no mail for anna@example.com \u{1b}[2J".to_owned());
                };
                // Logs nothing of the delivery: a crash would not either.
                let _ = kill_process(getpid(), signal);
                // A stop may reach another thread first and this one a moment later. This one must not go on meanwhile.
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
        let action = match action {
            "kill" => Action::Signal(Signal::KILL),
            "stop" => Action::Signal(Signal::STOP),
            "panic" => Action::Panic,
            _ => return None,
        };
        let is_known = STEPS.iter().any(|known| name(*known) == step);
        is_known.then_some(Armed { step: step.to_owned(), action, chance: chance.parse().ok()? })
    }
}
