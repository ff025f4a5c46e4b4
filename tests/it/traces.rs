//! Traces: one from publish to effect, over SNS and SQS, whoever published.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::world::collector::{Collector, hex, text};
use crate::world::processes::{Worker, both, execute};
use crate::world::proxy::{Mode, Proxy};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{TestQueue, World, address, event, eventually};

const SOON: Duration = Duration::from_secs(30);

struct Bench {
    world: World,
    smtp: SmtpServer,
    email: TestQueue,
    profile: TestQueue,
    collector: Collector,
    env: BTreeMap<String, String>,
}

impl Bench {
    async fn set_up() -> Self {
        let (world, smtp, collector) = (World::start().await, SmtpServer::start().await, Collector::start().await);
        let (email, profile) = world.email_and_profile(SOON).await;
        let mut env = both(&world, &smtp, &email, &profile);
        let topic = world.topic(&[&email, &profile]).await;
        for (name, value) in [
            ("USER_EVENTS_TOPIC_ARN", &*topic),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hunter2-Zx9"),
            ("OTEL_SERVICE_NAME", "signups"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        Self { world, smtp, email, profile, collector, env }
    }

    fn user(&self) -> String {
        format!("{}-u", self.world.id)
    }

    /// Starts a worker, lets it finish what is there, and stops it: its last spans are sent then.
    async fn work(&self) -> Vec<String> {
        let worker = Worker::start(&self.env);
        tokio::join!(self.world.drained(&self.email, SOON), self.world.drained(&self.profile, SOON));
        let told = || async {
            let log = worker.log();
            (log.iter().filter(|line| line.contains("\"message\":\"delivery\"")).count() >= 2).then_some(log)
        };
        let log = eventually("both deliveries are told", SOON, told).await;
        assert_eq!(worker.terminate().await, Some(0));
        log
    }
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name:?} in {names:?}"))
}

/// The spans of an event from its queues to its effects, below `publisher`.
fn assert_whole(bench: &Bench, spans: &[Span], publisher: &[u8]) {
    let queue = |queue: &TestQueue| queue.url.rsplit('/').next().unwrap().to_owned();
    for (queue, effect) in [(queue(&bench.email), "mail send"), (queue(&bench.profile), "profile write")] {
        let receive = named(spans, &format!("receive {queue}"));
        let process = named(spans, &format!("process {queue}"));
        let effect = named(spans, effect);
        assert_eq!((receive.kind(), process.kind()), (SpanKind::Client, SpanKind::Consumer));
        assert_eq!((&receive.parent_span_id[..], &process.parent_span_id[..]), (publisher, publisher));
        assert_eq!((effect.kind(), &effect.parent_span_id), (SpanKind::Client, &process.span_id));
        assert_eq!(text(&process.attributes, "messaging.system").as_deref(), Some("aws_sqs"));
        assert_eq!(text(&process.attributes, "messaging.destination.name"), Some(queue));
        assert_eq!(text(&process.attributes, "user_events.outcome").as_deref(), Some("done"));
        assert!(process.start_time_unix_nano <= effect.start_time_unix_nano);
        assert!(effect.end_time_unix_nano <= process.end_time_unix_nano);
    }
}

fn assert_in_each_line(log: &[String], trace_id: &str) {
    for line in log.iter().filter(|line| line.contains("\"message\":\"delivery\"")) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["span"]["trace_id"], trace_id, "{line}");
        assert_eq!(line["span"]["name"], "message", "the log stands in its own span: {line}");
    }
}

#[tokio::test]
async fn one_trace_leads_from_our_publish_over_both_queues_to_both_effects() {
    let bench = Bench::set_up().await;
    let user = bench.user();
    let published =
        execute(&bench.env, &["publish", "--user-id", &user, "--email", &address(&user), "--plan", "pro"]).await;
    assert_eq!(published.status.code(), Some(0), "{}", String::from_utf8_lossy(&published.stderr));
    let send = bench.collector.look(|received| received.spans.clone());
    let [send] = &send[..] else { panic!("one event is one span, sent before the command ends: {send:?}") };
    assert_eq!(
        (send.name.as_str(), send.kind()),
        (&*format!("send user-events-{}", bench.world.id), SpanKind::Producer)
    );
    assert_eq!(text(&send.attributes, "messaging.system").as_deref(), Some("aws.sns"));

    let trace_id = hex(&send.trace_id);
    let log = bench.work().await;
    assert_whole(&bench, &bench.collector.trace(&trace_id), &send.span_id);
    assert_in_each_line(&log, &trace_id);
    bench.collector.look(|received| {
        assert_eq!(received.services.iter().collect::<Vec<_>>(), ["signups"]);
        assert!(received.headers.iter().all(|headers| headers["x-key"] == "hunter2-Zx9"));
        assert!(received.metrics.contains("messaging.process.duration"), "{:?}", received.metrics);
        let everything = format!("{:?}", received.spans);
        assert!(!everything.contains(&user) && !everything.contains('@'), "a trace tells of no user: {everything}");
    });
}

