//! Composing: an event becomes a mail, in plain text and in HTML.
//!
//! Enters: an event. Leaves: a [`Mail`] ready to hand over. Promises: the same user gets the same Message-ID
//! every time; text that a user chose is escaped in the HTML and cannot add a header. The templates are part of
//! the binary. Knows no server.

use data_encoding::BASE32_NOPAD;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use minijinja::{Environment, UndefinedBehavior, context};
use sha2::{Digest, Sha256};

use super::Mail;
use crate::events::{UserSignedUp, a_labels};

/// Turns events into mails.
#[derive(Debug)]
pub struct Composer {
    /// Its domains are A-labels (ASCII, `xn--…`).
    sender: Sender,
    /// The name under the mail's text.
    name: String,
    templates: Environment<'static>,
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

/// The text of a mail, in both forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bodies {
    /// Plain text: for a terminal and for readers without HTML.
    pub text: String,
    /// HTML for a mail client, with the style sheet inlined.
    pub html: String,
}

/// A mail could not be made from this event. The error never repeats the event's content.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A template is broken or lacks a value.
    #[error("template: {0}")]
    Template(minijinja::ErrorKind),
    /// The CSS could not be put into the HTML.
    #[error("inlining the style sheet failed")]
    Css,
    /// The mail library refused the parts.
    #[error("the parts make no mail")]
    Message,
}

impl Composer {
    /// The welcome template's id; part of the effect's fingerprint.
    pub const WELCOME: &'static str = "welcome";
    /// The welcome mail's subject.
    pub const SUBJECT: &'static str = "Welcome";

    /// A composer with the built-in templates.
    ///
    /// # Errors
    /// [`ComposeError::Template`] if one does not parse.
    pub fn new(sender: Sender) -> Result<Self, ComposeError> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.add_template("welcome.txt", include_str!("templates/welcome.txt"))?;
        templates.add_template("welcome.html", include_str!("templates/welcome.html"))?;
        let name = sender.from.name.clone().unwrap_or_else(|| sender.from.email.domain().to_owned());
        Ok(Self { sender: sender.in_a_labels(), name, templates })
    }

    /// The welcome mail for this event. `handler` goes into the Message-ID.
    ///
    /// # Errors
    /// [`ComposeError`]: this event will never make a mail.
    pub fn welcome(&self, handler: &str, event: &UserSignedUp) -> Result<Mail, ComposeError> {
        self.assemble(handler, event, self.bodies(event)?)
    }

    /// The text of the welcome mail for this event.
    ///
    /// # Errors
    /// [`ComposeError`]: this event will never make a mail.
    pub fn bodies(&self, event: &UserSignedUp) -> Result<Bodies, ComposeError> {
        let values = context! {
            plan => event.plan.as_ref().map(|plan| plan.as_str()),
            signed_up_on => &event.head.occurred_at.to_string()[..10],
            sender => &self.name,
        };
        let text = self.templates.get_template("welcome.txt")?.render(&values)?;
        let html = self.templates.get_template("welcome.html")?.render(&values)?;
        let html = css_inline::inline(&html).map_err(|_| ComposeError::Css)?;
        Ok(Bodies { text, html })
    }

    fn assemble(&self, handler: &str, event: &UserSignedUp, bodies: Bodies) -> Result<Mail, ComposeError> {
        let Sender { from, reply_to, redirect_to } = &self.sender;
        let to = redirect_to.clone().unwrap_or_else(|| event.email.deliverable());
        let id = reference(handler, event.user_id.as_str());
        let domain = from.email.domain();
        let message_id = format!("{id}@{}", a_labels(domain).as_deref().unwrap_or(domain));
        // Without an explicit envelope the library parses the headers again, and refuses `"a..b"`.
        let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]).map_err(|_| ComposeError::Message)?;
        let mut builder = lettre::Message::builder()
            .envelope(envelope)
            .from(from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(Self::SUBJECT)
            .message_id(Some(format!("<{message_id}>")));
        if let Some(reply_to) = reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        let mut message = builder
            .multipart(MultiPart::alternative_plain_html(bodies.text, bodies.html))
            .map_err(|_| ComposeError::Message)?;
        // Amazon SES replaces Message-ID, but not X-Entity-Ref-ID.
        let extra = [("Auto-Submitted", "auto-generated"), ("X-Entity-Ref-ID", id.as_str())];
        for (name, value) in extra {
            let name = HeaderName::new_from_ascii_str(name);
            message.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
        }
        Ok(Mail { message_id, from: from.email.clone(), to, message: message.formatted() })
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
    let digest = Sha256::digest(format!("{handler}|{user}"));
    BASE32_NOPAD.encode(&digest)[..26].to_ascii_lowercase()
}

