//! See `src/fuzzing/templates.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| user_events::fuzzing::templates(input));
