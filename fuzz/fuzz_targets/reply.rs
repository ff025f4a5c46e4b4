//! Any bytes, cut in any way: the parser does not panic, holds no more than it may, and finds the same replies as without cuts.
//!
//! The first byte of the input says into how large pieces the rest is cut. The parser is taken by its file: it needs nothing else.
#![no_main]

#[allow(dead_code, missing_docs)]
#[path = "../../src/mail/smtp/reply.rs"]
mod reply;

use libfuzzer_sys::fuzz_target;
use reply::{MOST, Parser, Reply, TooLong};

fn replies(bytes: &[u8], piece: usize) -> (Vec<Reply>, Result<Reply, TooLong>) {
    let (mut parser, mut found) = (Parser::default(), Vec::new());
    for mut rest in bytes.chunks(piece) {
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

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    let found = replies(bytes, usize::from(*piece).max(1));
    assert!(found == replies(bytes, usize::MAX));
    for reply in &found.0 {
        assert!(reply.code.is_none_or(|code| (200..600).contains(&code)));
        let _ = (reply.to_string(), reply.class(), reply.lines().count());
    }
});