#[tokio::test]
async fn a_trace_that_another_languages_publisher_began_goes_on_to_our_effects() {
    let bench = Bench::set_up().await;
    let (trace_id, span_id) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let topic = bench.env["USER_EVENTS_TOPIC_ARN"].clone();
    let (user, traceparent) = (bench.user(), format!("00-{trace_id}-{span_id}-01"));
    crate::interop::run(&bench.world, "publish.py", &[&topic, "v2", &user, &address(&user), &traceparent]).await;

    let log = bench.work().await;
    let publisher = data_encoding::HEXLOWER.decode(span_id.as_bytes()).unwrap();
    assert_whole(&bench, &bench.collector.trace(trace_id), &publisher);
    assert_in_each_line(&log, trace_id);
}

#[tokio::test]
async fn without_a_collector_the_publishers_trace_id_is_still_in_the_log_and_an_unsampled_trace_is_not_sent() {
    let mut bench = Bench::set_up().await;
    let traceparent = |sampled: &str| format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{sampled}");
    let topic = bench.env["USER_EVENTS_TOPIC_ARN"].clone();
    let user = bench.user();
    crate::interop::run(&bench.world, "publish.py", &[&topic, "v2", &user, &address(&user), &traceparent("00")]).await;
    assert_in_each_line(&bench.work().await, "0af7651916cd43dd8448eb211c80319c");
    assert!(bench.collector.look(|received| received.spans.is_empty()), "the publisher decided against this trace");

    bench.env.remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    let user = format!("{user}-2");
    crate::interop::run(&bench.world, "publish.py", &[&topic, "v2", &user, &address(&user), &traceparent("01")]).await;
    assert_in_each_line(&bench.work().await, "0af7651916cd43dd8448eb211c80319c");
    assert!(bench.collector.look(|received| received.spans.is_empty()));
}

#[tokio::test]
async fn a_raw_message_goes_on_in_the_trace_beside_it_and_a_failed_effect_fails_its_span() {
    let bench = Bench::set_up().await;
    let (user, trace_id) = (bench.user(), "5759e988bd862e3fe1be46a994272793");
    bench.smtp.script_for(&address(&user), vec![Reaction::Reply { at: Phase::Dot, code: 554, text: "no" }]);
    let traceparent = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String");
    let traceparent = traceparent.string_value(format!("00-{trace_id}-53995c3f42cd8ad8-01")).build().unwrap();
    let send = bench.world.sqs.send_message().queue_url(&bench.email.url).message_body(event(&user));
    send.message_attributes("traceparent", traceparent).send().await.unwrap();

    let worker = Worker::start(&bench.env);
    worker.says("quarantine: mail_refused", SOON).await;
    bench.world.drained(&bench.email, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));
    let spans = bench.collector.trace(trace_id);
    let process = spans.iter().find(|span| span.name.starts_with("process ")).expect("a process span");
    for failed in [process, named(&spans, "mail send")] {
        assert_eq!(failed.status.as_ref().map(|status| status.code()), Some(StatusCode::Error), "{failed:?}");
    }
    assert_eq!(text(&process.attributes, "error.type").as_deref(), Some("permanent"));
}

