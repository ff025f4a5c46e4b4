//! A dead letter's event, edited by hand and sent back: checked before it leaves, one event however often it is sent.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use user_events::queue::DeadLetter;

use crate::dlq::{Bench, letter, visible};
use crate::world::aws_faults::{DELETE, Fault, SqsProxy};
use crate::world::event;
use crate::world::tty::at_terminal;

const WITHIN: Duration = Duration::from_secs(30);

/// An editor that does this to the file `$1`, as `EDITOR` names it; each call adds a line to `calls` beside it.
fn editor(bench: &mut Bench, folder: &Path, script: &str) {
    let path = folder.join("an editor");
    let mode = "stat -c %a \"$1\" >> \"$(dirname \"$0\")/calls\"";
    fs::write(&path, format!("#!/bin/sh\n{mode}\n{script}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    bench.env.insert("EDITOR".to_owned(), format!("'{}'", path.display()));
    bench.env.insert("TMPDIR".to_owned(), folder.display().to_string());
    bench.env.insert("PATH".to_owned(), std::env::var("PATH").unwrap());
}

async fn only_id(bench: &Bench) -> String {
    let listed = bench.json(&["dlq", "list", "--json"]).await;
    let letters = listed["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 1, "{listed}");
    letters[0]["id"].as_str().unwrap().to_owned()
}

/// A letter whose event lies in SNS's envelope, as most do.
fn enveloped(user: &str) -> DeadLetter {
    let event = event(user).replace(&crate::world::address(user), "nobody");
    let body = json!({ "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": event });
    letter("invalid_field", body.to_string(), 2)
}

#[tokio::test]
async fn an_edited_letter_goes_back_in_its_envelope_and_what_the_worker_would_refuse_does_not() {
    let mut bench = Bench::set_up().await;
    let folder = tempfile::tempdir().unwrap();
    let user = bench.world.id.clone();
    bench.bury(&[enveloped(&user)]).await;
    let id = only_id(&bench).await;
    let edit = ["dlq", "redrive", "--edit", &id[..8]];

    for (script, word, code) in [
        ("sed -i 's/nobody/no body/' \"$1\"", "the worker would refuse it: email: must be an address", 2),
        ("echo hello > \"$1\"", "the worker would refuse it: event: must be a JSON object", 2),
        ("sed -i 's/user.signed_up/order.paid/' \"$1\"", "type: must be user.signed_up", 2),
        ("exit 3", "ended by exit code 3", 2),
        ("rm \"$1\"", "cannot be read: No such file", 2),
        ("touch \"$1\"", "", 0),
    ] {
        editor(&mut bench, folder.path(), script);
        let (ended, stdout, stderr) = bench.run(&edit).await;
        assert_eq!(ended, Some(code), "{script}: {stderr}");
        assert!(stderr.contains(word), "{script}: {stderr}");
        assert_eq!(stdout.contains("Nothing was edited"), code == 0, "{script}: {stdout}");
        assert_eq!(bench.depths().await, (visible(0), visible(1)), "{script}");
    }
    bench.env.insert("VISUAL".to_owned(), "/no/such/editor".to_owned());
    assert_eq!(bench.run(&edit).await.0, Some(2), "VISUAL comes before EDITOR");
    bench.env.remove("VISUAL");

    // A person is asked again, with what they wrote.
    let script = "if grep -q nobody \"$1\"; then sed -i 's/nobody/no body/' \"$1\"; else sed -i 's/no body/anna@example.com/' \"$1\"; fi";
    editor(&mut bench, folder.path(), script);
    let (code, shown) = at_terminal(&bench.env, 80, &edit, "y\n").await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Edit it again? (y/n)") && shown.contains("1 letter went back"), "{shown}");
    assert_eq!(bench.depths().await, (visible(1), visible(0)));
    let (body, attributes) = bench.sent_back().await.pop().unwrap();
    let envelope: Value = serde_json::from_str(&body).unwrap();
    let event: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    let own = event["eventId"].as_str().unwrap();
    assert_eq!((&envelope["MessageId"], &event["email"]), (&"m-1".into(), &"anna@example.com".into()));
    assert!(own.len() == 36 && shown.contains(own), "{shown}");
    assert_eq!(attributes.len(), 2, "{attributes:?}");

    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the editor and its calls, and no file with an event: {left:?}");
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(calls.lines().count() == 8 && calls.lines().all(|mode| mode == "600"), "{calls}");
}

#[tokio::test]
async fn ctrl_c_while_a_person_edits_sends_nothing_and_leaves_no_file() {
    let mut bench = Bench::set_up().await;
    let folder = tempfile::tempdir().unwrap();
    bench.bury(&[enveloped(&bench.world.id)]).await;
    let id = only_id(&bench).await;
    let edit = ["dlq", "redrive", "--edit", &id];
    // The first editor ends by the signal. The second goes on, and what it writes is good: the person said no all the same.
    let mends = "sed -i 's/nobody/anna@example.com/' \"$1\"";
    for script in [
        "printf 'text: '; exec sleep 600",
        &format!("trap told=1 INT; printf 'text: '; until [ $told ]; do sleep 0.1; done; {mends}"),
    ] {
        editor(&mut bench, folder.path(), script);
        let (code, shown) = at_terminal(&bench.env, 80, &edit, "\u{3}\n").await;
        assert_eq!(code, Some(130), "{shown}");
        assert!(shown.contains("interrupted") && !shown.contains("went back"), "{shown}");
        assert_eq!(bench.depths().await, (visible(0), visible(1)), "{script}");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "the editor and its calls: {left:?}");
    }
}

#[tokio::test]
async fn an_edit_killed_between_send_and_delete_and_made_again_has_one_effect() {
    if cfg!(not(feature = "failpoints")) {
        panic!("built without failpoints: run the tests by `make test` or `tests/run FILTER`");
    }
    let mut bench = Bench::set_up().await;
    let folder = tempfile::tempdir().unwrap();
    let user = bench.world.id.clone();
    bench.bury(&[enveloped(&user)]).await;
    let id = only_id(&bench).await;
    editor(&mut bench, folder.path(), "sed -i 's/nobody/anna@example.com/' \"$1\"");
    let edit = ["dlq", "redrive", "--edit", &id];
    // The first time it is sent and cannot be deleted, the second time the command is killed after it was sent.
    let proxy = SqsProxy::start(&bench.world).await;
    proxy.set(DELETE, Fault::Reset);
    let direct = bench.env.insert("AWS_ENDPOINT_URL".to_owned(), proxy.url());
    let (code, stdout, stderr) = bench.run(&edit).await;
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains("could not be deleted") && stdout.contains("the event "), "{stdout}{stderr}");
    bench.env.extend(direct.map(|url| ("AWS_ENDPOINT_URL".to_owned(), url)));
    bench.env.insert("FAILPOINTS".to_owned(), "redriven=kill".to_owned());
    let (code, ..) = bench.run(&edit).await;
    assert_eq!(code, None, "it was killed");
    let (source, dlq) = bench.depths().await;
    assert_eq!((source, dlq.visible + dlq.in_flight), (visible(2), 1), "the same event twice, and its letter");

    bench.has_one_effect_of_two().await;
}
