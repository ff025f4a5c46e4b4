//! A DLQ takes what anybody sends: letters that only look like ours harm nobody, and nobody is believed in our name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use user_events::queue::sqs::SqsQueue;
use user_events::queue::sqs::admin::SqsAdmin;
use user_events::queue::{Attribute, DeadLetter, Hide, MAX_MESSAGE_BYTES, Queue};

use crate::dlq::{Bench, letter, reasons, visible};
use crate::world::aws_faults::{Fault, SEND, SqsProxy};
use crate::world::processes::Worker;
use crate::world::{Depth, event, eventually};

/// Letters that somebody else has written, or been at: what opening them yields is nothing that a queue takes.
fn forged() -> Vec<DeadLetter> {
    let forge = |body: &str, name: &str, value: &str| {
        let mut letter = letter("conflict", "{}".to_owned(), 1);
        letter.attributes.insert(name.to_owned(), Attribute::string(value));
        DeadLetter { body: body.to_owned(), ..letter }
    };
    let mut packed = letter("conflict", "x".repeat(MAX_MESSAGE_BYTES - 100), 0);
    packed.body.truncate(packed.body.len() / 2);
    vec![
        forge("{}", "failure.body_encoding", "zip"),
        packed,
        forge("{}", "failure.original_attributes", r#"{"AWS.a":{"Type":"String","Value":"v"}}"#),
        forge("{}", "failure.original_attributes", r#"{"a":{"Type":"String","Value":"\u0001"}}"#),
    ]
}

#[tokio::test]
async fn a_redrive_and_a_drop_pass_over_letters_of_strangers_and_go_on_with_the_others() {
    let bench = Bench::set_up().await;
    let ours: Vec<_> = (0..20).map(|n| letter("conflict", event(&format!("conflict-{n}")), n % 11)).collect();
    let all: Vec<_> = ours[..10].iter().cloned().chain(forged()).chain(ours[10..].iter().cloned()).collect();
    bench.bury(&all).await;
    let (code, stdout, stderr) = bench.run(&["dlq", "redrive"]).await;
    assert!(code == Some(0) && stdout.contains("20 letters would go back"), "{stdout}");
    assert!(stderr.contains("4 letters sealed"), "{stderr}");
    let (code, stdout, stderr) = bench.run(&["dlq", "redrive", "--yes"]).await;
    assert_eq!(code, Some(69), "{stdout}{stderr}");
    assert!(stdout.contains("20 letters went back") && stderr.contains("4 letters sealed"), "{stdout}{stderr}");
    assert_eq!(bench.depths().await, (visible(20), visible(4)));

    let (code, stdout, _) = bench.run(&["dlq", "redrive", "--yes", "--json"]).await;
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["moved"], &told["sealed"], &told["failed"]), (Some(69), &0.into(), &4.into(), &4.into()));
    let done = bench.json(&["dlq", "drop", "--all", "--yes", "--json"]).await;
    assert_eq!((&done["moved"], &done["sealed"]), (&4.into(), &0.into()));
    assert_eq!(bench.depths().await.1, visible(0));
}

#[tokio::test]
async fn a_letter_that_its_queue_refuses_for_good_is_sealed_and_the_others_go_back() {
    let bench = Bench::set_up().await;
    let smaller = bench.world.sqs.set_queue_attributes().queue_url(&bench.queue.url);
    smaller.attributes(QueueAttributeName::MaximumMessageSize, "2048").send().await.unwrap();
    let large = letter("conflict", "x".repeat(4_000), 0);
    bench.bury(&[letter("conflict", event("a"), 0), large, letter("conflict", event("b"), 0)]).await;
    let (code, stdout, stderr) = bench.run(&["dlq", "redrive", "--yes", "--json"]).await;
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["moved"], &told["sealed"]), (Some(69), &2.into(), &1.into()), "{stderr}");
    assert_eq!(bench.depths().await, (visible(2), visible(1)));
}

#[tokio::test]
async fn a_letter_refused_alone_by_a_code_not_known_is_sealed_and_a_code_about_all_stops_the_redrive() {
    let mut bench = Bench::set_up().await;
    let proxy = SqsProxy::start(&bench.world).await;
    bench.env.insert("AWS_ENDPOINT_URL".to_owned(), proxy.url());
    bench.bury(&(0..3).map(|n| letter("conflict", event(&format!("u-{n}")), 0)).collect::<Vec<_>>()).await;
    let redrive = ["dlq", "redrive", "--yes", "--json"];
    proxy.set(SEND, Fault::RefuseEntries(&[0], "AccessDeniedException"));
    let (code, _, stderr) = bench.run(&[&redrive[..], &["--limit", "1"]].concat()).await;
    assert!(code == Some(69) && stderr.contains("stopped early: the queue refused: AccessDenied"), "{stderr}");
    assert_eq!(bench.depths().await, (visible(0), visible(3)));

    proxy.next(SEND, 1, Fault::RefuseEntries(&[0], "ContentPolicyViolation"));
    let (code, stdout, stderr) = bench.run(&redrive).await;
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["moved"], &told["sealed"]), (Some(69), &2.into(), &1.into()), "{stderr}");
    assert!(stderr.contains("the queue says ContentPolicyViolation") && !stderr.contains("stopped"), "{stderr}");
    assert_eq!(bench.depths().await, (visible(2), visible(1)));
    let dropped = bench.json(&["dlq", "drop", "--all", "--yes", "--json"]).await;
    assert_eq!(dropped["moved"], 1);
}

