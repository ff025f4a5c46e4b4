//! The parts of one message's way, each by itself: envelope and event, a mail, its conversation, the record's steps, settling in
//! batches.
//!
//! Enters: a body as SQS delivered it, of three sizes; REDIS_URL for the record (skipped aloud without it). Leaves: Criterion's
//! figures. For looking where time goes, not for comparing with others: that is `benches/run`.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use secrecy::SecretString;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use user_events::bus::Bus;
use user_events::envelope;
use user_events::event::{Arrival, Event, Opened, Published, Timestamp, read};
use user_events::events::{UserSignedUp, WithFields};
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Claim, Fence, Fingerprint, Key, Ledger, Request, Terms};
use user_events::mail::smtp::{SmtpMailer, SmtpSettings};
use user_events::mail::{BUILTIN, Composer, Mail, Mailer, Ready, Sender, Templates, Wording};
use user_events::queue::Attributes;
use user_events::queue::memory::MemoryQueue;
use user_events::redis_link::RedisLink;
use user_events::worker::{Outcome, Reaction, Settings, Worker};

const BATCHES: usize = 100;

fn body(size: usize) -> String {
    let event = json!({
        "type": "user.signed_up", "version": "2", "eventId": "e-1", "userId": "u-1", "email": "u-1@example.com",
        "plan": "pro", "timestamp": "2026-01-02T03:04:05.678Z", "note": "x".repeat(size.saturating_sub(200)),
    });
    json!({
        "Type": "Notification", "MessageId": "00000000-0000-4000-8000-000000000001",
        "TopicArn": "arn:aws:sns:us-east-1:000000000000:user-events", "Message": event.to_string(),
        "Timestamp": "2026-01-02T03:04:05.700Z", "SignatureVersion": "1", "Signature": "s".repeat(172),
    })
    .to_string()
}

fn envelopes(c: &mut Criterion) {
    let mut group = c.benchmark_group("envelope");
    for size in [300, 4_096, 262_144] {
        let body = body(size);
        let sent_at = Timestamp::now();
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::new("open", size), |b| b.iter(|| envelope::open::<UserSignedUp>(black_box(&body), sent_at)));
    }
    group.finish();
    let event = UserSignedUp::new("u-1".parse().expect("an id"), "u-1@example.com".parse().expect("an address"), None);
    c.bench_function("event/to_json", |b| b.iter(|| black_box(&event).to_json()));
}

fn composer(templates: Templates) -> Composer {
    let from = "Acme <hello@acme.example>".parse().expect("a mailbox");
    Composer::new(Sender { from, reply_to: None, redirect_to: None }, Wording::of(templates))
}

/// An event becomes the bytes of a mail: by the built-in templates with their image, and by such without one.
fn mails(c: &mut Criterion) {
    let builtin = || Templates::builtin().expect("templates");
    let folder = std::env::temp_dir().join(format!("micro-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, bytes) in BUILTIN.iter().filter(|(name, _)| !name.ends_with(".png")) {
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8").replace("cid:logo.png", "https://acme.example/logo.png");
        std::fs::write(folder.join(name), text).expect("written");
    }
    let (without, faults) = Templates::read(&folder);
    assert_eq!(faults, []);
    std::fs::remove_dir_all(&folder).expect("removed");
    let mut group = c.benchmark_group("mail");
    for (name, composer, locale) in [
        ("with an image", composer(builtin()), "en"),
        ("with an image, German", composer(builtin()), "de"),
        ("without an image", composer(without.expect("templates")), "en"),
    ] {
        let json = format!(
            r#"{{"type":"user.signed_up","version":2,"userId":"u-1","email":"u-1@example.com","plan":"pro","locale":"{locale}"}}"#
        );
        let arrival = Arrival::raw(Timestamp::now());
        let Ok(Opened::Ours(event)) = read::<WithFields<UserSignedUp>>(&json, &arrival, UserSignedUp::TYPES) else {
            panic!("an event");
        };
        group.bench_function(name, |b| b.iter(|| composer.welcome("welcome_email", black_box(&event)).expect("a mail")));
    }
    group.finish();
}

/// Hands over the same mail again and again, and tells how long that took.
#[derive(Clone)]
struct Repeat(Arc<Repeated>);

struct Repeated {
    mailer: SmtpMailer,
    mail: Mail,
    times: AtomicU64,
    took: Mutex<Duration>,
}

impl Handler for Repeat {
    type Event = UserSignedUp;
    const NAME: &'static str = "repeated";

    async fn handle(&self, _: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let Repeated { mailer, mail, times, took } = &*self.0;
        let begun = Instant::now();
        let mut last = fence.cross().await?;
        for _ in 0..times.load(Ordering::Relaxed) {
            let ready = mailer.prepare(mail, fence).await?;
            last = fence.cross().await?;
            ready.send(mail, &last).await?;
        }
        *took.lock().expect("a lock") = begun.elapsed();
        Ok(Handled::Done { crossing: last, receipt: String::new() })
    }
}

/// Takes every mail, by one thread for one connection. Offers PIPELINING.
fn mail_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let converse = |mut stream: TcpStream| -> std::io::Result<()> {
        stream.write_all(b"220 micro\r\n")?;
        let (mut input, mut piece, mut in_body) = (Vec::new(), vec![0; 65_536], false);
        loop {
            let read = stream.read(&mut piece)?;
            input.extend_from_slice(&piece[..read]);
            if read == 0 || !input.ends_with(if in_body { b"\r\n.\r\n" } else { b"\r\n" }) {
                if read == 0 { return Ok(()) } else { continue }
            }
            let replies: &[u8] = match &input[..4] {
                _ if in_body => b"250 taken\r\n",
                b"EHLO" => b"250-micro\r\n250 PIPELINING\r\n",
                b"MAIL" => b"250 sender\r\n250 recipient\r\n354 go on\r\n",
                _ => b"221 bye\r\n",
            };
            in_body = !in_body && input.starts_with(b"MAIL");
            stream.write_all(replies)?;
            input.clear();
        }
    };
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(converse(stream))));
    address
}

