//! A watch without a worker: for tests that a decorated port behaves like the port inside.
//!
//! Enters: nothing. Leaves: a watch whose measurements nobody reads.

use user_events::config::{Environment, LogFormat, SettingsReader, telemetry};
use user_events::telemetry::{Telemetry, Watch};

/// A watch as `run` makes it without a collector.
pub fn watch() -> Watch {
    let config = telemetry(&mut SettingsReader::new(&Environment::default()));
    Telemetry::start(&config, "off", LogFormat::Json).expect("it measures").reaction("contract", "contract")
}
