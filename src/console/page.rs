//! Templates: values become a page. Only this file knows the template engine.
//!
//! Enters: a template's name and its values. Leaves: HTML. Promises: every value is shown as text, with characters that
//! cannot be seen or that turn the writing as their escapes; a form holds the token of its own path. A page without a
//! session shows no menu.

use std::sync::LazyLock;

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value, context, escape_formatter};
use serde::Serialize;

use super::Shared;
use super::form::TOKEN;
use super::refusal::Refusal;
use super::session::{Flash, Session};
use crate::plain;

/// Each page's template. All extend `frame.html`.
const TEMPLATES: &[(&str, &str)] = &[
    ("deeds.html", include_str!("templates/deeds.html")),
    ("error.html", include_str!("templates/error.html")),
    ("event.html", include_str!("templates/event.html")),
    ("findings.html", include_str!("templates/findings.html")),
    ("forget.html", include_str!("templates/forget.html")),
    ("frame.html", include_str!("templates/frame.html")),
    ("job.html", include_str!("templates/job.html")),
    ("letter.html", include_str!("templates/letter.html")),
    ("letters.html", include_str!("templates/letters.html")),
    ("letters_busy.html", include_str!("templates/letters_busy.html")),
    ("letters_confirm.html", include_str!("templates/letters_confirm.html")),
    ("letters_list.html", include_str!("templates/letters_list.html")),
    ("login.html", include_str!("templates/login.html")),
    ("mail.html", include_str!("templates/mail.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("pause.html", include_str!("templates/pause.html")),
    ("retrying.html", include_str!("templates/retrying.html")),
    ("record.html", include_str!("templates/record.html")),
];

/// The menu: address and words. A page belongs to the entry whose address its own begins with.
const MENU: &[(&str, &str)] = &[
    ("/", "Overview"),
    ("/letters", "Dead letters"),
    ("/retrying", "Retrying"),
    ("/record", "Record"),
    ("/mail", "Mail"),
    ("/event", "Event"),
    ("/doctor", "Doctor"),
    ("/deeds", "Deeds"),
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(write);
    environment.add_filter("exact", |text: String| Value::from_safe_string(escaped(&text)));
    for (name, source) in TEMPLATES {
        if let Err(error) = environment.add_template(name, source) {
            tracing::error!(name, "{error:#}");
        }
    }
    environment
});

/// What the frame shows around every page.
#[derive(Serialize)]
struct Frame<'a> {
    title: &'a str,
    flash: Option<Flash>,
    menu: Vec<Entry>,
    program: &'a str,
    who: &'a str,
    may_write: bool,
    may_publish: bool,
    is_in: bool,
}

/// A page in the menu.
#[derive(Serialize)]
struct Entry {
    href: &'static str,
    words: &'static str,
    is_here: bool,
}

/// For whom a page is, and where it is.
pub(super) struct Reader<'a> {
    pub(super) console: &'a Shared,
    pub(super) session: Option<Session>,
    pub(super) path: &'a str,
}

/// Renders a page.
pub(super) fn render(reader: &Reader<'_>, name: &str, title: &str, values: impl Serialize) -> Result<String, Refusal> {
    let Reader { console, session, path } = *reader;
    let entry = |(href, words): &(&'static str, &'static str)| Entry { href, words, is_here: is_here(href, path) };
    let frame = Frame {
        title,
        flash: session.and_then(|session| console.sessions.take_flash(session)),
        menu: MENU.iter().filter(|_| session.is_some()).map(entry).collect(),
        program: &console.program,
        who: &console.who,
        may_write: console.rights.write,
        may_publish: console.rights.publish,
        is_in: session.is_some(),
    };
    let owner = console.clone();
    let token = Value::from_function(move |path: String| {
        let token = owner.sessions.form_token(session, &path);
        Value::from_safe_string(format!(r#"<input type="hidden" name="{TOKEN}" value="{token}">"#))
    });
    let (frame, values) = (Value::from(Serde(frame)), Value::from(Serde(values)));
    let rendered = ENVIRONMENT
        .get_template(name)
        .and_then(|template| template.render(context! { frame => frame, token => token, ..values }));
    rendered.map_err(|error| {
        tracing::error!(name, "a page cannot be shown: {error:#}");
        Refusal::broken()
    })
}

fn is_here(href: &str, path: &str) -> bool {
    let rest = path.strip_prefix(href);
    if href == "/" { path == href } else { rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) }
}

/// Writes a value, and text as what can be seen of it.
fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if value.kind() == ValueKind::String && !value.is_safe() => {
            escape_formatter(out, state, &Value::from(plain::lines(text)))
        }
        _ => escape_formatter(out, state, value),
    }
}

/// For a value that a form sends back as it was.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#x27;"),
            c => shown.push(c),
        }
    }
    shown
}
