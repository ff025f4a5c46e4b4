//! Who else may reach the console's port: another page in the same browser, another program on the machine. Each is refused,
//! in plain words.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::alone;
use crate::world::console::{Console, SOON, raw};
use crate::world::patience::patience;

const WRITES: &[&str] = &["--write", "--allow-publish"];

#[tokio::test]
async fn a_name_that_is_not_ours_is_answered_by_no_page() {
    let console = Console::open(&alone(), WRITES).await;
    let port = console.at.split_once(':').unwrap().1.to_owned();
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", "127.0.0.1:1", ""] {
        let reply = console.ask("GET", "/", &[("host", host)], "").await;
        assert_eq!(reply.status, 421, "{host}");
        assert!(reply.says("not called by this name") && !reply.says("email"), "{}", reply.body);
    }
    let twice =
        format!("GET / HTTP/1.1\r\nhost: {at}\r\nhost: evil.example\r\nconnection: close\r\n\r\n", at = console.at);
    assert!([400, 421].contains(&raw(&console.at, &twice).await.status));
    assert_eq!(console.ask("GET", "/deeds", &[("host", &format!("localhost:{port}"))], "").await.status, 200);
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let console = Console::open(&alone(), WRITES).await;
    let token = console.get("/event").await.token("/event").expect("a form");
    let own = format!("http://{}", console.at);
    let fields = [("token", token.as_str()), ("type", "user.signed_up"), ("fields", "{}")];
    let foreign: &[&[(&str, &str)]] = &[
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost:3000")],
        &[("origin", "null")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
        &[("origin", &own), ("sec-fetch-site", "same-site")],
        &[("origin", &own), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-origin")],
        &[],
    ];
    for headers in foreign {
        let reply = console.post_with("/event", headers, &fields).await;
        assert_eq!(reply.status, 403, "{headers:?}");
        assert!(reply.says("not sent from a page of this console"), "{}", reply.body);
    }
    // From a page of ours the same form is read: its event lacks a field.
    assert_eq!(console.post("/event", &fields).await.status, 400);
}

#[tokio::test]
async fn without_a_session_no_page_is_shown_and_nothing_is_done() {
    let mut console = Console::open(&alone(), WRITES).await;
    let token = console.get("/event").await.token("/event").expect("a form");
    let whole = std::mem::take(&mut console.cookie);
    let name = whole.split_once('=').unwrap().0.to_owned();
    let wrong = format!("{name}={}", "0".repeat(64));
    for cookie in [String::new(), wrong, format!("{name}="), whole.replace(&name, "another"), "a\"=;;=b".to_owned()] {
        console.cookie = cookie;
        for path in ["/", "/event", "/deeds", "/jobs/1", "/nowhere", "/?token=", "/?token=0000", "/deeds?token=0000"] {
            let reply = console.get(path).await;
            assert_eq!(reply.status, 403, "{path} {}", console.cookie);
            assert!(reply.says("open the link that the console printed") && !reply.says("<nav"), "{}", reply.body);
        }
        assert_eq!(console.post("/event", &[("token", &token)]).await.status, 403);
    }
    console.cookie.clear();
    assert_eq!(console.get("/style.css").await.status, 200);
}

#[tokio::test]
async fn the_links_token_opens_one_browser_once_and_leaves_the_address() {
    let mut console = Console::open(&alone(), WRITES).await;
    let path = console.link.split_once(&console.at).unwrap().1.to_owned();
    let token = path.split_once("token=").unwrap().1;
    assert!(token.len() >= 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "128 bits or more: {token}");
    assert!(console.cookie.starts_with(&format!("user-events-console-{}=", console.at.split_once(':').unwrap().1)));
    assert!(!console.cookie.contains(token));
    let again = console.get(&path).await;
    assert_eq!((again.status, again.headers["location"].as_str()), (303, "/"), "whoever is in goes on, without it");
    console.cookie.clear();
    let other = console.get(&path).await;
    assert_eq!((other.status, other.headers.contains_key("set-cookie")), (403, false));
    assert!(!console.process.log().iter().any(|line| line.contains(token)));
}

#[tokio::test]
async fn a_cookie_is_kept_from_scripts_and_from_other_sites() {
    let console = Console::closed(&alone(), &[]).await;
    let reply = console.get(console.link.split_once(&console.at).unwrap().1).await;
    let cookie = &reply.headers["set-cookie"];
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
}

#[tokio::test]
async fn a_form_needs_the_token_of_its_own_path_and_session() {
    let console = Console::open(&alone(), WRITES).await;
    let page = console.get("/event").await;
    let (own, other) = (page.token("/event").expect("a form"), page.token("/logout").expect("another"));
    let cut = &own[..own.len() - 2];
    for token in [None, Some(""), Some("0"), Some(other.as_str()), Some(cut), Some("\u{202e}")] {
        let fields: Vec<_> = token.map(|token| ("token", token)).into_iter().chain([("type", "a")]).collect();
        let reply = console.post("/event", &fields).await;
        assert_eq!(reply.status, 403, "{token:?}");
        assert!(reply.says("this form was not shown by this console"), "{}", reply.body);
    }
    assert_eq!(console.post("/logout", &[("token", &own)]).await.status, 403, "nor may it be sent elsewhere");
    assert_eq!(console.post("/event?token=x", &[("token", &own), ("type", "")]).await.status, 400, "its own is read");
}

#[tokio::test]
async fn a_console_without_write_shows_no_form_and_does_no_deed() {
    let (reads, writes) =
        tokio::join!(async { Console::open(&alone(), &[]).await }, async { Console::open(&alone(), WRITES).await });
    for action in ["/event", "/reactions/email/pause", "/reactions/email/resume", "/record/forget", "/jobs/1/stop"] {
        let reply = reads.post(action, &[("token", "0")]).await;
        assert_eq!(reply.status, 403, "{action}");
        assert!(reply.says("read-only: start it with --write"), "{}", reply.body);
    }
    for page in ["/", "/event", "/deeds"] {
        let reply = reads.get(page).await;
        let forms = reply.body.matches("method=\"post\"").count();
        assert!(forms == 1 && reply.says("action=\"/logout\"") && reply.says("read-only"), "{page}: {}", reply.body);
    }
    assert!(writes.get("/event").await.says("action=\"/event\"") && !writes.get("/").await.says("read-only"));
}

#[tokio::test]
async fn no_answer_can_be_framed_kept_or_made_to_run_anything() {
    let mut console = Console::open(&alone(), WRITES).await;
    let mut replies = Vec::new();
    for path in ["/", "/deeds", "/nowhere", "/style.css", "/script.js", "/event"] {
        replies.push((path, console.get(path).await));
    }
    replies.push(("a form", console.post("/event", &[]).await));
    replies.push(("a method", console.ask("PUT", "/event", &[], "").await));
    console.cookie.clear();
    replies.push(("nobody", console.get("/").await));
    replies.push(("a host", console.ask("GET", "/", &[("host", "evil.example")], "").await));
    for (what, reply) in replies {
        let policy = &reply.headers["content-security-policy"];
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{what}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
        let expected =
            [("x-frame-options", "DENY"), ("x-content-type-options", "nosniff"), ("cache-control", "no-store")];
        for (name, value) in expected {
            assert_eq!(reply.headers[name], value, "{what}");
        }
        // A script or a style of a page's own would not run; that none is written shows that nobody relies on it.
        let inline = ["<style", " style=", " onclick=", " onload=", "<script>"].into_iter().find(|odd| reply.says(odd));
        assert_eq!(inline, None, "{what}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_and_the_console_goes_on() {
    let console = Console::open(&alone(), WRITES).await;
    let reply = console.post("/event", &[("fields", &"x".repeat(65 * 1024))]).await;
    assert!(reply.status == 413 && reply.says("larger than 64 KiB"), "{}", reply.body);
    let headers = [("origin", format!("http://{}", console.at)), ("transfer-encoding", "chunked".to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let endless = format!("11000\r\n{}\r\n", "x".repeat(0x11000));
    // Two lengths at once: a proxy and this server must not read two requests.
    assert!([400, 413].contains(&console.ask("POST", "/event", &headers, &endless).await.status));
    assert_eq!(console.get("/deeds").await.status, 200);
}

#[tokio::test]
async fn half_a_request_is_shown_out_and_keeps_nobody_waiting() {
    let console = Console::open(&alone(), WRITES).await;
    let mut held = Vec::new();
    for half in
        ["G", "GET / HTTP/1.1\r\nhost: ", "POST /event HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nhalf"]
    {
        let mut stream = TcpStream::connect(&console.at).await.expect("it listens");
        stream.write_all(half.as_bytes()).await.expect("it is taken");
        held.push(stream);
    }
    assert_eq!(console.get("/deeds").await.status, 200);
    for mut stream in held {
        let mut rest = Vec::new();
        let read = timeout(patience(SOON), stream.read_to_end(&mut rest)).await.expect("it is shown out");
        assert!(read.is_err() || !String::from_utf8_lossy(&rest).contains(" 200 "));
    }
}

#[tokio::test]
async fn what_a_person_typed_comes_back_as_text() {
    let console = Console::open(&alone(), WRITES).await;
    let hostile = "</textarea><script>alert(1)</script>\" onfocus=\"x\u{1b}[2J\u{202e}";
    let reply = console.send("/event", "/event", &[("type", hostile), ("fields", hostile)]).await;
    assert_eq!(reply.status, 400);
    assert!(!reply.says("<script>") && !reply.says("\" onfocus=\""), "{}", reply.body);
    assert!(reply.says("&lt;/textarea&gt;"), "{}", reply.body);
    let reply = console.get("/%3Cscript%3E?x=%3Cscript%3E").await;
    assert!(reply.status == 404 && !reply.says("<script>"), "{}", reply.body);
}