/// From MAIL to the 250 behind the body, over loopback and a kept connection; the server is a thread of its own, so this is
/// time and not CPU.
fn conversation(c: &mut Criterion) {
    let event = UserSignedUp::new("u-1".parse().expect("an id"), "u-1@example.com".parse().expect("an address"), None);
    let (json, arrival) = (event.to_json(), Arrival::raw(Timestamp::now()));
    let Ok(Opened::Ours(read)) = read::<WithFields<UserSignedUp>>(&json, &arrival, UserSignedUp::TYPES) else {
        panic!("an event");
    };
    let mail = composer(Templates::builtin().expect("templates")).welcome("welcome_email", &read).expect("a mail");
    let settings = SmtpSettings::parse(&format!("smtp://{}", mail_server()).into(), false).expect("a URL");
    let mailer = SmtpMailer::new(settings, None);
    let repeated = Arc::new(Repeated { mailer, mail, times: AtomicU64::new(0), took: Mutex::default() });
    let bus = Bus::new().react(Reaction::atomic(Repeat(repeated.clone()), Duration::from_secs(600)));
    let runtime = runtime();
    c.bench_function("smtp/conversation", |b| {
        b.iter_custom(|times| {
            repeated.times.store(times, Ordering::Relaxed);
            let outcomes = runtime.block_on(bus.publish(&event));
            assert_eq!(outcomes[0].outcome, Outcome::Done);
            *repeated.took.lock().expect("a lock")
        });
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn record(c: &mut Criterion) {
    let Ok(url) = std::env::var("REDIS_URL") else {
        eprintln!("record: needs REDIS_URL, a Redis that may be written to");
        return;
    };
    let runtime = runtime();
    let ledger = RedisLedger::new(RedisLink::new(&SecretString::from(url)).expect("a URL"));
    let terms = Terms::new(Duration::from_secs(20), Duration::from_secs(60));
    let mut n = 0_u64;
    c.bench_function("record/claim and commit", |b| {
        b.iter(|| {
            n += 1;
            let key = Key::new("micro", &format!("{}-{n}", std::process::id()));
            let request = Request::new(key, Fingerprint::of(&["one"]));
            runtime.block_on(async {
                let Ok(Claim::Acquired(lease)) = ledger.claim(&request, &n.to_string(), &terms).await else {
                    panic!("a fresh key is free");
                };
                ledger.commit(&lease, "", &terms).await.expect("recorded");
            });
        });
    });
}

struct Nothing;

impl Handler for Nothing {
    type Event = UserSignedUp;
    const NAME: &'static str = "nothing";

    async fn handle(&self, _: &UserSignedUp, _: &Fence<'_>) -> Result<Handled, HandlerError> {
        Ok(Handled::Applied)
    }
}

/// The whole engine on a queue in memory: what is left when SQS and its SDK cost nothing.
fn engine(c: &mut Criterion) {
    let (runtime, body) = (runtime(), body(300));
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(10 * BATCHES as u64)).sample_size(20);
    group.bench_function("receive to settled", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let queue = MemoryQueue::new("micro", Duration::from_secs(30));
                for _ in 0..10 * BATCHES {
                    queue.send(&body, Attributes::new()).expect("sent");
                }
                let settings = Settings::default().with_concurrency(80).with_wait(Duration::ZERO);
                let reaction = Reaction::atomic(Nothing, Duration::from_secs(60));
                let worker = Worker::new(queue.clone(), reaction, settings);
                let (tally, stop) = (worker.tally(), CancellationToken::new());
                let running = tokio::spawn(worker.run(stop.clone()));
                while tally.read().of("done") < 10 * BATCHES as u64 {
                    tokio::task::yield_now().await;
                }
                stop.cancel();
                running.await.expect("a worker ends well");
            });
        });
    });
    group.finish();
}

criterion_group!(benches, envelopes, mails, conversation, record, engine);
criterion_main!(benches);
