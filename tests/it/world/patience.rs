//! How long a test waits on a machine that may be busy with other work.
//!
//! Enters: `TEST_SLOWNESS`, which `tests/run` measures, and the machine's load when this test begins. Leaves: one
//! factor, applied only here. Promises: a wait ends as soon as it can, and fails the test after its deadline. It proves
//! no speed: tests show speed in virtual time, by order or by a count (see `house_clock.rs`).

use std::sync::LazyLock;
use std::time::Duration;

/// The largest factor: a slower machine is not busy but broken.
const MOST: u32 = 20;
/// The least factor of a deadline: load may come after it was measured.
const LEAST: u32 = 3;

static SLOWNESS: LazyLock<u32> = LazyLock::new(|| measured().max(loaded()).clamp(1, MOST));

/// How many times longer work takes here than on an idle machine with two cores.
pub fn slowness() -> u32 {
    *SLOWNESS
}

/// The deadline of a wait: `within`, multiplied for this machine. A test that reaches it fails.
pub fn patience(within: Duration) -> Duration {
    within * slowness().max(LEAST)
}

/// A setting that a worker must be able to keep, such as a visibility timeout, a lease, a handler's time; and times
/// that depend on one. Multiplied by half the factor: a setting has room for several tries, and tests wait for its end.
pub fn at_this_pace(setting: Duration) -> Duration {
    setting * slowness().div_ceil(2)
}

fn measured() -> u32 {
    std::env::var("TEST_SLOWNESS").ok().map_or(1, |text| text.parse().expect("a whole number"))
}

/// Waiting processes for each processor, divided by 3: the tests and their servers alone are about three.
fn loaded() -> u32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|minute| minute.parse().ok()).unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (load / processors as f64 / 3.0) as u32
}
