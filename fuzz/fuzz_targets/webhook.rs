//! See `src/fuzzing/webhook.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| user_events::fuzzing::webhook(input));
