//! A team's own program of several reactions: each has its queue, its variables and its events. The program is the test
//! itself, run once more as a process of its own.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use user_events::config::{self, Environment, LogFormat, ReactionNeeds, SettingsReader};
use user_events::event::{Event, EventError, Fields, Head, Once};
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::Fence;
use user_events::reactions::Reactions;
use user_events::telemetry::Telemetry;
use user_events::{app, one_of, ops, shutdown};

use crate::world::processes::{Worker, execute, execute_by};
use crate::world::{EMPTY, World, eventually};

const SOON: Duration = Duration::from_secs(30);
/// Set where the test is the program: the file in which its effects are noted.
const JOURNAL: &str = "JOURNAL_OF_THE_TEST";

/// An event of a shop's, about an order.
macro_rules! about_an_order {
    ($name:ident, $kind:literal) => {
        #[derive(Debug)]
        struct $name(Head, String);

        impl Event for $name {
            const TYPES: &'static [&'static str] = &[$kind];
            fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
                Ok(Self(head, fields.parsed("orderId")?))
            }
            fn head(&self) -> &Head {
                &self.0
            }
            fn subject(&self) -> &str {
                &self.1
            }
        }
    };
}

about_an_order!(Paid, "order.paid");
about_an_order!(Refunded, "order.refunded");
about_an_order!(Shipped, "order.shipped");
one_of! { enum Moved { Refunded(Refunded), Shipped(Shipped) } }

struct Receipts(PathBuf);

impl Handler for Receipts {
    type Event = Paid;
    const NAME: &'static str = "receipts";

    async fn handle(&self, event: &Paid, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        note(&self.0, Self::NAME, event, fence).await
    }
}

struct OrderNotify(PathBuf);

impl Handler for OrderNotify {
    type Event = Moved;
    const NAME: &'static str = "order-notify";
    const ONCE: Once = Once::Event;

    async fn handle(&self, event: &Moved, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        note(&self.0, Self::NAME, event, fence).await
    }
}

async fn note(at: &PathBuf, who: &str, event: &impl Event, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
    let crossing = fence.cross().await?;
    let mut file = OpenOptions::new().append(true).create(true).open(at).unwrap();
    file.write_all(format!("{who} {} {}\n", event.head().kind, event.subject()).as_bytes()).unwrap();
    Ok(Handled::done(crossing))
}

/// Is this process the program?
fn journal() -> Option<PathBuf> {
    std::env::var_os(JOURNAL).map(PathBuf::from)
}

/// What `run` does: the words are the test harness's here.
async fn run(reactions: Reactions, names: &[&'static str]) {
    let environment = Environment::of_process();
    let needs: Vec<_> = names.iter().map(|name| ReactionNeeds { name, mail: false, webhook: false }).collect();
    let mut reader = SettingsReader::new(&environment);
    let config = config::run(&mut reader, &needs, &[]).expect("no mistake");
    let telemetry = Telemetry::start(&config::telemetry(&mut reader), "info", LogFormat::Json).map(Arc::new).unwrap();
    let ended = app::run(config, reactions, &telemetry, shutdown::on_signal().unwrap()).await.unwrap();
    assert_eq!(ended.len(), names.len(), "{ended:?}");
}

#[tokio::test]
async fn several_reactions_of_one_program_take_each_their_own_events() {
    if let Some(at) = journal() {
        let reactions = Reactions::new().with(Receipts(at.clone())).with(OrderNotify(at));
        return run(reactions, &["receipts", "order-notify"]).await;
    }
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let (receipts, notify) = tokio::join!(world.queue("receipts", SOON), world.queue("order-notify", SOON));
    let topic = world.topic(&[&receipts, &notify]).await;
    let at = folder.path().join("journal");
    let mut env = world.env.clone();
    let own = [
        ("RECEIPTS_QUEUE_URL", receipts.url.as_str()),
        ("ORDER_NOTIFY_QUEUE_URL", &notify.url),
        ("ORDER_NOTIFY_WORKER_CONCURRENCY", "2"),
        ("USER_EVENTS_TOPIC_ARN", &topic),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("RECEIVE_WAIT", "1s"),
        (JOURNAL, at.to_str().unwrap()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let this = "own_program::several_reactions_of_one_program_take_each_their_own_events";
    let program = std::env::current_exe().unwrap();
    let mut worker = Worker::by(&program, &env, folder.path(), &[this, "--exact", "--nocapture"]);

    let order = format!("{}-o1", world.id);
    let data = |event: &str| format!(r#"{{"orderId":"{order}","eventId":"{order}-{event}"}}"#);
    for (kind, event) in [("paid", "1"), ("shipped", "2"), ("paid", "1"), ("refunded", "3"), ("shipped", "2")] {
        let arguments = ["publish", "--type", &format!("order.{kind}"), "--data", &data(event)];
        assert!(execute(&env, &arguments).await.status.success());
    }
    let noted = || std::fs::read_to_string(&at).unwrap_or_default();
    let all = async || (noted().lines().count() >= 3).then_some(());
    eventually("all effects", SOON, all).await;
    for queue in [&receipts, &notify] {
        let is_empty = async || (world.depth(&queue.url).await == EMPTY).then_some(());
        eventually("its queue is empty", SOON, is_empty).await;
    }
    let noted = noted();
    let mut done: Vec<_> = noted.lines().collect();
    done.sort_unstable();
    let expected = ["order-notify order.refunded", "order-notify order.shipped", "receipts order.paid"];
    assert_eq!(done, expected.map(|what| format!("{what} {order}")), "each once, and by its own reaction");
    worker.signal("TERM");
    assert_eq!(worker.exit(SOON).await, Some(0));
}

#[tokio::test]
async fn two_reactions_of_one_name_are_refused_in_words_with_exit_70() {
    if let Some(at) = journal() {
        assert_eq!(ops::main(Reactions::new().with(Receipts(at.clone())).with(Receipts(at))), ExitCode::from(70));
        return;
    }
    let env = [(JOURNAL.to_owned(), "journal".to_owned())].into();
    let this = "own_program::two_reactions_of_one_name_are_refused_in_words_with_exit_70";
    let program = std::env::current_exe().unwrap();
    let ended = execute_by(&program, &env, &[this, "--exact", "--nocapture"]).await;
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{told}");
    assert!(told.contains("two reactions are called `receipts`: each needs a name of its own"), "{told}");
}
