//! Parses a mail server's replies, byte by byte.
//!
//! Enters: bytes, in pieces of any size. Leaves: replies, each with its code, its enhanced code and its lines.
//! Promises: the same bytes make the same replies, however they are cut into pieces; it holds at most [`MOST`] bytes;
//! no byte makes it panic. Accepts what RFC 5321 allows, and what servers do beyond it: text in any encoding, a bare
//! LF, lines without a code between lines with one. Pure.

use std::fmt;

/// The longest accepted reply, in bytes. The limit protects our memory against a hostile or broken server.
pub const MOST: usize = 64 * 1024;

/// One reply: whole, or only its beginning (see [`Parser::so_far`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599. `None`: its lines are no valid reply.
    pub code: Option<u16>,
    /// The first enhanced code in it that has the class of `code`.
    pub enhanced: Option<Enhanced>,
    held: Vec<u8>,
}

/// An enhanced code, as `5.1.1` (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced(pub u16, pub u16, pub u16);

/// A reply of more than [`MOST`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// A reply that is still arriving.
#[derive(Default)]
pub struct Parser {
    held: Vec<u8>,
    /// Where the last, unfinished line begins in `held`.
    line: usize,
    has_line: bool,
    code: Option<u16>,
    enhanced: Option<Enhanced>,
    is_garbled: bool,
}

impl Parser {
    /// Takes bytes up to the end of a reply. Answers how many it took, and the reply if it is complete.
    ///
    /// # Errors
    /// [`TooLong`]: the reply is longer than [`MOST`]. The parser takes nothing more until [`Parser::so_far`].
    pub fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), TooLong> {
        for (at, byte) in bytes.iter().enumerate() {
            if self.held.len() >= MOST {
                return Err(TooLong);
            }
            self.held.push(*byte);
            if *byte == b'\n' && self.ends_with_this_line() {
                return Ok((at + 1, Some(self.so_far())));
            }
        }
        Ok((bytes.len(), None))
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn holds(&self) -> usize {
        self.held.len()
    }

    /// The beginning of a reply whose end did not come. It has a code if three digits came. The parser starts anew.
    pub fn so_far(&mut self) -> Reply {
        let mut begun = std::mem::take(self);
        if !begun.has_line {
            begun.code = ReplyPrefix::of(&begun.held).map(|prefix| prefix.code);
        }
        let code = begun.code.filter(|_| !begun.is_garbled);
        Reply { code, enhanced: begun.enhanced.filter(|_| code.is_some()), held: begun.held }
    }

    fn ends_with_this_line(&mut self) -> bool {
        let line = trimmed(&self.held[self.line..]);
        let prefix = ReplyPrefix::of(line);
        let enhanced = prefix.as_ref().and_then(|prefix| Enhanced::of(prefix.code, line.get(4..)?));
        self.line = self.held.len();
        let is_first = !std::mem::replace(&mut self.has_line, true);
        match prefix {
            Some(prefix) => {
                self.is_garbled |= !is_first && self.code != Some(prefix.code);
                self.code = self.code.or(Some(prefix.code));
                self.enhanced = self.enhanced.or(enhanced);
                prefix.is_last
            }
            // A line without a code is accepted between lines with one. As the first line it ends a garbled reply.
            None => is_first,
        }
    }
}

impl Reply {
    /// The first digit of the code: 2 for 250. `None` if its lines are no valid reply.
    #[must_use]
    pub fn class(&self) -> Option<u16> {
        self.code.map(|code| code / 100)
    }

    /// The text of each line, without codes. Bytes that are not UTF-8 are replaced.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let lines = self.held.split_inclusive(|byte| *byte == b'\n').map(trimmed);
        lines.map(|line| {
            let text = if ReplyPrefix::of(line).is_some() { line.get(4..).unwrap_or_default() } else { line };
            String::from_utf8_lossy(text).into_owned()
        })
    }
}

/// Code and enhanced code. Nothing else of a reply may be logged: the text can hold an address.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.enhanced) {
            (Some(code), Some(Enhanced(class, subject, detail))) => write!(f, "{code} {class}.{subject}.{detail}"),
            (Some(code), None) => write!(f, "{code}"),
            (None, _) => f.write_str("a garbled reply"),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

impl Enhanced {
    /// The enhanced code at the beginning of a line's text, or after a `#` as qmail writes it.
    fn of(code: u16, text: &[u8]) -> Option<Self> {
        let behind = text.iter().position(|byte| *byte == b'#').map(|at| &text[at + 1..]);
        [Some(text), behind].into_iter().flatten().find_map(|text| Self::at(code, text))
    }

    fn at(code: u16, text: &[u8]) -> Option<Self> {
        let (class, rest) = number(text)?;
        let (subject, rest) = number(rest.strip_prefix(b".")?)?;
        let (detail, rest) = number(rest.strip_prefix(b".")?)?;
        // Four numbers in a row are an IP address.
        let is_whole = !rest.first().is_some_and(|next| *next == b'.' || next.is_ascii_alphanumeric());
        (is_whole && class == code / 100).then_some(Self(class, subject, detail))
    }
}