impl From<minijinja::Error> for ComposeError {
    fn from(error: minijinja::Error) -> Self {
        Self::Template(error.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EmailAddress, Plan, UserId};

    fn composer(redirect_to: Option<Address>) -> Composer {
        from("Acme <hello@acme.example>", redirect_to)
    }

    fn from(mailbox: &str, redirect_to: Option<Address>) -> Composer {
        let from = mailbox.parse().expect("a mailbox");
        Composer::new(Sender { from, reply_to: None, redirect_to }).expect("templates parse")
    }

    fn event(plan: &str) -> UserSignedUp {
        let (user, email): (UserId, EmailAddress) =
            ("u1".parse().expect("id"), "ann@example.com".parse().expect("address"));
        UserSignedUp::new(user, email, Some(plan.parse::<Plan>().expect("plan")))
    }

    fn to(address: &str) -> UserSignedUp {
        UserSignedUp { email: address.parse().expect("an address"), ..event("pro") }
    }

    fn text(mail: &Mail) -> String {
        String::from_utf8_lossy(&mail.message).replace("=\r\n", "").replace("=3D", "=")
    }

    #[test]
    fn a_mail_has_both_forms_inlined_css_and_the_same_id_every_time() {
        let (first, second) = (composer(None).welcome("h", &event("pro")), composer(None).welcome("h", &event("pro")));
        let (first, second) = (first.expect("a mail"), second.expect("a mail"));
        assert_eq!(first.message_id, second.message_id);
        assert!(first.message_id.ends_with("@acme.example"));
        let text = text(&first);
        for part in ["multipart/alternative", "text/plain", "text/html", "style=\"", "Auto-Submitted: auto-generated"] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        assert!(!text.contains("<style"), "the style sheet was left behind:\n{text}");
    }

    #[test]
    fn what_a_user_chose_is_escaped_in_the_html() {
        let mail = composer(None).welcome("h", &event("<script>")).expect("a mail");
        assert!(text(&mail).contains("&lt;script&gt;"));
    }

    #[test]
    fn a_redirect_keeps_the_users_address_out_of_the_mail_altogether() {
        let staging = "staging@acme.example".parse().expect("address");
        let mail = composer(Some(staging)).welcome("h", &event("pro")).expect("a mail");
        assert_eq!(mail.to.to_string(), "staging@acme.example");
        assert!(!text(&mail).contains("ann@example.com"));
    }

    #[test]
    fn domains_beyond_ascii_are_in_a_labels_in_headers_and_envelope_and_signed_as_they_are_written() {
        let mail = from("hallo@bücher.example", None).welcome("h", &to("user@köln.example")).expect("a mail");
        let addresses = [mail.from.to_string(), mail.to.to_string()];
        assert_eq!(addresses, ["hallo@xn--bcher-kva.example", "user@xn--kln-sna.example"]);
        assert!(mail.message_id.ends_with("@xn--bcher-kva.example"));
        let headers = text(&mail).split("\r\n\r\n").next().expect("headers").to_owned();
        for line in ["From: hallo@xn--bcher-kva.example", "To: user@xn--kln-sna.example"] {
            assert!(headers.contains(line), "no {line} in\n{headers}");
        }
        assert!(headers.is_ascii(), "{headers}");
        let redirect = "alle@köln.example".parse().expect("an address");
        let mail = from("hallo@acme.example", Some(redirect)).welcome("h", &event("pro")).expect("a mail");
        assert_eq!(mail.to.to_string(), "alle@xn--kln-sna.example");
        let bodies = from("hallo@bücher.example", None).bodies(&event("pro")).expect("bodies");
        assert!(bodies.text.contains("bücher.example"), "{}", bodies.text);
    }

    #[test]
    fn a_local_part_beyond_ascii_keeps_its_domain_as_it_is_written_and_the_message_id_is_ascii() {
        let mail = from("jürgen@bücher.example", None).welcome("h", &to("jörg@köln.example")).expect("a mail");
        assert_eq!([mail.from.to_string(), mail.to.to_string()], ["jürgen@bücher.example", "jörg@köln.example"]);
        assert!(mail.message_id.ends_with("@xn--bcher-kva.example"));
    }

    #[test]
    fn an_address_with_two_dots_in_a_row_makes_a_mail_and_is_quoted() {
        let mail = composer(None).welcome("h", &to("a..b.@docomo.ne.jp")).expect("a mail");
        assert_eq!(mail.to.to_string(), "\"a..b.\"@docomo.ne.jp");
        assert!(text(&mail).contains("To: \"a..b.\"@docomo.ne.jp\r\n"), "{}", text(&mail));
    }

    #[test]
    fn another_handler_or_user_has_another_reference() {
        assert_eq!(reference("h", "u").len(), 26);
        assert_ne!(reference("h", "u"), reference("h", "v"));
        assert_ne!(reference("h", "u"), reference("i", "u"));
    }
}
