//! Nothing: what is here are benches.
