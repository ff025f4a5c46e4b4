//! Which letters a page is asked for, as its address and its forms say it.
//!
//! Enters: fields of a query or of a form. Leaves: a [`Selection`], the same fields again for links and forms, or what is
//! wrong with them. Pure, but for the moment from which an age counts.

use url::form_urlencoded::Serializer;

use crate::letters::{Gist, Selection, ago};

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The fields, as they were given. An empty one is left out.
    fields: Vec<(&'static str, String)>,
    selection: Selection,
    /// The beginnings of ids; empty: any id.
    ids: Vec<String>,
    /// What is wrong: a field and its rule.
    pub(super) faults: Vec<(&'static str, &'static str)>,
}

/// The fields. A reason may be given again.
const FIELDS: [&str; 6] = ["reason", "detail", "type", "age", "subject", "id"];

impl Asked {
    /// Reads the fields by `all`, which answers the values of a name.
    pub(super) fn read(all: impl Fn(&str) -> Vec<String>) -> Self {
        let mut asked = Self::default();
        for name in FIELDS {
            for value in all(name) {
                let value = value.trim();
                if !value.is_empty() {
                    asked.take(name, value);
                    asked.fields.push((name, value.to_owned()));
                }
            }
        }
        asked
    }

    fn take(&mut self, name: &'static str, value: &str) {
        let text = || Some(value.to_owned());
        match name {
            "reason" => self.selection.reasons.push(value.to_owned()),
            "detail" => self.selection.detail = text(),
            "type" => self.selection.kind = text(),
            "age" => match humantime::parse_duration(value) {
                Ok(span) => self.selection.not_before = Some(ago(span)),
                Err(_) => self.faults.push((name, "must be like 30m, 2h or 1d")),
            },
            "subject" => match value.to_lowercase() {
                hash if hash.bytes().all(|b| b.is_ascii_hexdigit()) => self.selection.hash = Some(hash),
                _ => self.faults.push((name, "is a part of the hash that logs show, of 0-9 and a-f")),
            },
            _ => self.ids.extend(value.split([',', ' ', '\n', '\r']).filter(|id| !id.is_empty()).map(str::to_owned)),
        }
    }

    pub(super) fn takes(&self, gist: &Gist) -> bool {
        let by_id = self.ids.is_empty() || self.ids.iter().any(|id| gist.id.starts_with(id));
        self.faults.is_empty() && by_id && self.selection.takes(gist)
    }

    /// A field's value, as it was given.
    pub(super) fn value(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// Is this reason asked for by name?
    pub(super) fn names(&self, reason: &str) -> bool {
        self.selection.reasons.iter().any(|own| own == reason)
    }

    /// All that is asked for, for a form's hidden fields.
    pub(super) fn fields(&self) -> &[(&'static str, String)] {
        &self.fields
    }

    /// The same as a query, with this field more.
    pub(super) fn query(&self, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.fields).extend_pairs(more);
        query.finish()
    }

    /// The same in words, for the line that tells of a deed: without the values that a person wrote.
    pub(super) fn words(&self) -> String {
        let told = |(name, value): &(&'static str, String)| match *name {
            "detail" => "detail=…".to_owned(),
            name => format!("{name}={value}"),
        };
        let words: Vec<_> = self.fields.iter().map(told).collect();
        if words.is_empty() { "all".to_owned() } else { words.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::Kind;

    fn read(fields: &[(&str, &str)]) -> Asked {
        Asked::read(|name| {
            let of_name = fields.iter().filter(|(key, _)| *key == name);
            of_name.map(|(_, value)| (*value).to_owned()).collect()
        })
    }

    fn gist() -> Gist {
        Gist {
            id: "1a2b".to_owned(),
            reason: "conflict".to_owned(),
            detail: "email: must be there".to_owned(),
            event: Some(Kind { name: "user.signed_up".to_owned(), subject: Some("0badcafe".to_owned()) }),
            died_at: 1_000,
            receives: 1,
            bytes: 7,
        }
    }

    #[test]
    fn each_field_narrows_the_list_and_an_empty_one_does_not() {
        assert!(read(&[("reason", ""), ("id", " "), ("other", "x")]).takes(&gist()));
        for (name, right, wrong) in [
            ("reason", "conflict", "not_json"),
            ("detail", "EMAIL", "userId"),
            ("type", "user.signed_up", "order.paid"),
            ("subject", "BADC", "dead"),
            ("age", "100000d", "1h"),
            ("id", "9f, 1a", "2b"),
        ] {
            assert!(read(&[(name, right)]).takes(&gist()), "{name}");
            assert!(!read(&[(name, wrong)]).takes(&gist()), "{name}");
        }
        assert!(read(&[("reason", "x"), ("reason", "conflict")]).takes(&gist()));
    }

    #[test]
    fn a_field_that_means_nothing_selects_nothing_and_is_named() {
        let asked = read(&[("age", "yesterday"), ("subject", "anna@example.com"), ("reason", "conflict")]);
        assert_eq!(asked.faults.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["age", "subject"]);
        assert!(!asked.takes(&gist()));
    }

    #[test]
    fn a_filter_is_a_link_and_reads_itself() {
        let asked = read(&[("reason", "a&b"), ("reason", "c"), ("detail", "é =")]);
        assert_eq!(asked.query(&[("page", "2")]), "reason=a%26b&reason=c&detail=%C3%A9+%3D&page=2");
        assert_eq!((asked.value("detail"), asked.names("c"), asked.names("d")), ("é =", true, false));
        assert_eq!(asked.words(), "reason=a&b reason=c detail=…");
        assert_eq!(read(&[]).words(), "all");
    }
}
