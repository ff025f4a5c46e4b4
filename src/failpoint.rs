//! Named steps at which a test may end or freeze this process, as a crash or a pause would, or have it panic, as a bug would.
//!
//! Compiled in by the feature `failpoints` alone; without it [`reach`] is nothing. With it, the variable
//! `FAILPOINTS` says what happens where: `begun=kill`, or `claimed=stop:0.05,sent=kill:0.1` with chances.
//! `kill` is SIGKILL to oneself, `stop` SIGSTOP: nothing is flushed, closed or told to anyone. `panic` is one that says what
//! nobody may read.

/// The steps of one delivery, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
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
pub(crate) fn reach(_step: Step) {}

#[cfg(feature = "failpoints")]
pub(crate) use armed::reach;

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::Step;

    /// Time for a stop to land. It runs on while the process is stopped, so it delays no one afterwards.
    const LANDED: Duration = Duration::from_secs(1);

    struct Armed {
        step: String,
        deed: Deed,
        chance: f64,
    }

    enum Deed {
        Signal(Signal),
        Panic,
    }

    pub(crate) fn reach(step: Step) {
        static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
        let name = format!("{step:?}").to_lowercase();
        for armed in ARMED.get_or_init(read).iter().filter(|armed| armed.step == name) {
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

    fn read() -> Vec<Armed> {
        let text = std::env::var("FAILPOINTS").unwrap_or_default();
        text.split(',').filter(|part| !part.is_empty()).filter_map(parse).collect()
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
        Some(Armed { step: step.to_owned(), deed, chance: chance.parse().ok()? })
    }
}