/// One to three digits, and what follows.
fn number(text: &[u8]) -> Option<(u16, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = text.get(..digits).filter(|_| (1..=3).contains(&digits))?;
    Some((number.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')), &text[digits..]))
}

/// How a line begins: three digits, and a character that says whether another line follows.
struct ReplyPrefix {
    code: u16,
    is_last: bool,
}

impl ReplyPrefix {
    fn of(line: &[u8]) -> Option<Self> {
        let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(*byte - b'0'));
        let [a, b, c] = line.first_chunk::<3>()?;
        let code = digit(a)? * 100 + digit(b)? * 10 + digit(c)?;
        let is_last = match line.get(3) {
            Some(b'-') => false,
            Some(b' ' | b'\r') | None => true,
            Some(_) => return None,
        };
        (200..600).contains(&code).then_some(Self { code, is_last })
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each reply in these bytes, and the rest: the unfinished last reply, or that it is too long.
    fn replies(pieces: &[&[u8]]) -> (Vec<Reply>, Result<Reply, TooLong>) {
        let (mut parser, mut found) = (Parser::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                match parser.take(rest) {
                    Ok((taken, reply)) => {
                        found.extend(reply);
                        rest = &rest[taken..];
                    }
                    Err(too_long) => return (found, Err(too_long)),
                }
                assert!(parser.holds() <= MOST);
            }
        }
        (found, Ok(parser.so_far()))
    }

    fn shown(bytes: &[u8]) -> Vec<String> {
        replies(&[bytes]).0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_reply_is_its_code_whatever_its_text_is() {
        let cases: [(&[u8], &[&str]); 25] = [
            (b"250 ok\r\n", &["250"]),
            (b"250\r\n", &["250"]),
            (b"250 \r\n", &["250"]),
            (b"250 bare\n", &["250"]),
            (b"250-one\n250 two\n", &["250"]),
            (b"571 not you\r\n", &["571"]),
            (b"354\xff\xfe\r\n", &["a garbled reply"]),
            (b"250 \xff\xfe \xe4\xf6\r\n", &["250"]),
            (b"550 5.1.1 no such user\r\n", &["550 5.1.1"]),
            (b"550 5.7.708 Service unavailable\r\n", &["550 5.7.708"]),
            (b"550-a\r\n550 5.7.1 b\r\n", &["550 5.7.1"]),
            (b"553 sorry (#5.7.1)\r\n", &["553 5.7.1"]),
            (b"550 #5.1.0 rejected\r\n", &["550 5.1.0"]),
            (b"550 4.1.1 of another class\r\n", &["550"]),
            (b"550 5.1.1.7 is blocked\r\n", &["550"]),
            (b"550 5.1000.1 no\r\n", &["550"]),
            (b"550 5.65536.99999999999 no\r\n", &["550"]),
            (b"550 5.1.\r\n", &["550"]),
            (b"250-first\r\nno code here\r\n\r\n250 last\r\n", &["250"]),
            (b"250-first\r\n550 last\r\n", &["a garbled reply"]),
            (b"hello\r\n", &["a garbled reply"]),
            (b"\r\n", &["a garbled reply"]),
            (b"150 early\r\n", &["a garbled reply"]),
            (b"600 late\r\n", &["a garbled reply"]),
            (b"250 a\r\n550 5.1.1 b\r\n354\r\n", &["250", "550 5.1.1", "354"]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(shown(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_garbled_reply_has_no_enhanced_code() {
        let (found, _) = replies(&[b"250-2.1.0 ok\r\n550 5.1.1 no such user\r\n"]);
        assert_eq!((found[0].code, found[0].enhanced), (None, None));
    }

    #[test]
    fn three_digits_of_a_reply_that_is_cut_off_are_its_code_and_less_is_none() {
        let cases: [(&[u8], Option<u16>); 9] = [
            (b"250", Some(250)),
            (b"250 queued as", Some(250)),
            (b"250-half a line", Some(250)),
            (b"554-one\r\n554-two\r\n55", Some(554)),
            (b"554-one\r\n250-two\r\n", None),
            (b"25", None),
            (b"250x", None),
            (b"hell", None),
            (b"", None),
        ];
        for (bytes, code) in cases {
            assert_eq!(replies(&[bytes]).1.expect("short").code, code, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_reply_without_end_is_held_up_to_its_limit_and_its_first_line_is_known_still() {
        let mut parser = Parser::default();
        let flood = b"250-5\r\n".repeat(MOST);
        assert_eq!(parser.take(&flood), Err(TooLong));
        assert_eq!((parser.holds(), parser.so_far().code), (MOST, Some(250)));
        let fits = [b"250-".as_slice(), &b"x".repeat(MOST - 13), b"\r\n250 \r\n"].concat();
        let (found, _) = replies(&[&fits[..]]);
        assert!(found.len() == 1 && found[0].code == Some(250) && fits.len() <= MOST, "{found:?}");
    }

    #[test]
    fn the_lines_of_a_reply_are_its_text() {
        let (found, _) = replies(&[b"250-mail.example\r\n250-AUTH PLAIN\nstray\r\n250\r\n"]);
        assert_eq!(found[0].lines().collect::<Vec<_>>(), ["mail.example", "AUTH PLAIN", "stray", ""]);
    }

    /// What a server may say, and what it should not.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just(b"250".to_vec()),
            Just(b"550".to_vec()),
            Just(b"-".to_vec()),
            Just(b" ".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"5.1.1".to_vec()),
            Just(b"#".to_vec()),
            prop::collection::vec(any::<u8>(), 0..6),
        ];
        prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_replies_are_the_same(bytes in bytes(), cuts in prop::collection::vec(1..9_usize, 1..20)) {
            let mut pieces = Vec::new();
            let (mut rest, mut sizes) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(rest.len().min(*sizes.next().expect("endless")));
                pieces.push(piece);
                rest = left;
            }
            prop_assert_eq!(replies(&pieces), replies(&[&bytes[..]]));
        }

        #[test]
        fn no_bytes_make_it_panic_or_hold_too_many(bytes in bytes(), times in 1..400_usize) {
            let _ = replies(&[&bytes.repeat(times)[..]]);
        }
    }
}
