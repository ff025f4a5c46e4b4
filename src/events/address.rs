//! The address of a user's mailbox: which texts are accepted, and the spellings of one that is.
//!
//! Enters: text from outside. Leaves: an [`EmailAddress`], or the rule it broke. Accepted: what a browser's `<input
//! type=email>` accepts, and letters of every script. Refused: addresses that no mail reaches (an IP address as
//! domain), and invisible characters before the `@`, which nobody meant; in a domain UTS 46 removes them. The text is
//! also kept as it came: stored fingerprints were made of it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use idna::AsciiDenyList;
use lettre::Address;

use engine::event::InvalidValue;

const RULE: InvalidValue = InvalidValue("must be an address like name@example.com");
const IP_ADDRESS: InvalidValue = InvalidValue("must have a domain by name, not by IP address");
const INVISIBLE: InvalidValue = InvalidValue("must have no invisible character before the @");
const LONGEST_LOCAL_PART: usize = 64;
const LONGEST_LABEL: usize = 63;

/// A mailbox's address. `Debug` and `Display` mask it; only [`EmailAddress::as_str`] and methods like it show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    given: String,
    /// Where the `@` stands in `given`.
    at: usize,
    /// Only for a domain that is not all ASCII.
    mapped: Option<Mapped>,
}

/// A domain as UTS 46 maps it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Mapped {
    /// The whole address with the domain in U-labels.
    address: String,
    /// The domain alone, in A-labels.
    a_labels: String,
}

impl EmailAddress {
    /// In bytes.
    pub const LONGEST: usize = 254;

    /// The whole address, as a person writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.mapped.as_ref().map_or(&self.given, |mapped| &mapped.address)
    }

    /// The whole address, to the byte as it came. Only for comparison with what is stored; never send to it.
    #[must_use]
    pub fn as_given(&self) -> &str {
        &self.given
    }

    /// The text that fingerprints are made of: as given, but with the domain's ASCII in lower case. The local part
    /// keeps its case.
    #[must_use]
    pub fn canonical(&self) -> String {
        let (local, domain) = self.given.split_at(self.at);
        local.to_owned() + &domain.to_ascii_lowercase()
    }

    /// The form that all spellings share: lower case, the domain in A-labels. Folding it again does not change it.
    #[must_use]
    pub fn folded(&self) -> String {
        let domain = self.mapped.as_ref().map_or(&self.given[self.at + 1..], |mapped| &mapped.a_labels);
        [self.local_part(), "@", domain].concat().to_lowercase()
    }

    /// The address for a mail server: the domain in A-labels, which every server accepts, unless the local part itself
    /// is not ASCII. A local part that RFC 5321 allows only in quotes (`a..b`) gets them.
    #[must_use]
    pub fn deliverable(&self) -> Address {
        let local = self.local_part();
        let domain = match &self.mapped {
            Some(mapped) if local.is_ascii() => &mapped.a_labels,
            _ => &self.as_str()[self.at + 1..],
        };
        let needs_quotes = local.split('.').any(str::is_empty);
        // No character needs a backslash: quotes and backslashes are not accepted in the first place.
        let local = if needs_quotes { Cow::Owned(["\"", local, "\""].concat()) } else { Cow::Borrowed(local) };
        Address::new_dangerous(local, domain)
    }

    fn local_part(&self) -> &str {
        &self.given[..self.at]
    }
}

/// A domain in A-labels; an ASCII domain stays as it is. `None`: not a domain by UTS 46.
#[must_use]
pub fn a_labels(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        return Some(Cow::Borrowed(domain));
    }
    idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::EMPTY).ok()
}

impl FromStr for EmailAddress {
    type Err = InvalidValue;
    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        let (local, domain) = value.rsplit_once('@').ok_or(RULE)?;
        let a_labels = a_labels(domain).ok_or(RULE)?;
        check_local_part(local)?;
        check_domain(&a_labels)?;
        let mapped = match a_labels {
            _ if domain.is_ascii() => None,
            a_labels => {
                let (u_labels, Ok(())) = idna::domain_to_unicode(domain) else { return Err(RULE) };
                Some(Mapped { address: format!("{local}@{u_labels}"), a_labels: a_labels.into_owned() })
            }
        };
        let on_the_wire = mapped.as_ref().map_or(domain.len(), |mapped| mapped.a_labels.len());
        if value.len().max(local.len() + 1 + on_the_wire) > Self::LONGEST {
            return Err(RULE);
        }
        Ok(Self { given: value.to_owned(), at: local.len(), mapped })
    }
}

/// Accepts the characters of a browser's pattern, dots in any place, and every visible character beyond ASCII.
fn check_local_part(local: &str) -> Result<(), InvalidValue> {
    if local.chars().any(is_invisible) {
        return Err(INVISIBLE);
    }
    let is_taken = |c: char| match c {
        c if c.is_ascii() => c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c),
        c => !c.is_control() && !c.is_whitespace(),
    };
    let fits = (1..=LONGEST_LOCAL_PART).contains(&local.len());
    if fits && local.chars().all(is_taken) { Ok(()) } else { Err(RULE) }
}

