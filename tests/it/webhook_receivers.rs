//! The receivers that the examples show: what the secret signed is taken, once; anything else is refused.
//!
//! Requests are signed by hand here, so that the packages of Standard Webhooks judge the form and not our own code.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::world::eventually;
use crate::world::http::post;
use crate::world::receiver::{Accepted, LANGUAGES, source, start_receiver};

const SECRET: &str = "whsec_dGhlIHNlY3JldCBvZiB0aGVzZSB0ZXN0cyBhbG9uZQ==";
const ANOTHER: &str = "whsec_dGhlIG5leHQgc2VjcmV0IG9mIHRoZXNlIHRlc3RzIDE=";
/// Not as a JSON library would write it: what is signed is the text as it was published.
const BODY: &str = r#"{ "type":"user.signed_up",  "name":"Zoë" }"#;
const MINUTE: i64 = 60;

struct Request {
    id: &'static str,
    timestamp: String,
    signature: String,
    body: &'static str,
}

/// A request of this age in seconds, as each of these secrets signs it.
async fn signed(id: &'static str, age: i64, secrets: &[&str]) -> Request {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let timestamp = (i64::try_from(now).unwrap() - age).to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/sign.py");
    let python = std::env::var("TEST_PYTHON").expect("no Python: run the tests by `make test`");
    let mut sign = tokio::process::Command::new(python);
    let said = sign.arg(script).args([id, &timestamp, BODY]).args(secrets).output().await.expect("Python runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Request { id, timestamp, signature: String::from_utf8(said.stdout).unwrap().trim().to_owned(), body: BODY }
}

async fn answer(url: &str, request: &Request) -> u16 {
    let Request { id, timestamp, signature, body } = request;
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    post(url, &headers, body).await
}

/// Its log is read by a task of its own, which may be behind.
async fn assert_accepted(accepted: &Accepted, wanted: &[&str]) {
    let all = || async { (accepted.ids().len() >= wanted.len()).then_some(()) };
    eventually("the receiver tells what it accepted", Duration::from_secs(20), all).await;
    assert_eq!(accepted.ids(), wanted);
}

#[tokio::test]
async fn a_receiver_takes_what_its_secret_signed_and_does_the_work_of_an_event_once() {
    for language in LANGUAGES {
        let (_receiver, url, accepted) = start_receiver(language, SECRET).await;
        assert_eq!(answer(&url, &signed("one", 0, &[SECRET]).await).await, 204, "{language}");
        // Another try has the same id and a signature of its own.
        assert_eq!(answer(&url, &signed("one", 2, &[SECRET]).await).await, 204, "{language}");
        assert_eq!(answer(&url, &signed("two", 0, &[SECRET]).await).await, 204, "{language}");
        assert_accepted(&accepted, &["one", "two"]).await;
    }
}

#[tokio::test]
async fn while_a_secret_is_replaced_a_receiver_of_the_old_one_and_one_of_the_new_take_the_same_request() {
    for language in LANGUAGES {
        let both = signed("one", 0, &[ANOTHER, SECRET]).await;
        for secret in [SECRET, ANOTHER] {
            let (_receiver, url, accepted) = start_receiver(language, secret).await;
            assert_eq!(answer(&url, &both).await, 204, "{language}");
            assert_accepted(&accepted, &["one"]).await;
        }
    }
}

#[tokio::test]
async fn a_receiver_refuses_what_was_changed_on_its_way_what_is_old_and_what_nobody_signed() {
    let now = || signed("bad", 0, &[SECRET]);
    let with = async |signature: &str| Request { signature: signature.to_owned(), ..now().await };
    let refused = [
        ("another body", Request { body: r#"{ "type":"user.signed_up",  "name":"Zoe" }"#, ..now().await }),
        ("another id", Request { id: "worse", ..now().await }),
        ("another moment", Request { timestamp: signed("bad", 1, &[SECRET]).await.timestamp, ..now().await }),
        ("an old one", signed("bad", 6 * MINUTE, &[SECRET]).await),
        ("one of the future", signed("bad", -6 * MINUTE, &[SECRET]).await),
        ("a stranger's", signed("bad", 0, &[ANOTHER]).await),
        ("no moment", Request { timestamp: "soon".to_owned(), ..now().await }),
        ("no signature", with("").await),
        ("half a signature", with("v1").await),
        ("no base64", with("v1,é").await),
        ("another scheme", with(&now().await.signature.replace("v1,", "v2,")).await),
    ];
    for language in LANGUAGES {
        let (_receiver, url, accepted) = start_receiver(language, SECRET).await;
        for (what, request) in &refused {
            assert_eq!(answer(&url, request).await, 400, "{language}: {what}");
        }
        assert_eq!(answer(&url, &signed("good", 0, &[SECRET]).await).await, 204, "{language}");
        assert_accepted(&accepted, &["good"]).await;
    }
}

#[test]
fn the_receivers_are_short_enough_to_copy_and_name_the_package_that_these_tests_ran_with() {
    let read = |file: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let npm: serde_json::Value = serde_json::from_str(&read("tests/interop/package.json")).unwrap();
    let npm = format!(
        "npm install --no-save standardwebhooks@{} ",
        npm["dependencies"]["standardwebhooks"].as_str().unwrap()
    );
    let pypi = read("localstack/requirements.lock.txt");
    let pypi = pypi.lines().find(|line| line.starts_with("standardwebhooks==")).unwrap();
    for (language, installs) in [("node", npm), ("python", format!("pip install {pypi} "))] {
        let source = source(language);
        assert!(source.lines().count() <= 25, "{language}");
        assert!(source.contains(&installs), "{language}: no {installs:?}");
    }
}
