//! Dead letters: listed by their reasons, sent back and dropped exactly as selected, and never lost.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use user_events::queue::sqs::SqsQueue;
use user_events::queue::sqs::admin::SqsAdmin;
use user_events::queue::{
    Attempt, Attribute, Attributes, Body, DeadLetter, Delivery, Failure, MAX_MESSAGE_BYTES, Queue, ReceiptHandle,
};

use crate::world::processes::{Worker, environment, execute};
use crate::world::{Depth, TestQueue, World, address, event, eventually};

const WITHIN: Duration = Duration::from_secs(30);

/// A reaction's queue whose DLQ holds letters, and the environment of an operator.
pub struct Bench {
    pub world: World,
    pub queue: TestQueue,
    pub env: BTreeMap<String, String>,
}

pub fn original(body: String, attributes: usize) -> Delivery {
    let attributes = (0..attributes).map(|n| (format!("a{n}"), Attribute::string("v"))).collect();
    Delivery {
        group: None,
        fairness: None,
        moved_by_queue: false,
        trace_header: None,
        message_id: "first".to_owned(),
        body: Body::new(body),
        attributes,
        attempt: Attempt::new(2),
        sent_at_millis: 1_700_000_000_000,
        receipt: ReceiptHandle::new("r".to_owned()),
    }
}

/// The letter a worker would make of it; of reason `unknown`, the one SQS itself would move.
pub fn letter(reason: &'static str, body: String, attributes: usize) -> DeadLetter {
    let delivery = original(body, attributes);
    if reason == "unknown" {
        return DeadLetter {
            body: delivery.body.as_str().to_owned(),
            attributes: delivery.attributes,
            ..DeadLetter::default()
        };
    }
    DeadLetter::new(
        &delivery,
        "q",
        &Failure { reason, handler: "profile", history: String::new(), detail: String::new() },
    )
    .unwrap()
}