/// Accepts an ASCII name that the DNS can hold, and underscores, which occur in practice.
fn check_domain(domain: &str) -> Result<(), InvalidValue> {
    let last = domain.rsplit('.').next().unwrap_or_default();
    // No top-level domain is a number (RFC 3696): a domain that ends in one is an IPv4 address, or part of one.
    if domain.starts_with('[') || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())) {
        return Err(IP_ADDRESS);
    }
    let is_label = |label: &str| {
        let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        ends(label.bytes().next())
            && ends(label.bytes().next_back())
            && label.len() <= LONGEST_LABEL
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if domain.split('.').all(is_label) { Ok(()) } else { Err(RULE) }
}

/// Does it take no space, or change the direction of text? Unicode's `Default_Ignorable_Code_Point` (soft hyphen,
/// joiners, fillers, direction marks, variation selectors, tags), and annotations.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.given.chars().next().unwrap_or('*');
        write!(f, "{first}***@***")
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> EmailAddress {
        text.parse().unwrap_or_else(|rule| panic!("{text:?} {rule}"))
    }

    #[test]
    fn addresses_that_cannot_be_a_users_mailbox_are_refused_by_the_rule_they_break() {
        let long = [format!("{}@example.com", "a".repeat(65)), format!("a@{}com", "abcdefg.".repeat(32))];
        let label = format!("a@{}.com", "a".repeat(64));
        // Short enough as it came, too long in A-labels.
        let grown = format!("a@{}example", "ü.".repeat(40));
        let odd = ["", "a", "@x.org", "a@", "a@b@c.org", "\"a b\"@x.org", "a b@x.org", "a@b.org\r\nBcc: c@d.org"];
        let hosts =
            ["a@x.org.", "a@.org", "a@x..org", "a@-x.org", "a@x-.org", "a@x!y.org", "a@x y.org", "a@a\u{200e}b.org"];
        for bad in odd.into_iter().chain(hosts).chain([&*long[0], &*long[1], &*label, &*grown]) {
            assert_eq!(bad.parse::<EmailAddress>(), Err(RULE), "{bad:?}");
        }
        for bad in ["a@1.2.3.4", "a@[1.2.3.4]", "a@[IPv6:::1]", "a@１.２.３.４", "a@127.1", "a@1.2.3.\u{200b}4"] {
            assert_eq!(bad.parse::<EmailAddress>(), Err(IP_ADDRESS), "{bad:?}");
        }
        for c in
            "\u{ad}\u{200b}\u{200d}\u{200e}\u{200f}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{fe0f}\u{feff}\u{1d173}\u{e0041}\u{e0100}"
                .chars()
        {
            let bad = format!("a{c}b@x.org");
            assert_eq!(bad.parse::<EmailAddress>(), Err(INVISIBLE), "{}", c.escape_unicode());
        }
    }

    /// As given; as a person writes it; as a mail server gets it.
    const SPELLINGS: [(&str, &str, &str); 14] = [
        ("Ann.Lee@EXAMPLE.com", "Ann.Lee@EXAMPLE.com", "Ann.Lee@EXAMPLE.com"),
        ("dev@localhost", "dev@localhost", "dev@localhost"),
        ("a_b@c_d.org", "a_b@c_d.org", "a_b@c_d.org"),
        ("a..b@docomo.ne.jp", "a..b@docomo.ne.jp", "\"a..b\"@docomo.ne.jp"),
        ("ab.@docomo.ne.jp", "ab.@docomo.ne.jp", "\"ab.\"@docomo.ne.jp"),
        (".ab@docomo.ne.jp", ".ab@docomo.ne.jp", "\".ab\"@docomo.ne.jp"),
        ("!#$%&'*+/=?^_`{|}~-@x.org", "!#$%&'*+/=?^_`{|}~-@x.org", "!#$%&'*+/=?^_`{|}~-@x.org"),
        ("user@bücher.example", "user@bücher.example", "user@xn--bcher-kva.example"),
        ("user@BÜCHER.Example", "user@bücher.example", "user@xn--bcher-kva.example"),
        ("user@xn--bcher-kva.example", "user@xn--bcher-kva.example", "user@xn--bcher-kva.example"),
        ("u@exam\u{200b}ple.com", "u@example.com", "u@example.com"),
        ("u@exam\u{ad}ple\u{feff}.com", "u@example.com", "u@example.com"),
        ("u@bücher。example", "u@bücher.example", "u@xn--bcher-kva.example"),
        ("jürgen@bü\u{200b}cher.example", "jürgen@bücher.example", "jürgen@bücher.example"),
    ];

    #[test]
    fn a_domain_goes_out_in_a_labels_unless_the_local_part_is_beyond_ascii() {
        for (given, written, told) in SPELLINGS {
            let address = address(given);
            assert_eq!((address.as_given(), address.as_str()), (given, written));
            assert_eq!(address.deliverable().to_string(), told, "{given:?}");
        }
    }

    #[test]
    fn what_fingerprints_are_made_of_stays_as_it_was_to_the_byte() {
        // Made by the release before this rule. Never change a line: such fingerprints are stored.
        for (given, stored) in [
            ("Ann.Lee@EXAMPLE.com", "Ann.Lee@example.com"),
            ("a+b@Sub.Example.ORG", "a+b@sub.example.org"),
            ("user@bücher.example", "user@bücher.example"),
            ("user@BÜCHER.Example", "user@bÜcher.example"),
            ("user@XN--Bcher-KVA.example", "user@xn--bcher-kva.example"),
            ("JÜRGEN@Köln.DE", "JÜRGEN@köln.de"),
            ("u@exam\u{200b}ple.COM", "u@exam\u{200b}ple.com"),
            ("u@ｅｘａｍｐｌｅ.com", "u@ｅｘａｍｐｌｅ.com"),
            ("a_b@c_D.org", "a_b@c_d.org"),
            ("用户@例子.公司", "用户@例子.公司"),
        ] {
            assert!(given.parse::<Address>().is_ok(), "{given:?} was not taken then");
            assert_eq!(address(given).canonical(), stored, "{given:?}");
        }
    }

    #[test]
    fn all_spellings_of_an_address_fold_to_one_and_two_addresses_do_not() {
        let one = |spellings: &[&str], folded: &str| {
            assert!(spellings.iter().all(|spelling| address(spelling).folded() == folded), "{spellings:?}");
            assert_eq!(address(folded).canonical(), folded, "it is not its own spelling");
        };
        one(&["Ann.Lee@EXAMPLE.com", "ann.lee@example.com", "ANN.LEE@ｅxample.com"], "ann.lee@example.com");
        one(
            &["user@bücher.example", "User@BÜCHER.Example", "user@XN--bcher-KVA.example"],
            "user@xn--bcher-kva.example",
        );
        one(&["u@bu\u{308}cher.example", "u@bü\u{200b}cher。example"], "u@xn--bcher-kva.example");
        one(&["JÜRGEN@Köln.DE", "jürgen@xn--kln-sna.de"], "jürgen@xn--kln-sna.de");
        one(&["a@x１.org", "A@x1.org"], "a@x1.org");
        one(&["annlee@example.com"], "annlee@example.com");
        one(&["user@straße.example"], "user@xn--strae-oqa.example");
        one(&["user@strasse.example"], "user@strasse.example");
    }

    #[test]
    fn an_address_masks_itself() {
        let address = address("Ann.Lee@bücher.example");
        assert_eq!(format!("{address} {address:?}"), "A***@*** A***@***");
    }

    proptest! {
        #[test]
        fn what_the_rule_before_took_keeps_its_bytes(local in "[a-zA-Z0-9+_-]{1,9}(\\.[a-zé]{1,5})?", domain in "[a-zA-Z0-9]{1,5}(\\.[a-zA-ZäÖß]{2,9}){1,3}") {
            let before: Address = format!("{local}@{domain}").parse().expect("taken before");
            let now = address(before.as_ref());
            prop_assert_eq!(now.canonical(), format!("{}@{}", before.user(), before.domain().to_ascii_lowercase()));
            prop_assert_eq!(now.as_given(), AsRef::<str>::as_ref(&before));
        }

        #[test]
        fn whatever_a_browser_takes_is_taken(
            local in "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}",
            domain in "([a-zA-Z0-9]([a-zA-Z0-9-]{0,9}[a-zA-Z0-9])?\\.){0,4}[a-zA-Z]([a-zA-Z0-9-]{0,9}[a-zA-Z0-9])?",
        ) {
            let address = address(&format!("{local}@{domain}"));
            // The library counts the quotes.
            let told = address.deliverable().to_string();
            prop_assert!(local.len() > 62 || told.parse::<Address>().is_ok(), "{}", told);
        }

        #[test]
        fn whatever_is_taken_is_read_back_the_same_and_tells_no_server_an_invisible_character(
            text in "[a-zA-Zé.\u{200b}\u{ad}]{1,6}@[a-zA-Zßü\u{200b}\u{ad}\u{200e}.。１1-]{1,9}",
        ) {
            let Ok(address) = text.parse::<EmailAddress>() else { return Ok(()) };
            let again: EmailAddress = address.as_str().parse().expect("what was written is taken");
            prop_assert_eq!(again.as_str(), address.as_str());
            prop_assert_eq!(again.deliverable(), address.deliverable());
            let folded: EmailAddress = address.folded().parse().expect("what is folded is taken");
            prop_assert_eq!([folded.folded(), folded.canonical()], [address.folded(), address.folded()]);
            prop_assert_eq!(again.folded(), address.folded());
            prop_assert!(!address.deliverable().to_string().chars().any(is_invisible));
        }
    }
}
