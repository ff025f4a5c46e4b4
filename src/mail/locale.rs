//! Which language a mail is in: the tag that the event asks for, shortened until a folder has it (BCP 47, RFC 4647
//! section 3.4).
//!
//! Enters: tags. Leaves: tags in one spelling, each shorter one in turn. Pure.

/// The longest tag that is looked at. Real ones have less than 20 characters.
const LONGEST: usize = 64;

/// A tag as it is compared: in lower case, and with `-` where some platforms write `_`. `None`: it is none.
pub(super) fn tag(text: &str) -> Option<String> {
    let tag = text.trim().replace('_', "-").to_ascii_lowercase();
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_tag =
        tag.len() <= LONGEST && tag.split('-').all(is_part) && tag.starts_with(|c: char| c.is_ascii_alphabetic());
    is_tag.then_some(tag)
}

/// The tag, then each shorter one: `zh-hant-tw`, `zh-hant`, `zh`. A single letter or digit goes together with what follows it.
pub(super) fn from_longest(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(tag), |tag| shorter(tag))
}

fn shorter(tag: &str) -> Option<&str> {
    let (mut rest, _) = tag.rsplit_once('-')?;
    while let Some((before, _)) = rest.rsplit_once('-').filter(|(_, last)| last.len() == 1) {
        rest = before;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_compared_in_one_spelling() {
        assert_eq!(tag(" de_AT "), Some("de-at".to_owned()));
        assert_eq!(tag("zh-Hant-TW"), Some("zh-hant-tw".to_owned()));
        for odd in ["", "-", "de-", "../de", "de..at", "4", "überall", "toolongapart", &"a-".repeat(40)] {
            assert_eq!(tag(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_tag_is_shortened_from_its_end_and_a_single_letter_never_ends_one() {
        let all = |tag| from_longest(tag).collect::<Vec<_>>();
        assert_eq!(
            all("zh-hant-cn-x-private1-private2"),
            ["zh-hant-cn-x-private1-private2", "zh-hant-cn-x-private1", "zh-hant-cn", "zh-hant", "zh"]
        );
        assert_eq!(all("de-at"), ["de-at", "de"]);
        assert_eq!(all("de"), ["de"]);
    }
}