impl Bench {
    pub async fn set_up() -> Self {
        let world = World::start().await;
        let queue = world.queue("profile", Duration::from_secs(60)).await;
        let mut env = world.env.clone();
        env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url.clone());
        Self { world, queue, env }
    }

    /// A worker handles the two messages of its queue: they are one event, and have one effect.
    pub async fn has_one_effect_of_two(&self) {
        let mut env = environment(&self.world, "smtp://127.0.0.1:1");
        env.insert("PROFILE_QUEUE_URL".to_owned(), self.queue.url.clone());
        let mut worker = Worker::start(&env);
        self.world.drained(&self.queue, WITHIN).await;
        worker.signal("TERM");
        assert_eq!(worker.exit(WITHIN).await, Some(0));
        let log = worker.log();
        let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        let closing: Vec<Value> = lines.filter(|line| line["message"] == "delivery").collect();
        let mut outcomes: Vec<&str> = closing.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["done", "duplicate"], "{closing:?}");
        assert_eq!(closing[0]["span"]["event_id"], closing[1]["span"]["event_id"]);
    }

    pub async fn bury(&self, letters: &[DeadLetter]) {
        let admin = SqsAdmin::new(&self.world.aws);
        for chunk in letters.chunks(if letters.iter().any(|l| l.size() > 10_000) { 1 } else { 10 }) {
            assert!(admin.send(&self.queue.dlq_url, chunk).await.iter().all(Result::is_ok));
        }
    }

    /// So many letters of each reason; the user of each is `<reason>-<n>`.
    pub async fn bury_mixed(&self, mix: &[(&'static str, usize)]) {
        let make = |(reason, count): &(&'static str, usize)| {
            let reason = *reason;
            (0..*count).map(move |n| letter(reason, event(&format!("{reason}-{n}")), n % 11)).collect::<Vec<_>>()
        };
        self.bury(&mix.iter().flat_map(make).collect::<Vec<_>>()).await;
    }

    pub async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = execute(&self.env, arguments).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    pub async fn json(&self, arguments: &[&str]) -> Value {
        let (code, stdout, stderr) = self.run(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {stdout}"))
    }

    pub async fn by_reason(&self) -> BTreeMap<String, u64> {
        let shown = self.json(&["dlq", "list", "--by-reason", "--json"]).await;
        assert_eq!(shown["complete"], true);
        let pair = |group: &Value| (group["reason"].as_str().unwrap().to_owned(), group["count"].as_u64().unwrap());
        shown["reasons"].as_array().unwrap().iter().map(pair).collect()
    }

    pub async fn depths(&self) -> (Depth, Depth) {
        (self.world.depth(&self.queue.url).await, self.world.depth(&self.queue.dlq_url).await)
    }

    /// Everything in the source queue, taken out of it.
    pub async fn sent_back(&self) -> Vec<(String, BTreeMap<String, String>)> {
        let as_dlq = TestQueue { dlq_url: self.queue.url.clone(), ..self.queue.clone() };
        self.world.dead_letters(&as_dlq).await
    }

    /// Everything in a queue, hidden or not, as LocalStack shows it to developers.
    pub async fn peek(&self, url: &str) -> String {
        let endpoint = self.world.env["AWS_ENDPOINT_URL"].strip_prefix("http://").unwrap();
        let mut stream = tokio::net::TcpStream::connect(endpoint).await.unwrap();
        let path = format!("/_aws/sqs/messages?QueueUrl={url}&ShowInvisible=true");
        let request = format!("GET {path} HTTP/1.0\r\nHost: {endpoint}\r\nAccept: application/json\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.lines().next().is_some_and(|line| line.contains(" 200")), "{answer}");
        answer
    }
}

pub fn visible(visible: u32) -> Depth {
    Depth { visible, in_flight: 0 }
}

pub fn reasons(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

#[tokio::test]
async fn of_five_hundred_dead_letters_exactly_those_of_a_reason_go_back_and_exactly_those_of_another_are_dropped() {
    let bench = Bench::set_up().await;
    bench.bury_mixed(&[("mail_refused", 200), ("conflict", 150), ("not_json", 100), ("unknown", 50)]).await;
    let all = reasons(&[("mail_refused", 200), ("conflict", 150), ("not_json", 100), ("unknown", 50)]);
    assert_eq!(bench.by_reason().await, all);

    let dry = bench.json(&["dlq", "redrive", "--reason", "conflict", "--json"]).await;
    assert_eq!((&dry["dryRun"], &dry["selected"], &dry["moved"]), (&true.into(), &150.into(), &0.into()));
    assert_eq!(bench.depths().await, (visible(0), visible(500)), "a dry run changes nothing");

    let done = bench.json(&["dlq", "redrive", "--reason", "conflict", "--yes", "--json"]).await;
    assert_eq!((&done["moved"], &done["left"], &done["failed"]), (&150.into(), &350.into(), &0.into()));
    let back = bench.sent_back().await;
    let expected: BTreeSet<String> = (0..150).map(|n| event(&format!("conflict-{n}"))).collect();
    assert_eq!((back.len(), back.iter().map(|(body, _)| body.clone()).collect::<BTreeSet<_>>()), (150, expected));
    for (body, attributes) in &back {
        let user = serde_json::from_str::<Value>(body).unwrap()["userId"].as_str().unwrap().to_owned();
        let n: usize = user.strip_prefix("conflict-").unwrap().parse().unwrap();
        let names: Vec<String> = attributes.keys().cloned().collect();
        assert_eq!(
            names,
            (0..n % 11).map(|n| format!("a{n}")).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
    }
    let rest = reasons(&[("mail_refused", 200), ("not_json", 100), ("unknown", 50)]);
    assert_eq!(bench.by_reason().await, rest);

    let dry = bench.json(&["dlq", "drop", "--reason", "not_json", "--reason", "unknown", "--json"]).await;
    assert_eq!((&dry["selected"], &dry["moved"]), (&150.into(), &0.into()));
    assert_eq!(bench.by_reason().await, rest);
    bench.json(&["dlq", "drop", "--reason", "not_json", "--reason", "unknown", "--yes", "--json"]).await;
    assert_eq!(bench.by_reason().await, reasons(&[("mail_refused", 200)]));
    assert_eq!(bench.depths().await.1, visible(200), "a look leaves all of them visible");
}

#[tokio::test]
async fn a_redrive_killed_between_send_and_delete_loses_no_letter() {
    if cfg!(not(feature = "failpoints")) {
        panic!("built without failpoints: run the tests by `make test` or `tests/run FILTER`");
    }
    let mut bench = Bench::set_up().await;
    bench.bury_mixed(&[("conflict", 300)]).await;
    bench.env.insert("FAILPOINTS".to_owned(), "redriven=kill:0.3".to_owned());
    let (code, ..) = bench.run(&["dlq", "redrive", "--yes"]).await;
    assert_eq!(code, None, "it was killed");

    let (source, dlq) = (bench.peek(&bench.queue.url).await, bench.peek(&bench.queue.dlq_url).await);
    let is_in = |text: &str, n: usize| text.contains(&format!("event-conflict-{n}\\\""));
    let lost: Vec<usize> = (0..300).filter(|n| !is_in(&source, *n) && !is_in(&dlq, *n)).collect();
    let both = (0..300).filter(|n| is_in(&source, *n) && is_in(&dlq, *n)).count();
    assert_eq!(lost, [0; 0], "in neither of the two");
    assert!((1..=10).contains(&both), "the letters of one call are in both, these are {both}");
}

#[tokio::test]
async fn a_redrive_told_to_stop_shows_again_what_it_did_not_move() {
    let bench = Bench::set_up().await;
    bench.bury_mixed(&[("conflict", 100)]).await;
    let mut redrive = Worker::of(&bench.env, &["dlq", "redrive", "--rate", "10", "--yes"]);
    let begun = || async { (bench.depths().await.0.visible > 0).then_some(()) };
    eventually("the first letters are back", WITHIN, begun).await;
    redrive.signal("INT");
    assert_eq!(redrive.exit(WITHIN).await, Some(130));
    let (source, dlq) = bench.depths().await;
    assert_eq!((source.visible + dlq.visible, dlq.in_flight), (100, 0));
    assert!(dlq.visible > 0, "it was stopped before its end");
}

#[tokio::test]
async fn what_sqs_itself_moves_back_is_received_as_it_first_came() {
    let bench = Bench::set_up().await;
    let bodies = ["plain".to_owned(), "many attributes".to_owned(), "x".repeat(MAX_MESSAGE_BYTES - 100)];
    let letters = [("conflict", 3), ("conflict", 10), ("too_large", 2)]
        .into_iter()
        .zip(&bodies)
        .map(|((reason, count), body)| letter(reason, body.clone(), count));
    bench.bury(&letters.collect::<Vec<_>>()).await;
    let dry = bench.json(&["dlq", "redrive", "--all", "--json"]).await;
    assert_eq!((&dry["by"], &dry["selected"], &dry["dryRun"]), (&"sqs".into(), &3.into(), &true.into()));
    assert_eq!(bench.depths().await, (visible(0), visible(3)));
    let done = bench.json(&["dlq", "redrive", "--all", "--yes", "--json"]).await;
    assert_eq!((&done["by"], &done["moved"]), (&"sqs".into(), &3.into()));

    let queue = SqsQueue::open(&bench.world.aws, bench.queue.url.clone(), None, Duration::from_secs(5)).await.unwrap();
    let mut received = Vec::new();
    while received.len() < 3 {
        let batch = queue.receive(10, Duration::from_secs(5)).await.unwrap();
        assert!(!batch.is_empty(), "only {} arrived", received.len());
        received.extend(batch.into_iter().map(|delivery| (delivery.body.as_str().to_owned(), delivery.attributes)));
    }
    for (body, count) in bodies.into_iter().zip([3, 10, 2]) {
        let expected: Attributes = original(String::new(), count).attributes;
        let (_, attributes) = received.iter().find(|(found, _)| *found == body).expect("the body as it first came");
        assert_eq!(*attributes, expected);
    }
}

#[tokio::test]
async fn where_sqs_does_not_move_letters_itself_all_of_them_are_sent_one_by_one() {
    let mut bench = Bench::set_up().await;
    let other = bench.world.queue("other", Duration::from_secs(60)).await;
    // A queue that is the target of no redrive policy.
    bench.env.insert("PROFILE_DLQ_URL".to_owned(), other.url.clone());
    bench.queue.dlq_url = other.url;
    bench.bury_mixed(&[("conflict", 30)]).await;
    let (code, stdout, stderr) = bench.run(&["dlq", "redrive", "--all", "--yes", "--json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("one by one"), "{stderr}");
    let done: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&done["by"], &done["moved"]), (&"us".into(), &30.into()));
    assert_eq!(bench.depths().await, (visible(30), visible(0)));
}

#[tokio::test]
async fn letters_are_shown_and_exported_and_their_addresses_only_where_asked_for() {
    let bench = Bench::set_up().await;
    bench.bury(&[letter("conflict", event("anna"), 10), letter("unknown", "hello".to_owned(), 0)]).await;
    let anna = address("anna");
    let shown = bench.json(&["dlq", "list", "--json"]).await;
    let letters = shown["letters"].as_array().unwrap();
    let letter = letters.iter().find(|letter| letter["reason"] == "conflict").unwrap();
    let id = letter["id"].as_str().unwrap();
    assert_eq!((&letter["email"], &letter["attempts"]), (&"a***@***".into(), &2.into()));
    for hiding in [&["dlq", "list"][..], &["dlq", "list", "--by-reason"], &["dlq", "show", &id[..8]]] {
        let (code, stdout, stderr) = bench.run(hiding).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("conflict") && !stdout.contains(&anna) && !stderr.contains(&anna), "{stdout}");
        assert!(stdout.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{stdout}");
    }
    for telling in [&["dlq", "list", "--show-addresses"][..], &["dlq", "show", id, "--body"]] {
        assert!(bench.run(telling).await.1.contains(&anna));
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("letters.jsonl");
    let (code, stdout, stderr) = bench.run(&["dlq", "export", "--file", file.to_str().unwrap()]).await;
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["id"] == id).unwrap();
    assert_eq!((lines.len(), line["body"].as_str()), (2, Some(event("anna").as_str())));
    assert_eq!(line["attributes"].as_object().unwrap().len(), 10);
    assert_eq!((&line["failure"]["handler"], &line["failure"]["attempts"]), (&"profile".into(), &"2".into()));
    assert_eq!(bench.depths().await, (visible(0), visible(2)));
}

#[tokio::test]
async fn a_selection_that_means_nothing_or_everything_by_accident_is_refused() {
    let mut bench = Bench::set_up().await;
    assert_eq!(bench.run(&["dlq", "drop", "--yes"]).await.0, Some(2), "drop needs to be told which");
    assert_eq!(bench.run(&["dlq", "redrive", "--since", "yesterday"]).await.0, Some(2));
    assert_eq!(bench.run(&["dlq", "show", "nothing"]).await.0, Some(2));
    assert_eq!(bench.run(&["dlq", "redrive", "email"]).await.0, Some(78), "its queue is not configured");
    bench.env.insert("EMAIL_QUEUE_URL".to_owned(), bench.queue.dlq_url.clone());
    assert_eq!(bench.run(&["dlq", "redrive", "--yes"]).await.0, Some(2), "of two reactions one has to be named");
    bench.env.insert("EMAIL_QUEUE_URL".to_owned(), bench.queue.url.clone());
    bench.env.insert("PROFILE_QUEUE_URL".to_owned(), bench.queue.dlq_url.clone());
    let (code, _, stderr) = bench.run(&["dlq", "list", "profile"]).await;
    assert_eq!(code, Some(69));
    assert!(stderr.contains("no dead-letter queue"), "{stderr}");
}

#[tokio::test]
async fn whose_share_of_a_queue_a_message_counts_for_goes_into_its_dead_letter_and_back() {
    let bench = Bench::set_up().await;
    let queue = SqsQueue::open(&bench.world.aws, bench.queue.url.clone(), None, Duration::from_secs(5)).await.unwrap();
    let call = bench.world.sqs.send_message().queue_url(&bench.queue.url).message_body("poison");
    call.message_group_id("tenant-7").send().await.expect("LocalStack takes it");
    let receive = async || queue.receive(1, Duration::from_secs(5)).await.unwrap().pop().expect("one");
    let first = receive().await;
    let failure = Failure { reason: "not_json", handler: "profile", history: String::new(), detail: String::new() };
    queue.send_to_dlq(&DeadLetter::new(&first, "q", &failure).unwrap()).await.unwrap();
    assert!(queue.delete(vec![first.receipt]).await.is_empty());
    let done = bench.json(&["dlq", "redrive", "--reason", "not_json", "--yes", "--json"]).await;
    assert_eq!(done["moved"], 1);
    let back = receive().await;
    assert_eq!((back.body.as_str(), back.fairness.as_deref(), &back.group), ("poison", Some("tenant-7"), &None));
}
