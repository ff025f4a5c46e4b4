//! What a user chose, in a mail: through the built-in templates and through some of a team's own, into a message.
//!
//! Enters: the event's fields, one a line; or, after an empty line, its whole text. Leaves: nothing.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use url::Url;

use super::message::{shown, words};
use super::{assert_tells_nothing, pairs};
use crate::config::{example, nobody};
use crate::events::{UserSignedUp, WithFields};
use crate::mail::{Bodies, Composer, Templates, Wording};

/// Headers of each of our mails, each once.
const HEADERS: [&str; 9] = [
    "Auto-Submitted",
    "Content-Type",
    "Date",
    "From",
    "MIME-Version",
    "Message-ID",
    "Subject",
    "To",
    "X-Entity-Ref-ID",
];

static BUILTIN: LazyLock<Composer> = LazyLock::new(|| composer(Templates::builtin().ok()));

/// Shows a value in every place where a template may.
static OWN: LazyLock<Composer> = LazyLock::new(|| {
    own(&[
        ("welcome.subject", r#"Hi {{ event.a | default("") }}"#),
        ("welcome.txt", "{{ event.a | default(\"\") }}\n.{{ event.b | default(\"\") }}\n{{ event }}\n"),
        (
            "welcome.html",
            r#"<p title="{{ event.a | default("") }}">{{ event.b | default("") }}</p><i>{{ event }}</i>{% for x in event.list | default([]) %}{{ x }} {% endfor %}"#,
        ),
    ])
});

static LINKED: LazyLock<Composer> = LazyLock::new(|| {
    own(&[
        ("welcome.subject", "Hi"),
        ("welcome.txt", "{{ event.a | default(\"\") }}"),
        ("welcome.html", r#"<a href="{{ event.url | default("") | link }}">x</a>"#),
    ])
});

fn own(files: &[(&str, &str)]) -> Composer {
    let files = files.iter().map(|(name, source)| ((*name).to_owned(), source.as_bytes().to_vec())).collect();
    composer(Templates::of_files(files).0)
}

fn composer(templates: Option<Templates>) -> Composer {
    match nobody().zip(templates) {
        Some((sender, templates)) => Composer::new(sender, Wording::of(templates)),
        None => panic!("sound templates, and a sender"),
    }
}

/// What holds of an event's fields in a mail.
pub fn templates(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (fields, whole) = text.split_once("\n\n").unwrap_or((&text, ""));
    let json = if whole.trim_start().starts_with('{') { whole.to_owned() } else { event(fields) };
    let Ok(event) = example(&json) else { return };
    for composer in [&*BUILTIN, &*OWN] {
        if let Some(bodies) = bodies(composer, &event, &json) {
            is_a_message(composer, &event, &bodies);
        }
    }
    if let Some(bodies) = bodies(&OWN, &event, &json) {
        leads_nowhere(&bodies);
    }
    if let Some(Bodies { html: Some(html), .. }) = bodies(&LINKED, &event, &json) {
        links_to_what_is_usual(&html);
    }
}

/// An event with these fields: a value is a list or an object if it looks like one, else a text.
fn event(fields: &str) -> String {
    let mut all = Map::new();
    for (name, value) in [("type", "user.signed_up"), ("userId", "u-1"), ("email", "ann@example.com")] {
        all.insert(name.to_owned(), Value::from(value));
    }
    for (name, value) in pairs(fields) {
        let nested = Some(value).filter(|value| value.starts_with(['[', '{']));
        let value = nested.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_else(|| Value::from(value));
        all.insert(name.to_owned(), value);
    }
    Value::from(all).to_string()
}

fn bodies(composer: &Composer, event: &WithFields<UserSignedUp>, json: &str) -> Option<Bodies> {
    let composed = composer.bodies(event);
    composed.inspect_err(|error| assert_tells_nothing(&error.to_string(), json)).ok()
}

/// The mail says what the templates made, in these headers and no more, and ends where it ends.
fn is_a_message(composer: &Composer, event: &WithFields<UserSignedUp>, bodies: &Bodies) {
    let Ok(mail) = composer.welcome("h", event) else { panic!("it has bodies and is no mail") };
    let shown = shown(&mail.message);
    let mut names: Vec<&str> = shown.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, HEADERS);
    assert_eq!(words(shown.header("Subject")), bodies.subject);
    assert_eq!(shown.header("To"), event.event.email.deliverable().to_string());
    assert_eq!(shown.text("text/plain"), ended(&bodies.text));
    assert_eq!(shown.text("text/html"), ended(bodies.html.as_deref().unwrap_or_default()));
}

/// As a mail has it: every line ends, and in one way.
fn ended(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A value is text: no markup, no link, no turned line.
fn leads_nowhere(bodies: &Bodies) {
    let html = bodies.html.as_deref().unwrap_or_default();
    let marks = |text: &str| ['<', '>', '"'].map(|mark| text.matches(mark).count());
    assert_eq!(marks(html), [4, 4, 2], "{html}");
    for text in [&*bodies.subject, &bodies.text, html] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.contains(['\u{202a}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{200e}', '\u{200f}']), "{text:?}");
        assert!(!text.contains("://"), "{text:?} is a link");
        let all: Vec<char> = text.chars().collect();
        let is_parted =
            |three: &[char]| !(is_of_a_name(three[0]) && matches!(three[1], '.' | '@') && three[2].is_alphabetic());
        assert!(all.windows(3).all(is_parted), "{text:?} has a link");
    }
}

/// May it stand in the name of a host? Signs and symbols of other scripts may.
fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || !(c.is_ascii() || c.is_whitespace() || c == '\u{2060}')
}

/// Where a template asks for a link, it goes to a page, a mailbox or a number.
fn links_to_what_is_usual(html: &str) {
    let target = html.split('"').nth(1).unwrap_or_default();
    let target = [("&#x2f;", "/"), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
        .iter()
        .fold(target.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
    if let Ok(url) = Url::parse(&target) {
        assert!(["http", "https", "mailto", "tel"].contains(&url.scheme()), "{target:?}");
    }
}
