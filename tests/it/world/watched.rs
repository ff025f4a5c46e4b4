//! A watch without a worker: what is decorated with it must stay what it was.
//!
//! Enters: nothing. Leaves: a watch that measures for nobody.

use user_events::config::{Environment, LogFormat, Reader, telemetry};
use user_events::telemetry::{Telemetry, Watch};

/// As `run` makes it where no collector is set.
pub fn watch() -> Watch {
    let config = telemetry(&mut Reader::new(&Environment::default()));
    Telemetry::start(&config, "off", LogFormat::Json).expect("it measures").reaction("contract", "contract")
}
