//! See `src/fuzzing/dead_letter.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| user_events::fuzzing::dead_letter(input));