#[tokio::test]
async fn what_only_x_ray_knows_of_a_trace_is_taken_from_the_queues_own_header() {
    use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends as System, MessageSystemAttributeValue};
    let bench = Bench::set_up().await;
    let header = MessageSystemAttributeValue::builder().data_type("String");
    let header = header.string_value("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
    let send = bench.world.sqs.send_message().queue_url(&bench.profile.url).message_body(event(&bench.user()));
    send.message_system_attributes(System::AwsTraceHeader, header.build().unwrap()).send().await.unwrap();

    let worker = Worker::start(&bench.env);
    worker.says("\"trace_id\":\"5759e988bd862e3fe1be46a994272793\"", SOON).await;
    bench.world.drained(&bench.profile, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));
    let spans = bench.collector.trace("5759e988bd862e3fe1be46a994272793");
    assert_eq!(hex(&named(&spans, &format!("process profile-{}", bench.world.id)).parent_span_id), "53995c3f42cd8ad8");
}

#[tokio::test]
async fn a_trace_that_is_told_by_the_cloud_event_alone_goes_on_wrapped_and_raw() {
    let bench = Bench::set_up().await;
    // As Dapr publishes: its trace is a field of the event, and no attribute.
    let body = include_str!("../fixtures/cloud_events/dapr.json").replace("\"123\"", &format!("\"{}\"", bench.user()));
    let topic = &bench.env["USER_EVENTS_TOPIC_ARN"];
    bench.world.sns.publish().topic_arn(topic).message(&body).send().await.unwrap();
    bench.world.send(&bench.profile, &body).await;

    let log = bench.work().await;
    let trace_id = "113ad9c4e42b27583ae98ba698d54255";
    assert_in_each_line(&log, trace_id);
    let spans = bench.collector.trace(trace_id);
    let processed: Vec<_> = spans.iter().filter(|span| span.name.starts_with("process ")).collect();
    assert_eq!(processed.len(), 3, "two wrapped and one raw");
    assert!(processed.iter().all(|span| hex(&span.parent_span_id) == "e3743e35ff56f219"));
}

#[tokio::test]
async fn several_events_of_one_receive_keep_their_traces_and_the_receive_is_linked_to_each() {
    let bench = Bench::set_up().await;
    let (user, topic) = (bench.user(), bench.env["USER_EVENTS_TOPIC_ARN"].clone());
    let published =
        execute(&bench.env, &["publish", "--user-id", &user, "--email", &address(&user), "--count", "5"]).await;
    assert_eq!(published.status.code(), Some(0), "{topic}");
    let worker = Worker::start(&bench.env);
    bench.smtp.wait_for(5, SOON).await;
    tokio::join!(bench.world.drained(&bench.email, SOON), bench.world.drained(&bench.profile, SOON));
    assert_eq!(worker.terminate().await, Some(0));

    let spans = bench.collector.look(|received| received.spans.clone());
    let of = |name: &str| spans.iter().filter(|span| span.name.starts_with(name)).collect::<Vec<_>>();
    let published: BTreeMap<_, _> = of("send ").into_iter().map(|span| (&span.trace_id, &span.span_id)).collect();
    assert_eq!(published.len(), 5, "a trace for each event");
    let processed = of("process ");
    assert_eq!(processed.len(), 10);
    assert!(processed.iter().all(|span| published.get(&span.trace_id) == Some(&&span.parent_span_id)));
    let batches: Vec<_> = of("receive ").into_iter().filter(|span| !span.links.is_empty()).collect();
    assert!(!batches.is_empty(), "five events came one by one, ten times");
    for link in batches.iter().flat_map(|span| &span.links) {
        assert_eq!(published.get(&link.trace_id), Some(&&link.span_id));
    }
}

#[tokio::test]
async fn a_collector_that_is_silent_or_gone_delays_no_mail_and_hardly_the_end() {
    let mut bench = Bench::set_up().await;
    let port = bench.collector.url.rsplit(':').next().unwrap().parse().unwrap();
    let silent = Proxy::start(port).await;
    silent.set(Mode::Hole);
    for (n, endpoint) in
        [format!("http://127.0.0.1:{}", silent.port()), "http://127.0.0.1:1".to_owned()].iter().enumerate()
    {
        bench.env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint.clone());
        let user = format!("{}-{n}", bench.world.id);
        bench.world.send(&bench.email, &event(&user)).await;
        let mut worker = Worker::start(&bench.env);
        bench.smtp.wait_for(n + 1, SOON).await;
        bench.world.drained(&bench.email, SOON).await;
        let told = Instant::now();
        worker.signal("TERM");
        assert_eq!(worker.exit(Duration::from_secs(10)).await, Some(0));
        println!("{endpoint}: ended within {:?}", told.elapsed());
    }
}
