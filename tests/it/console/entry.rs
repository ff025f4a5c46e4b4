//! Who is let in where: the password beyond loopback, and the ways in which a start is refused.

use super::alone;
use crate::world::console::Console;
use crate::world::processes::execute;

const PASSWORD: &str = "correct horse battery";

fn with(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    let mut env = alone();
    env.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env
}

#[tokio::test]
async fn beyond_loopback_a_console_needs_a_password_and_a_name() {
    let says = async |env, listen: &str| {
        let output = execute(&env, &["console", "--listen", listen]).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = says(alone(), "0.0.0.0:0").await;
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("CONSOLE_PASSWORD must be set: --listen is not loopback"), "{said}");
    assert!(said.contains("CONSOLE_HOSTS must be set: --listen is every address"), "{said}");
    let (code, said) = says(with(&[("CONSOLE_PASSWORD", "short"), ("CONSOLE_HOSTS", "a b/c")]), "0.0.0.0:0").await;
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("CONSOLE_PASSWORD must have 12 characters or more") && !said.contains("short"), "{said}");
    assert!(said.contains("CONSOLE_HOSTS must be names like"), "{said}");
    let (code, said) = says(with(&[("CONSOLE_WORKERS", "nonsense")]), "127.0.0.1:0").await;
    assert!(code == Some(78) && said.contains("CONSOLE_WORKERS must be addresses"), "{said}");
}

#[tokio::test]
async fn an_address_in_use_and_a_right_without_write_are_told() {
    let console = Console::closed(&alone(), &[]).await;
    let output = execute(&alone(), &["console", "--listen", &console.at]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(69) && said.contains("is not possible: Address already in use"), "{said}");
    let output = execute(&alone(), &["console", "--allow-publish"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(console.process.terminate().await, Some(0), "it ends when it is told to");
}

#[tokio::test]
async fn a_password_is_asked_for_and_after_five_wrong_ones_nobodys_is_looked_at() {
    let env = with(&[("CONSOLE_PASSWORD", PASSWORD)]);
    let mut console = Console::closed(&env, &["--write"]).await;
    assert!(!console.link.contains("token"), "{}", console.link);
    let reply = console.get("/").await;
    assert_eq!((reply.status, reply.headers["location"].as_str()), (303, "/login"));
    let page = console.get("/login").await;
    assert!(page.says("type=\"password\"") && !page.says("<nav"), "{}", page.body);
    let reply = console.post("/login", &[("password", PASSWORD)]).await;
    assert_eq!(
        (reply.status, reply.headers.contains_key("set-cookie")),
        (403, false),
        "the form's own token is missing"
    );

    let reply = console.send("/login", "/login", &[("password", PASSWORD)]).await;
    assert_eq!((reply.status, reply.headers["location"].as_str()), (303, "/"), "{}", reply.body);
    console.cookie = reply.cookie();
    assert!(console.get("/deeds").await.says("Log out"));
    let reply = console.send("/deeds", "/logout", &[]).await;
    assert_eq!(reply.status, 303);
    assert_eq!(console.get("/deeds").await.status, 303, "the session has ended");

    console.cookie.clear();
    for _ in 0..5 {
        let reply = console.send("/login", "/login", &[("password", "wrong")]).await;
        assert!(reply.status == 403 && reply.says("That is not the password."), "{}", reply.body);
    }
    let reply = console.send("/login", "/login", &[("password", PASSWORD)]).await;
    assert!(reply.status == 403 && reply.says("Too many wrong passwords"), "{}", reply.body);
    assert!(console.process.log().iter().all(|line| !line.contains(PASSWORD) && !line.contains("\"wrong\"")));
}

#[tokio::test]
async fn behind_a_proxy_its_name_is_ours_by_https_alone() {
    let env = with(&[("CONSOLE_PASSWORD", PASSWORD), ("CONSOLE_HOSTS", "console.acme.example")]);
    let console = Console::closed(&env, &["--write"]).await;
    let host = ("host", "console.acme.example");
    let page = console.ask("GET", "/login", &[host], "").await;
    let token = page.token("/login").expect("a form");
    let body = format!("token={token}&password=correct+horse+battery");
    let log_in = async |origin: &str| console.ask("POST", "/login", &[host, ("origin", origin)], &body).await;
    assert_eq!(log_in("http://console.acme.example").await.status, 403);
    let reply = log_in("https://console.acme.example").await;
    assert!(reply.status == 303 && reply.headers["set-cookie"].ends_with("; Secure"), "{:?}", reply.headers);
}
