//! The console in a browser, as whoever is on call meets it. One file a page.
//!
//! Enters: queues of the test's own, and `user-events console` on them. Leaves: what is seen, and what came of each deed.

mod letters;
mod overview;
mod pages;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::world::browser::Browser;
use crate::world::processes::{Worker, environment};
use crate::world::{TestQueue, World};

const SOON: Duration = Duration::from_secs(30);

/// The environment of a console on these queues, by the reactions' names.
fn on(world: &World, queues: &[(&str, &TestQueue)]) -> BTreeMap<String, String> {
    let mut env = environment(world, "smtp://127.0.0.1:1");
    let urls = queues.iter().map(|(name, queue)| (format!("{}_QUEUE_URL", name.to_uppercase()), queue.url.clone()));
    env.extend(urls);
    env.insert("REDIS_PREFIX".to_owned(), format!("{}:", world.id));
    env
}

/// A console, and a browser that it has let in. Whatever it is told, it listens where nobody else does.
async fn console(env: &BTreeMap<String, String>, arguments: &[&str]) -> (Worker, Browser) {
    let listens = ["console", "--listen", "127.0.0.1:0", "--as", "maria"];
    let mut console = Worker::of(env, &[&listens[..], arguments].concat());
    let link = console.prints(1, SOON).await.remove(0);
    (console, Browser::start(&link).await)
}

/// The browser had nothing to complain of, and the console ends well.
async fn end((console, browser): (Worker, Browser)) {
    browser.close().await;
    assert_eq!(console.terminate().await, Some(0));
}
