//! See `src/fuzzing/cloud_events.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| user_events::fuzzing::cloud_events(input));