#[tokio::test]
async fn a_publishers_own_failure_reason_is_never_told_as_ours() {
    let bench = Bench::set_up().await;
    // Everything that a letter of ours has, as attributes of a message that comes in.
    let theirs = letter("conflict", event("anna"), 0);
    let queue = SqsQueue::open(&bench.world.aws, bench.queue.url.clone(), None, Duration::from_secs(5)).await.unwrap();
    let receives = async || queue.receive(10, Duration::from_secs(1)).await.unwrap();
    assert!(SqsAdmin::new(&bench.world.aws).send(&bench.queue.url, &[theirs]).await.iter().all(Result::is_ok));
    while let Some(delivery) = receives().await.pop() {
        queue.hide(vec![Hide { receipt: delivery.receipt, delay: Duration::ZERO }]).await;
    }
    assert_eq!(bench.depths().await, (visible(0), visible(1)), "the queue itself has moved it");
    assert_eq!(bench.by_reason().await, reasons(&[("unknown", 1)]));

    let done = bench.json(&["dlq", "redrive", "--reason", "unknown", "--yes", "--json"]).await;
    assert_eq!(done["moved"], 1);
    let back = bench.sent_back().await;
    assert_eq!((back.len(), back[0].1["failure.reason"].as_str()), (1, "conflict"), "it went back as it came");
}

#[tokio::test]
async fn what_only_looks_like_a_letter_is_judged_as_it_was_received_and_comes_back_untouched() {
    let mut bench = Bench::set_up().await;
    let sent = SqsAdmin::new(&bench.world.aws).send(&bench.queue.url, &forged()).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    bench.env.insert("HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    bench.env.insert("UNKNOWN_EVENTS".to_owned(), "quarantine".to_owned());
    let worker = Worker::of(&bench.env, &["run", "profile"]);
    let buried = || async { (bench.depths().await == (visible(0), visible(4))).then_some(()) };
    eventually("all are in the DLQ", Duration::from_secs(30), buried).await;
    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(bench.by_reason().await, reasons(&[("missing_field", 3), ("not_json", 1)]));

    let done = bench.json(&["dlq", "redrive", "--yes", "--json"]).await;
    assert_eq!((&done["moved"], &done["sealed"]), (&4.into(), &0.into()));
    let came = |letter: DeadLetter| {
        (letter.body, letter.attributes.into_iter().map(|(name, a)| (name, a.value)).collect::<BTreeMap<_, _>>())
    };
    let came: BTreeSet<_> = forged().into_iter().map(came).collect();
    assert_eq!(bench.sent_back().await.into_iter().collect::<BTreeSet<_>>(), came);
}

#[tokio::test]
async fn a_letter_that_its_dlq_does_not_take_is_packed_and_else_the_limit_is_named() {
    let mut bench = Bench::set_up().await;
    let smaller = bench.world.sqs.set_queue_attributes().queue_url(&bench.queue.dlq_url);
    smaller.attributes(QueueAttributeName::MaximumMessageSize, "2048").send().await.unwrap();
    let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(4_000).collect();
    bench.world.send_all(&bench.queue, &["x".repeat(4_000), noise]).await;
    bench.env.insert("HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    let worker = Worker::of(&bench.env, &["run", "profile"]);
    let said = || async { worker.log().into_iter().find(|line| line.contains("takes this dead letter in no form")) };
    let line = eventually("the limit is named", Duration::from_secs(30), said).await;
    assert!(line.contains("over 2048 bytes"), "{line}");
    // The noise is left to its queue.
    let settled = || async { (bench.depths().await == (Depth { visible: 0, in_flight: 1 }, visible(1))).then_some(()) };
    eventually("the other is in the DLQ", Duration::from_secs(30), settled).await;
    let letters = bench.world.dead_letters(&bench.queue).await;
    let [(_, attributes)] = &letters[..] else { panic!("{} letters", letters.len()) };
    assert_eq!((&*attributes["failure.reason"], &*attributes["failure.body_encoding"]), ("not_json", "gzip+base64"));
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_letter_that_fits_only_without_its_reason_goes_without_it_and_the_log_says_which_limit_was_met() {
    let mut bench = Bench::set_up().await;
    let smaller = bench.world.sqs.set_queue_attributes().queue_url(&bench.queue.dlq_url);
    smaller.attributes(QueueAttributeName::MaximumMessageSize, "2048").send().await.unwrap();
    // Too dense to be packed: with its reason it is over the limit in either form.
    let noise: String = std::iter::repeat_with(|| fastrand::char('!'..='~')).take(2_000).collect();
    bench.world.send(&bench.queue, &noise).await;
    let own = [("HTTP_ADDR", "127.0.0.1:0"), ("RECEIVE_WAIT", "1s")];
    bench.env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let worker = Worker::of(&bench.env, &["run", "profile"]);
    let line = worker.says("quarantined without its reason", Duration::from_secs(30)).await;
    assert!(line.contains("over 2048 bytes"), "{line}");
    let buried = || async { (bench.depths().await == (visible(0), visible(1))).then_some(()) };
    eventually("it is in the DLQ", Duration::from_secs(30), buried).await;
    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(bench.by_reason().await, reasons(&[("unknown", 1)]));
    assert_eq!(bench.world.dead_letters(&bench.queue).await, [(noise, BTreeMap::new())]);
}
