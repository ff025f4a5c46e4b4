//! What mails are made: by the built-in templates, and by folders of a team's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lettre::Address;

use super::*;
use crate::config::example;
use crate::mail::BUILTIN;

fn sender(mailbox: &str, redirect_to: Option<Address>) -> Sender {
    Sender { from: mailbox.parse().expect("a mailbox"), reply_to: None, redirect_to }
}

fn builtin() -> Templates {
    Templates::builtin().expect("sound templates")
}

fn from(mailbox: &str, redirect_to: Option<Address>) -> Composer {
    Composer::new(sender(mailbox, redirect_to), Wording::of(builtin()))
}

fn composer() -> Composer {
    from("Acme <hello@acme.example>", None)
}

/// An event with these fields beside its own, or instead of them.
fn event(more: &str) -> WithFields<UserSignedUp> {
    let own = r#""type":"user.signed_up","version":2,"userId":"u1","timestamp":"2026-11-27T10:00:00Z""#;
    let email = if more.contains("\"email\"") { "" } else { r#","email":"ann@example.com""# };
    example(&format!("{{{own}{email}{more}}}")).expect("an event")
}

fn pro() -> WithFields<UserSignedUp> {
    event(r#","plan":"pro""#)
}

fn to(address: &str) -> WithFields<UserSignedUp> {
    event(&format!(r#","plan":"pro","email":"{address}""#))
}

fn text(mail: &Mail) -> String {
    String::from_utf8_lossy(&mail.message.file()).replace("=\r\n", "").replace("=3D", "=")
}

/// A folder with these files; `None`: without this one of the usual three.
fn folder(files: &[(&str, Option<&str>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = BTreeMap::from([
        ("welcome.subject", Some("Hi")),
        ("welcome.txt", Some("Hello")),
        ("welcome.html", Some("<p>Hello</p>")),
    ]);
    all.extend(files.iter().copied());
    for (name, content) in all {
        if let Some(content) = content {
            fs::write(folder.path().join(name), content).expect("written");
        }
    }
    folder
}

fn of(files: &[(&str, Option<&str>)]) -> Result<Composer, Vec<String>> {
    let folder = folder(files);
    let (templates, mut faults) = Templates::read(folder.path());
    let made = |templates| Composer::new(sender("Acme <hello@acme.example>", None), Wording::of(templates));
    let composer = templates.map(made);
    faults.extend(composer.iter().flat_map(|composer| composer.check(&[event(""), pro()], true)));
    composer.filter(|_| faults.is_empty()).ok_or_else(|| told(&faults))
}

fn told(faults: &[TemplateFault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

fn faults(files: &[(&str, Option<&str>)]) -> String {
    of(files).expect_err("faults").join("\n")
}

#[test]
fn the_built_in_templates_are_sound_in_each_language_and_need_no_field_of_a_teams_own() {
    let composer = composer();
    assert_eq!(composer.check(&[event(""), pro(), event(r#","firstName":null"#)], false), []);
    let subject = |more: &str| composer.bodies(&event(more)).expect("a mail").subject;
    assert_eq!(subject(""), "Welcome");
    assert_eq!(subject(r#","firstName":"Zoë","locale":"de-AT""#), "Willkommen, Zoë");
    assert_eq!(subject(r#","locale":"fr""#), "Welcome");
    let names: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
    let mut there: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mail/builtin"))
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("UTF-8"))
        .collect();
    there.sort();
    assert_eq!(there, names, "what is exported is what lies there");
}

#[test]
fn a_mail_has_both_forms_its_image_and_the_same_id_every_time() {
    let [first, second] = [(), ()].map(|()| composer().welcome("h", &pro()).expect("a mail"));
    assert_eq!(first.message_id, second.message_id);
    assert!(first.message_id.ends_with("@acme.example"));
    let text = text(&first);
    for part in [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "style=\"",
        "Content-ID: <logo.png@templates>",
        "src=\"cid:logo.png@templates\"",
        "Auto-Submitted: auto-generated",
        "Your plan: pro",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(first.message.wire().split(|byte| *byte == b'\n').all(|line| line.len() <= 999), "a line is too long");
}

#[test]
fn what_a_user_chose_is_escaped_in_the_html_and_becomes_no_link_and_no_header() {
    let mail = composer()
        .welcome("h", &event(r#","firstName":"<b>x</b>\r\nBcc: a@evil.example","plan":"https://evil.example""#))
        .expect("a mail");
    let headers = text(&mail).split("\r\n\r\n").next().expect("headers").to_owned();
    assert!(!headers.contains("\nBcc:"), "{headers}");
    let bodies = composer().bodies(&event(r#","plan":"<i> evil.example \u202e""#)).expect("bodies");
    assert!(bodies.html.expect("HTML").contains("&lt;i&gt; evil\u{2060}.example "));
    assert!(bodies.text.contains("<i> evil\u{2060}.example "), "{}", bodies.text);
}

#[test]
fn html_takes_in_html_alone_and_a_list_is_shown_as_text_too() {
    let told = faults(&[("welcome.html", Some("<p>\n{%- include 'foot.txt' %}")), ("foot.txt", Some("{{ plan }}"))]);
    assert!(told.starts_with("welcome.html:2: HTML must take in .html files alone"), "{told}");
    let composer = of(&[
        ("welcome.html", Some("{% include 'foot.html' %}{{ event.tags }}")),
        ("foot.html", Some("{{ event.firstName }}")),
    ]);
    let event = event(r#","firstName":"<b>","tags":["https://evil.example"]"#);
    let html = composer.expect("sound").bodies(&event).expect("a mail").html.expect("HTML");
    assert!(html.starts_with("&lt;b&gt;") && html.contains("evil\u{2060}.example"), "{html}");
}

#[test]
fn a_redirect_keeps_the_users_address_out_of_the_mail_altogether() {
    let staging = "staging@acme.example".parse().expect("address");
    let mail = from("Acme <hello@acme.example>", Some(staging)).welcome("h", &pro()).expect("a mail");
    assert_eq!(mail.to.to_string(), "staging@acme.example");
    assert!(!text(&mail).contains("ann@example.com"));
}

#[test]
fn domains_beyond_ascii_are_in_a_labels_in_headers_and_envelope_and_signed_as_they_are_written() {
    let mail = from("hallo@bücher.example", None).welcome("h", &to("user@köln.example")).expect("a mail");
    let addresses = [mail.from.to_string(), mail.to.to_string()];
    assert_eq!(addresses, ["hallo@xn--bcher-kva.example", "user@xn--kln-sna.example"]);
    assert!(mail.message_id.ends_with("@xn--bcher-kva.example"));
    let headers = text(&mail).split("\r\n\r\n").next().expect("headers").to_owned();
    for line in ["From: hallo@xn--bcher-kva.example", "To: user@xn--kln-sna.example"] {
        assert!(headers.contains(line), "no {line} in\n{headers}");
    }
    assert!(headers.is_ascii(), "{headers}");
    let redirect = "alle@köln.example".parse().expect("an address");
    let mail = from("hallo@acme.example", Some(redirect)).welcome("h", &pro()).expect("a mail");
    assert_eq!(mail.to.to_string(), "alle@xn--kln-sna.example");
    let bodies = from("hallo@bücher.example", None).bodies(&pro()).expect("bodies");
    assert!(bodies.text.contains("bücher.example"), "{}", bodies.text);
}

#[test]
fn a_local_part_beyond_ascii_keeps_its_domain_as_it_is_written_and_the_message_id_is_ascii() {
    let mail = from("jürgen@bücher.example", None).welcome("h", &to("jörg@köln.example")).expect("a mail");
    assert_eq!([mail.from.to_string(), mail.to.to_string()], ["jürgen@bücher.example", "jörg@köln.example"]);
    assert!(mail.message_id.ends_with("@xn--bcher-kva.example"));
}

#[test]
fn an_address_with_two_dots_in_a_row_makes_a_mail_and_is_quoted() {
    let mail = composer().welcome("h", &to("a..b.@docomo.ne.jp")).expect("a mail");
    assert_eq!(mail.to.to_string(), "\"a..b.\"@docomo.ne.jp");
    assert!(text(&mail).contains("To: \"a..b.\"@docomo.ne.jp\r\n"), "{}", text(&mail));
}

#[test]
fn another_handler_or_user_has_another_reference() {
    assert_eq!(reference("h", "u").len(), 26);
    assert_ne!(reference("h", "u"), reference("h", "v"));
    assert_ne!(reference("h", "u"), reference("i", "u"));
}

#[test]
fn every_field_of_the_event_reaches_the_template_known_to_us_or_not() {
    let composer = of(&[
        ("welcome.subject", Some("Hello, {{ event.firstName }}")),
        (
            "welcome.txt",
            Some(
                "{{ event.userId }} {{ event.address.city }} {% for tag in event.tags %}{{ tag }},{% endfor %} {{ sender }}",
            ),
        ),
    ]);
    let event = event(r#","firstName":"Kai","address":{"city":"Graz"},"tags":["a","b"]"#);
    let bodies = composer.expect("sound").bodies(&event).expect("a mail");
    assert_eq!((bodies.subject.as_str(), bodies.text.as_str()), ("Hello, Kai", "u1 Graz a,b, Acme"));
}

#[test]
fn the_language_is_the_nearest_that_the_folder_has_else_the_plain_one() {
    let of = of(&[
        ("welcome.de.subject", Some("Hallo")),
        ("welcome.de.txt", Some("de")),
        ("welcome.pt-BR.subject", Some("Oi")),
        ("welcome.pt-BR.txt", Some("br")),
    ])
    .expect("sound");
    let text = |locale: &str| of.bodies(&event(&format!(r#","locale":{locale}"#))).expect("a mail").text;
    for (locale, language) in [
        ("\"de\"", "de"),
        ("\"de_AT\"", "de"),
        ("\"DE-ch-1996\"", "de"),
        ("\"pt-br\"", "br"),
        ("\"pt\"", "Hello"),
        ("\"fr\"", "Hello"),
        ("\"../de\"", "Hello"),
        ("7", "Hello"),
        ("null", "Hello"),
        ("\"\"", "Hello"),
    ] {
        assert_eq!(text(locale), language, "{locale}");
    }
    assert_eq!(of.in_language("pt-BR").bodies(&event("")).expect("a mail").text, "br");
    assert_eq!(
        of.bodies(&event(r#","locale":"de""#)).expect("a mail").html,
        None,
        "a language without HTML is plain text alone"
    );
}

#[test]
fn a_folder_with_faults_is_refused_and_each_is_named_with_file_and_line() {
    let told = faults(&[
        ("welcome.txt", Some("one\n{% if plan %}\nthree")),
        ("welcome.html", Some("<p>\n{{ sender | uper }}")),
        ("welcome.de.html", Some("<p>")),
    ]);
    for fault in [
        "welcome.txt:2: syntax error",
        "welcome.html:2: unknown filter",
        "welcome.de.subject: is missing",
        "welcome.de.txt: is missing",
    ] {
        assert!(told.contains(fault), "no {fault} in\n{told}");
    }
    assert!(faults(&[("welcome.subject", None)]).starts_with("welcome.subject: is missing"));
}

#[test]
fn a_value_that_does_not_exist_is_named_with_file_and_line() {
    assert_eq!(
        faults(&[("welcome.html", Some("<p>\n\n{{ plann }}</p>"))]),
        "welcome.html:3: `plann` is not defined; `| default(\"\")` makes it optional"
    );
    let fault = of(&[("welcome.txt", Some("a\n{{ event.firstName }}"))])
        .expect("a stand-in")
        .bodies(&event(""))
        .expect_err("absent");
    assert_eq!(
        fault.to_string(),
        "welcome.txt:2: `event.firstName` is not defined; `| default(\"\")` makes it optional"
    );
}

#[test]
fn what_is_included_lies_in_the_folder() {
    let ok = of(&[("welcome.txt", Some("{% include 'foot.txt' %}")), ("foot.txt", Some("bye, {{ sender }}"))])
        .expect("sound");
    assert_eq!(ok.bodies(&pro()).expect("a mail").text, "bye, Acme");
    for outside in ["/etc/passwd", "../secret.txt", "other/foot.txt", "logo.png"] {
        let told = faults(&[("welcome.txt", Some(&format!("\n{{% include '{outside}' %}}")))]);
        assert!(told.starts_with("welcome.txt:2: template not found"), "{told}");
    }
    let told = faults(&[("welcome.txt", Some("\n{% include 'foot.txt' %}")), ("foot.txt", Some("\n\n{{ x }}"))]);
    assert!(told.starts_with("foot.txt:3: `x` is not defined"), "{told}");
}

#[test]
fn a_template_without_an_end_is_stopped() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}";
    for endless in [
        nested,
        "{{ 'x' * 100000000 }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'welcome.txt' %}",
    ] {
        let told = faults(&[("welcome.txt", Some(endless))]);
        assert!(told.starts_with("welcome.txt:1: "), "{told}");
    }
}

#[test]
fn an_image_is_there_is_small_and_is_one_that_mail_programs_show() {
    let shows = |name: &str| format!("<p>\n<img src=\"cid:{name}\"></p>");
    assert_eq!(faults(&[("welcome.html", Some(&shows("lgo.png")))]), "welcome.html:2: no image is called `lgo.png`");
    let acid = Some("acid: 7, cid:x");
    assert!(of(&[("welcome.html", acid), ("welcome.txt", acid), ("welcome.subject", acid)]).is_ok(), "no address");
    let folder = folder(&[("welcome.html", Some(&shows("big.png")))]);
    fs::write(folder.path().join("big.png"), vec![0; 5 * 1024 * 1024]).expect("written");
    let told = told(&Templates::read(folder.path()).1);
    assert!(told.contains(&"big.png: must have at most 512 KiB".to_owned()), "{told:?}");
}

#[test]
fn a_subject_is_one_line_that_says_something() {
    for odd in ["", " \n ", "{{ plan if plan == 'x' else '' }}", "one\ntwo", "a\u{7}b"] {
        assert_eq!(
            faults(&[("welcome.subject", Some(odd))]),
            "welcome.subject: must become one line, and not an empty one"
        );
    }
    assert_eq!(of(&[("welcome.subject", Some("Hi\n"))]).expect("sound").bodies(&pro()).expect("a mail").subject, "Hi");
}

#[test]
fn what_is_no_text_or_cannot_be_read_is_named() {
    let folder = folder(&[]);
    fs::write(folder.path().join("welcome.txt"), [0xff, 0xfe]).expect("written");
    fs::write(folder.path().join(".welcome.txt.swp"), [0xff]).expect("written");
    fs::create_dir(folder.path().join("old")).expect("made");
    let told = told(&Templates::read(folder.path()).1);
    assert_eq!(told, ["welcome.txt: must be UTF-8", "welcome.txt: is missing; each language has a subject and a text"]);
    let nowhere = folder.path().join("nowhere");
    let (_, faults) = Templates::read(&nowhere);
    let told = format!("{}: cannot be read: No such file or directory", nowhere.display());
    assert_eq!(faults[0].to_string(), told);
}
