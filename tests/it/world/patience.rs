//! How long a test waits on a machine that may be busy with other work.
//!
//! Enters: `TEST_SLOWNESS`, which `tests/run` measures, and the machine's load as this test begins. Leaves: one
//! factor, applied here alone. Promises: a deadline that is met costs nothing, one that is not ends the test. Proves no
//! speed: what the product promises to be quick at is shown in virtual time, by order or by a count (`house_clock`).

use std::sync::LazyLock;
use std::time::Duration;

/// Beyond this a machine is not busy but broken.
const MOST: u32 = 20;
/// The load may come after the look at it.
const LEAST: u32 = 3;

static SLOWNESS: LazyLock<u32> = LazyLock::new(|| measured().max(loaded()).clamp(1, MOST));

/// How many times longer the same work takes here than on an idle machine of two cores.
fn slowness() -> u32 {
    *SLOWNESS
}

/// A deadline of a wait, after which nothing more is expected to happen.
pub fn patience(within: Duration) -> Duration {
    within * slowness().max(LEAST)
}

/// A setting that a worker must be able to keep: a visibility, a lease, a handler's time; and what is measured by it.
/// Half the factor, since each leaves time for several tries, and tests wait for its end.
pub fn at_this_pace(setting: Duration) -> Duration {
    setting * slowness().div_ceil(2)
}

fn measured() -> u32 {
    std::env::var("TEST_SLOWNESS").ok().map_or(1, |text| text.parse().expect("a whole number"))
}

/// Processes that want a processor, by processor; the tests themselves and their servers are some three.
fn loaded() -> u32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|minute| minute.parse().ok()).unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (load / processors as f64 / 3.0) as u32
}
