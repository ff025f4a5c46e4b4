//! Composing: an event becomes a mail, in the language that it asks for.
//!
//! Enters: an event. Leaves: a [`Mail`] ready to hand over. Promises: the same user gets the same Message-ID every time; text
//! that a user chose is escaped in the HTML, becomes no link and cannot add a header. Knows no server.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use lettre::Address;
use lettre::message::Mailbox;
use minijinja::Value;
use sha2::{Digest, Sha256};

use super::faults::TemplateFault;
use super::message::{self, Parts};
use super::preview::{self, Preview};
use super::templates::{Bodies, Language, Templates};
use super::values::{self, Values};
use super::{Mail, header};
use crate::events::{UserSignedUp, WithFields, a_labels};
use engine::event::Event;

/// The field of an event that names its language, unless the settings name another.
pub const LOCALE_FIELD: &str = "locale";

/// Turns events into mails. Clones share the templates.
#[derive(Clone)]
pub struct Composer {
    shared: Arc<Shared>,
    /// Instead of the language that an event asks for.
    language: Option<String>,
}

struct Shared {
    from: Address,
    redirect_to: Option<Address>,
    /// What stands behind the `@` of every Message-ID.
    domain: String,
    /// Headers that every mail has.
    headers: String,
    /// The name under the mail's text.
    name: Value,
    templates: Templates,
    locale_field: String,
}

/// Who the mails are from, where answers go, and where mails go in staging.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The `From` header and the envelope's sender.
    pub from: Mailbox,
    /// Where answers go. `None`: to `from`.
    pub reply_to: Option<Mailbox>,
    /// Staging safety: every mail goes here instead of to its user.
    pub redirect_to: Option<Address>,
}

/// What a mail says, and in which language.
#[derive(Debug)]
pub struct Wording {
    /// The templates.
    pub templates: Templates,
    /// The field of an event that names its language.
    pub locale_field: String,
    /// More headers, by name.
    pub headers: Vec<(String, String)>,
}

/// A mail could not be made from this event: a template failed. Never repeats the event's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ComposeError(pub TemplateFault);

impl Wording {
    /// These templates, without more headers.
    #[must_use]
    pub fn of(templates: Templates) -> Self {
        Self { templates, locale_field: LOCALE_FIELD.to_owned(), headers: Vec::new() }
    }
}

impl Composer {
    /// The welcome template's id; part of the effect's fingerprint.
    pub const WELCOME: &'static str = "welcome";

    /// Mails of this wording, from this sender.
    #[must_use]
    pub fn new(sender: Sender, wording: Wording) -> Self {
        let name = sender.from.name.clone().unwrap_or_else(|| sender.from.email.domain().to_owned());
        let Sender { from, reply_to, redirect_to } = sender.in_a_labels();
        let domain = from.email.domain();
        let shared = Shared {
            domain: a_labels(domain).map_or_else(|| domain.to_owned(), |domain| domain.into_owned()),
            headers: header::constant(&from, reply_to, &wording.headers),
            from: from.email,
            redirect_to,
            name: values::sender(&name),
            templates: wording.templates,
            locale_field: wording.locale_field,
        };
        Self { shared: Arc::new(shared), language: None }
    }

    /// The same, always in this language.
    #[must_use]
    pub(crate) fn in_language(&self, tag: &str) -> Self {
        Self { shared: self.shared.clone(), language: Some(tag.to_owned()) }
    }

    /// The welcome mail for this event. `handler` goes into the Message-ID.
    ///
    /// # Errors
    /// [`ComposeError`]: this event will never make a mail, unless the templates change.
    pub fn welcome(&self, handler: &str, event: &WithFields<UserSignedUp>) -> Result<Mail, ComposeError> {
        let (language, bodies) = self.rendered(event)?;
        let to = self.shared.redirect_to.clone().unwrap_or_else(|| event.event.email.deliverable());
        let reference = reference(handler, event.subject());
        let message_id = [&reference, "@", &self.shared.domain].concat();
        let parts = Parts { to: to.as_ref(), message_id: &message_id, reference: &reference, bodies: &bodies };
        let message =
            message::write(&self.shared.headers, &parts, &self.shared.templates.images(language).collect::<Vec<_>>());
        Ok(Mail { message_id, from: self.shared.from.clone(), to, message })
    }

    /// The text of the welcome mail for this event.
    ///
    /// # Errors
    /// [`ComposeError`]: this event will never make a mail, unless the templates change.
    pub fn bodies(&self, event: &WithFields<UserSignedUp>) -> Result<Bodies, ComposeError> {
        Ok(self.rendered(event)?.1)
    }

    /// The tags of all languages but the plain one, which an empty tag asks for.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.shared.templates.tags()
    }

    /// The HTML of the welcome mail for this event, with its images in it, as a mail client in this scheme shows it.
    /// `None`: its language has none.
    ///
    /// # Errors
    /// [`ComposeError`]: this event will never make a mail, unless the templates change.
    pub(crate) fn preview(
        &self,
        event: &WithFields<UserSignedUp>,
        scheme: Preview,
    ) -> Result<Option<String>, ComposeError> {
        let (language, bodies) = self.rendered(event)?;
        Ok(bodies.html.map(|html| preview::of(&html, self.shared.templates.images(language), scheme)))
    }

    /// Does every mail go to one address, for staging?
    #[must_use]
    pub fn redirects(&self) -> bool {
        self.shared.redirect_to.is_some()
    }

    /// What is wrong with the templates: each language is tried for each of these events. With `stands_in` a field that an
    /// event lacks has a value, too: another event may have that field.
    #[must_use]
    pub fn check(&self, events: &[WithFields<UserSignedUp>], stands_in: bool) -> Vec<TemplateFault> {
        let mut faults = Vec::new();
        for event in events {
            let values = Values::new(event, &self.shared.name);
            let values = if stands_in { values.standing_in() } else { values };
            for fault in self.shared.templates.check(&Value::from_object(values)) {
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
        faults
    }

    fn rendered(&self, event: &WithFields<UserSignedUp>) -> Result<(&Language, Bodies), ComposeError> {
        let Shared { templates, name, locale_field, .. } = &*self.shared;
        let values = Values::new(event, name);
        let asked = self.language.clone().or_else(|| values.text(locale_field));
        let language = templates.language(asked.as_deref());
        Ok((language, templates.render(language, &Value::from_object(values)).map_err(ComposeError)?))
    }
}

impl Sender {
    /// Writes all domains as A-labels, which every server accepts. An address whose local part needs SMTPUTF8 stays.
    fn in_a_labels(self) -> Self {
        let address = |address: Address| match a_labels(address.domain()) {
            Some(domain) if address.user().is_ascii() => Address::new_dangerous(address.user(), domain),
            _ => address,
        };
        let mailbox = |Mailbox { name, email }: Mailbox| Mailbox::new(name, address(email));
        Self {
            from: mailbox(self.from),
            reply_to: self.reply_to.map(mailbox),
            redirect_to: self.redirect_to.map(address),
        }
    }
}

/// 26 characters, the same for every mail of this handler to this user: 26 × 5 bits = 130 bits of a SHA-256.
fn reference(handler: &str, user: &str) -> String {
    let digest = Sha256::new().chain_update(handler).chain_update("|").chain_update(user).finalize();
    let mut reference = BASE32_NOPAD.encode(&digest);
    reference.truncate(26);
    reference.make_ascii_lowercase();
    reference
}

impl fmt::Debug for Composer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Composer(..)")
    }
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
