//! What looks like a link, and what is one.

use super::*;

#[test]
fn what_looks_like_a_link_is_parted_and_other_text_stays() {
    for (given, shown) in [
        ("evil.example", "evil\u{2060}.example"),
        ("https://evil.example/x", "https:\u{2060}//evil\u{2060}.example/x"),
        ("www.evil.example", "www\u{2060}.evil\u{2060}.example"),
        ("ann@evil.example", "ann\u{2060}@evil\u{2060}.example"),
        ("a\u{202e}b\r\nc\t", "ab  c "),
        ("a\u{2028}b", "a b"),
        ("https:\u{202e}//evil.\u{200e}example", "https:\u{2060}//evil\u{2060}.example"),
        ("evile\u{301}.example ❤.example", "evile\u{301}\u{2060}.example ❤\u{2060}.example"),
    ] {
        assert_eq!(as_text(given), shown, "{given}");
    }
    for same in ["", "Zoë B. Miller", "v1.2", "10:30", "…", "مرحبا", "No. 5", "@home", "end.", "日本語"] {
        assert!(matches!(as_text(same), Cow::Borrowed(_)), "{same}");
    }
}

#[test]
fn a_link_goes_to_a_page_a_mailbox_or_a_number_and_nowhere_else() {
    for good in [
        "https://acme.example/a?b=c:d",
        "HTTP://acme.example",
        "mailto:a@acme.example",
        "tel:+1",
        "u%201",
        "a/b:c",
        "1-a:b",
    ] {
        assert!(link(&Value::from(good)).is_ok(), "{good}");
    }
    let programs = [" javascript:alert(1)", "\u{a0}javascript:x", "ms-msdt:/id", "search-ms:q", "x+y.z:"];
    for bad in ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "https://a\nb", "a\u{202e}b"]
        .into_iter()
        .chain(programs)
    {
        assert!(link(&Value::from(bad)).is_err(), "{bad}");
    }
}
