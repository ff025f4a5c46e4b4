//! The pages of dead letters: which there are, each by itself, and what is done with them.
//!
//! Enters: a [`Desk`] for each reaction whose queue is set. Leaves: lists that an address names, a letter's page, deeds.
//! Promises: a look leaves every letter where it was, and a reaction is never looked through twice at once; a deed is
//! done to the letters that its page showed, and to no other; no address is shown unless somebody asks for it, which is
//! told. What is done is done by the room `letters`, as the commands do it.

mod deeds;
mod desk;
mod edit;
mod filter;
mod index;
mod letter;
mod list;
mod mask;
mod shelf;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use desk::Desk;

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/letters", get(index::show))
        .route("/letters/{reaction}", get(list::show))
        .route("/letters/{reaction}/redrive", get(deeds::ask_to_redrive).post(deeds::redrive))
        .route("/letters/{reaction}/drop", get(deeds::ask_to_drop).post(deeds::drop))
        .route("/letters/{reaction}/{id}", get(letter::show))
        .route("/letters/{reaction}/{id}/reveal", post(letter::reveal))
        .route("/letters/{reaction}/{id}/edit", post(edit::edit))
}
