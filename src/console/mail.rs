//! The mails as they would go out: every language, light, dark and narrow, with the plain text beside it.
//!
//! The HTML is a team's own, so it is shown in a frame that may run nothing, from an address with a policy of its own.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use super::refusal::Refusal;
use super::visit::{Answer, Visit};
use crate::events::{UserSignedUp, WithFields};
use crate::mail::{Bodies, Composer, Preview};

/// Of the frame's document: styles of its own, and images that lie in it. Nothing runs, nothing is loaded.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'; sandbox";

/// The mails of this configuration, and the events that they are shown for.
pub(crate) struct Mails {
    pub(crate) composer: Composer,
    pub(crate) examples: Vec<WithFields<UserSignedUp>>,
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/mail", get(show)).route("/mail/html", get(html))
}

async fn show(visit: Visit) -> Answer {
    let mails = match &visit.console.mails {
        Ok(mails) => mails,
        Err(problems) => return visit.page("mail.html", "Mail", json!({ "problems": problems })),
    };
    let (n, event) = example(&visit, mails)?;
    let languages: Vec<_> = mails.composer.tags().collect();
    let language = visit.asked("language").filter(|asked| languages.contains(asked));
    let shown = match bodies(&mails.composer, language, event) {
        Ok(Bodies { subject, text, html }) => {
            json!({ "problem": null, "subject": subject, "text": text, "has_html": html.is_some() })
        }
        Err(problem) => json!({ "problem": problem }),
    };
    let values = json!({
        "problems": [], "languages": languages, "language": language, "look": look(&visit),
        "examples": (1..=mails.examples.len()).collect::<Vec<_>>(), "example": n + 1, "shown": shown,
    });
    visit.page("mail.html", "Mail", values)
}

/// The document of the frame.
async fn html(visit: Visit) -> Answer {
    let mails = visit.console.mails.as_ref().map_err(|_| Refusal::not_found("there is no mail to show"))?;
    let (_, event) = example(&visit, mails)?;
    let composer = in_language(&mails.composer, visit.asked("language"));
    let preview = if look(&visit) == "dark" { Preview::Dark } else { Preview::Light };
    let html = composer.preview(event, preview).map_err(Refusal::unfit)?;
    let html = html.ok_or_else(|| Refusal::not_found("this language has no HTML"))?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    Ok((headers, html).into_response())
}

fn example<'m>(visit: &Visit, mails: &'m Mails) -> Result<(usize, &'m WithFields<UserSignedUp>), Refusal> {
    let n = visit.asked("example").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1).saturating_sub(1);
    let event = mails.examples.get(n).or_else(|| mails.examples.first());
    Ok((n.min(mails.examples.len().saturating_sub(1)), event.ok_or_else(Refusal::broken)?))
}

fn look(visit: &Visit) -> &'static str {
    ["dark", "narrow"].into_iter().find(|look| visit.asked("look") == Some(look)).unwrap_or("light")
}

fn in_language(composer: &Composer, tag: Option<&str>) -> Composer {
    // Without one: the plain language, whatever the example's own field says.
    composer.in_language(tag.unwrap_or_default())
}

fn bodies(composer: &Composer, tag: Option<&str>, event: &WithFields<UserSignedUp>) -> Result<Bodies, String> {
    in_language(composer, tag).bodies(event).map_err(|error| error.to_string())
}
