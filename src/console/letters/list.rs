//! The letters of one reaction: by reason, and one by one, newest first; a filter narrows both.
//!
//! Enters: an address with a filter, a page's number, or the number of what was last seen (`look`: something newer is
//! wanted). Leaves: at most [`A_PAGE`] letters, and how many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::Path;
use serde_json::{Value, json};

use super::desk::{Desk, View};
use super::filter::Asked;
use super::mask::masked;
use super::shelf::Seen;
use crate::console::visit::{Answer, Visit};
use crate::letters::{Gist, Source, meaning};
use crate::words::age;
use engine::event::Timestamp;

const A_PAGE: usize = 50;

pub(super) async fn show(visit: Visit, Path(reaction): Path<String>) -> Answer {
    let desk = Desk::of(&visit, &reaction)?;
    let asked = asked(&visit);
    let older_than = visit.asked("look").and_then(|number| number.parse().ok());
    let view = desk.view(&visit, older_than).await?;
    if let (Some(_), View::Seen(_)) = (older_than, &view) {
        return visit.go(&linked(desk, "", &asked, &[]));
    }
    let seen = match view {
        View::Seen(seen) => seen,
        View::Busy(words) => return busy(&visit, &title(desk), &words),
    };
    let dlq = desk.dlq().await?;
    let matching: Vec<&Arc<Gist>> = seen.gists.iter().filter(|gist| asked.takes(gist)).collect();
    let pages = matching.len().div_ceil(A_PAGE).max(1);
    let page = visit.asked("page").and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, pages);
    let now = Timestamp::now().unix_millis();
    let row = |gist: &&Arc<Gist>| row(desk, gist, now);
    let rows: Vec<Value> = matching.iter().skip((page - 1) * A_PAGE).take(A_PAGE).map(row).collect();
    let to_page =
        |page: usize| (1..=pages).contains(&page).then(|| linked(desk, "", &asked, &[("page", &page.to_string())]));
    let deed = |deed: &str| linked(desk, deed, &asked, &[]);
    visit.page(
        "letters_list.html",
        &title(desk),
        json!({
            "reaction": desk.name, "here": desk.address(), "source": dlq.source.name(), "is_fifo": dlq.source.is_fifo(),
            "looked": age(now - seen.at.unix_millis()), "is_whole": seen.is_whole,
            "look": linked(desk, "", &asked, &[("look", &seen.number.to_string())]),
            "all": seen.gists.len(), "matching": matching.len(), "rows": rows,
            "reasons": reasons(&seen, &asked, now), "kinds": kinds(&seen),
            "is_filtered": !asked.fields().is_empty(), "filter": filled(&asked), "faults": faults(&asked),
            "page": page, "pages": pages, "previous": to_page(page.wrapping_sub(1)), "next": to_page(page + 1),
            "redrive": deed("redrive"), "drop": deed("drop"),
        }),
    )
}

/// What the address asks for.
pub(super) fn asked(visit: &Visit) -> Asked {
    Asked::read(|name| visit.all_asked(name).map(str::to_owned).collect())
}

fn title(desk: &Desk) -> String {
    format!("Dead letters of {}", desk.name)
}

/// A page that waits: it comes again by itself.
pub(super) fn busy(visit: &Visit, title: &str, words: &str) -> Answer {
    visit.page("letters_busy.html", title, json!({ "words": words }))
}

/// The address of the list, or of a deed, with a filter.
pub(super) fn linked(desk: &Desk, deed: &str, asked: &Asked, more: &[(&str, &str)]) -> String {
    let (slash, query) = (if deed.is_empty() { "" } else { "/" }, asked.query(more));
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{slash}{deed}{mark}{query}", desk.address())
}

fn row(desk: &Desk, gist: &Gist, now: i64) -> Value {
    let event = gist.event.as_ref();
    json!({
        "id": gist.id, "short": gist.id.chars().take(8).collect::<String>(),
        "href": format!("{}/{}", desk.address(), gist.id),
        "reason": gist.reason, "detail": masked(&gist.detail), "kind": event.map(|event| masked(&event.name)),
        "subject": event.and_then(|event| event.subject.as_ref()), "receives": gist.receives,
        "died": Timestamp::from_unix_millis(gist.died_at).map(|at| at.to_string()), "ago": age(now - gist.died_at),
    })
}

/// Each reason that was seen, the most frequent first.
fn reasons(seen: &Seen, asked: &Asked, now: i64) -> Vec<Value> {
    let mut groups = BTreeMap::<&str, (u64, i64, i64)>::new();
    for gist in &seen.gists {
        let group = groups.entry(&gist.reason).or_insert((0, gist.died_at, gist.died_at));
        *group = (group.0 + 1, group.1.min(gist.died_at), group.2.max(gist.died_at));
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (count, ..))| std::cmp::Reverse(*count));
    let told = |(reason, (count, oldest, newest)): (&str, (u64, i64, i64))| {
        json!({
            "name": reason, "count": count, "oldest": age(now - oldest), "newest": age(now - newest),
            "is_asked": asked.names(reason), "meaning": marked(meaning(reason).unwrap_or_default()),
        })
    };
    groups.into_iter().map(told).collect()
}

fn kinds(seen: &Seen) -> BTreeSet<String> {
    let names: BTreeSet<&str> = seen.gists.iter().filter_map(|gist| Some(gist.event.as_ref()?.name.as_str())).collect();
    names.into_iter().map(masked).collect()
}

/// The filter's fields, for its form.
fn filled(asked: &Asked) -> Value {
    let fields = ["detail", "type", "age", "subject", "id"].map(|name| (name.to_owned(), asked.value(name).into()));
    Value::Object(fields.into_iter().collect())
}

pub(super) fn faults(asked: &Asked) -> Vec<Value> {
    asked.faults.iter().map(|(field, rule)| json!({ "field": field, "rule": rule })).collect()
}

/// A text of ours with code between backticks, in parts.
pub(super) fn marked(text: &str) -> Vec<Value> {
    let part = |(n, text): (usize, &str)| json!({ "text": text, "is_code": n % 2 == 1 });
    text.split('`').enumerate().filter(|(_, text)| !text.is_empty()).map(part).collect()
}
