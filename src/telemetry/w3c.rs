//! `traceparent` and `tracestate`, by the grammar of the W3C recommendation. Pure.
//!
//! Enters: a message's values of these names, from anybody. Leaves: a context, or none. Promises: a `tracestate` that
//! breaks the grammar anywhere is dropped as a whole; the `traceparent` beside it stays valid.

use std::collections::HashSet;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The most members of a list.
const MEMBERS: usize = 32;
/// The most characters of a list that are passed on. The recommendation asks for at least 512.
const LENGTH: usize = 512;
/// If a list is too long, members longer than this are dropped first.
const LONG: usize = 128;

/// The context that these two values describe.
pub(super) fn context(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
    let (trace, span, flags) = parent(traceparent.trim_matches([' ', '\t']))?;
    let found = SpanContext::new(trace, span, flags, true, tracestate.and_then(state).unwrap_or_default());
    found.is_valid().then_some(found)
}

/// Reads `<version>-<trace>-<span>-<flags>`. Fields that a newer version adds are ignored.
fn parent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = text.split('-');
    let mut part = |length| parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex));
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    if version == "ff" || version == "00" && parts.next().is_some() {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    Some((TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags))
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Reads `key=value,key=value`. A member may be empty. If a key comes twice, the first counts: it is the newer one.
fn state(text: &str) -> Option<TraceState> {
    let members = text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    let members: Option<Vec<_>> = members.map(|member| member.split_once('=').filter(is_member)).collect();
    let (mut members, mut seen) = (members.filter(|members| members.len() <= MEMBERS)?, HashSet::new());
    // The recommendation allows 14 characters after an `@`, OpenTelemetry's `TraceState` only 13: drop a longer one.
    members.retain(|member| seen.insert(member.0) && TraceState::from_key_value([*member]).is_ok());
    let length = |(key, value): &(&str, &str)| key.len() + value.len() + 2;
    while members.iter().map(length).sum::<usize>() > LENGTH + 1 {
        let long = members.iter().rposition(|member| length(member) > LONG + 1);
        members.remove(long.unwrap_or(members.len() - 1));
    }
    TraceState::from_key_value(members).ok()
}

fn is_member((key, value): &(&str, &str)) -> bool {
    // A value holds any printable ASCII but `,` and `=`. Spaces at its end were trimmed before.
    is_key(key) && (1..=256).contains(&value.len()) && value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
}

/// `vendor`, or `tenant@system`. Vendor and tenant may begin with a digit, as in the recommendation's next edition.
fn is_key(key: &str) -> bool {
    let is_name = |name: &str, longest: usize| {
        let rest = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        (1..=longest).contains(&name.len()) && name.as_bytes()[0].is_ascii_alphanumeric() && name.bytes().all(rest)
    };
    match key.split_once('@') {
        Some((tenant, system)) => {
            is_name(tenant, 241) && is_name(system, 14) && system.as_bytes()[0].is_ascii_lowercase()
        }
        None => is_name(key, 256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(tracestate: &str) -> String {
        let context = context(PARENT, Some(tracestate)).expect("the parent is sound, whatever is beside it");
        context.trace_state().header()
    }

    #[test]
    fn a_tracestate_that_fits_the_grammar_is_passed_on() {
        let printable: String = (b' '..=b'~').map(char::from).filter(|c| ![',', '='].contains(c)).collect();
        let (long, tenant) = ("z".repeat(256), format!("{}@{}", "t".repeat(241), "v".repeat(13)));
        let many: Vec<String> = (0..32).map(|n| format!("bar{n:02}={n:02}")).collect();
        for (text, passed) in [
            ("foo=1", "foo=1"),
            ("foo=1,bar=2", "foo=1,bar=2"),
            ("fw529a3039@dt=FfAAAQ,0digit@x=1", "fw529a3039@dt=FfAAAQ,0digit@x=1"),
            ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"),
            ("\tfoo=1\t", "foo=1"),
            ("foo=a b  c,bar= d", "foo=a b  c,bar= d"),
            ("foo=1,", "foo=1"),
            (",, ,foo=1,\t,bar=2,,", "foo=1,bar=2"),
            ("", ""),
            (" , ", ""),
            ("foo=1,foo=2,bar=3,foo=4", "foo=1,bar=3"),
            (&format!("abz_-*/09={printable}"), &format!("abz_-*/09={printable}")),
            (&format!("{long}=1"), &format!("{long}=1")),
            (&format!("{tenant}=1"), &format!("{tenant}=1")),
            (&format!("a={long}"), &format!("a={long}")),
            (&many.join(","), &many.join(",")),
            (&format!("{},,", many.join(" ,")), &many.join(",")),
        ] {
            assert_eq!(read(text), passed, "{text}");
        }
    }

    #[test]
    fn one_that_does_not_is_dropped_whole_and_the_traceparent_stays() {
        let (long, many) = ("z".repeat(257), (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(","));
        let (tenant, system) = (format!("{}@v=1", "t".repeat(242)), format!("t@{}=1", "v".repeat(15)));
        for bad in [
            "foo",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "foö=1",
            "@foo=1",
            "foo@=1",
            "foo@@bar=1",
            "foo@bar@baz=1",
            "foo@1=1",
            "foo=",
            "foo=bar=baz",
            "foo==1",
            "foo=\u{e9}",
            "foo=a\tb",
            "foo=a\nb",
            "foo=a\u{7f}",
            "-foo=1",
            &many,
            &tenant,
            &system,
            &format!("{long}=1"),
            &format!("a={long}"),
        ] {
            assert_eq!(read(&format!("ok=1,{bad},rojo=2")), "", "{bad}");
        }
    }

    #[test]
    fn of_a_list_that_is_too_long_the_long_and_the_last_members_go() {
        let (long, short) = ("x".repeat(200), "x".repeat(100));
        let list = format!("a={short},b={long},c={short},d={short},e={short},f={short}");
        assert_eq!(read(&list), format!("a={short},c={short},d={short},e={short}"));
        assert!(read(&vec!["k=1"; 32].join(",")) == "k=1");
    }

    #[test]
    fn a_traceparent_is_read_by_its_parts_and_a_newer_version_too() {
        let reads = |text: &str| context(text, None).is_some();
        for sound in [
            PARENT,
            &PARENT.replacen("00", "cc", 1),
            &format!("cc{}-what-comes", &PARENT[2..]),
            &format!(" {PARENT}\t"),
        ] {
            assert!(reads(sound), "{sound}");
        }
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for odd in [
            format!("ff-{trace}-{span}-01"),
            format!("0-{trace}-{span}-001"),
            format!("+0-{trace}-{span}-01"),
            format!("00-{trace}0-{}-01", &span[1..]),
            format!("00-+{}-{span}-01", &trace[1..]),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{trace}-{span}-01-"),
            format!("00-{trace}-{span}-1"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{trace}-{span}"),
            format!("cc-{trace}-{span}-01.x"),
            trace.to_owned(),
        ] {
            assert!(!reads(&odd), "{odd}");
        }
    }
}
