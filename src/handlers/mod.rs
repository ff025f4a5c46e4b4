//! What each reaction that ships does with its event.

pub mod profile;
pub mod webhook;
pub mod welcome_email;
