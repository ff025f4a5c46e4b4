//! `console`: pages for whoever is on call, until it is told to stop.
//!
//! Enters: the queues, and what else is configured. Leaves: a link on standard output, then pages. Promises: it listens on
//! loopback, unless a password keeps others out. What only some pages need may be missing: they say so.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::witness::who;
use super::{CommandResult, Context, Exit, complain, configured, doctor, fail_with, heard, linked, say};
use crate::cli::Console as Arguments;
use crate::config::{self, Environment, SettingsReader};
use crate::console::{self, Console, Desk, Doctor, Mails, Outlet, Parts, Rights};
use crate::plain;
use crate::reactions::Reactions;
use crate::shutdown;
use engine::publisher::Publisher;
use engine::topic::sns::SnsTopic;

pub(super) async fn console(context: Context<'_>, told: Arguments) -> CommandResult {
    let read = |read: &mut SettingsReader<'_>| {
        let queues = config::queues(read, &context.reactions.needs(), &[]);
        let topics = config::topics_of(read, &context.reactions.needs());
        let redis = (config::redis_if_set(read), config::redis_prefix(read));
        let topic = if told.allow_publish { config::publish(read) } else { None };
        let (aws, own) = (config::aws(read), config::console(read, told.listen));
        Some((queues?, topics, redis, topic, aws, own?))
    };
    let (queues, topics, (redis, prefix), topic, aws, own) = configured(&context, read)?;
    let who = who(&context, &told.by);
    let redis = redis.map(|url| linked(&url, &prefix)).transpose()?;
    let aws = super::aws(&aws).await?;
    let desks = queues.iter().map(|queues| {
        let event_type = context.reactions.event_type(queues.name);
        let topics = topics.get(queues.name).cloned().unwrap_or_default();
        Desk::new(aws.clone(), queues.clone(), event_type, topics)
    });
    let letters = desks.collect();
    let listener = listen(told.listen).await?;
    let address = listener.local_addr().map_err(|error| fail_with(Exit::Unavailable)(plain::said(&error)))?;
    let (reactions, program) = (Arc::new(context.reactions), context.program.to_owned());
    let console = Console::new(Parts {
        who,
        rights: Rights { write: told.write, publish: told.allow_publish },
        address,
        hosts: own.hosts,
        password: own.password,
        queues,
        letters,
        redis,
        workers: own.workers,
        mails: mails(context.environment),
        outlet: topic.map(|arn| outlet(&aws, arn)),
        doctor: examination(context.environment, &reactions, &program),
        aws,
        reactions,
        program,
    });
    let stop = heard(shutdown::on_interrupt())?;
    let mode = if told.write { "it may do what commands do" } else { "read-only; --write lets it do what commands do" };
    say(format_args!("{}\nlistening on {address}; {mode}; Ctrl-C ends it", console.link()));
    console::serve(listener, console, stop).await;
    Ok(Exit::Clean)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Exit> {
    TcpListener::bind(address).await.map_err(|error| {
        complain(format_args!("--listen {address} is not possible: {}", plain::said(&error)));
        Exit::Unavailable
    })
}

/// The mails as `render` shows them; or every mistake of their settings.
fn mails(environment: &Environment) -> Result<Mails, Vec<String>> {
    let mut read = SettingsReader::new(environment);
    let sender = config::sender(&mut read).or_else(config::nobody);
    let composer = sender.and_then(|sender| config::composer(&mut read, sender));
    let examples = config::mail_examples(&mut read);
    let mails = composer.map(|composer| Mails { composer, examples });
    read.finish(mails).map_err(|mistakes| mistakes.lines())
}

fn outlet(aws: &SdkConfig, arn: String) -> Outlet {
    let topic = arn.rsplit(':').next().unwrap_or(&arn).to_owned();
    Outlet { topic, publisher: Publisher::new(SnsTopic::new(aws, arn)) }
}

fn examination(environment: &Environment, reactions: &Arc<Reactions>, program: &str) -> Doctor {
    let (environment, reactions, program) = (environment.clone(), reactions.clone(), program.to_owned());
    let all = Arc::new((environment, reactions, program));
    Box::new(move || {
        let (all, runtime) = (all.clone(), Handle::current());
        // On a thread of its own: what the doctor waits for may not move between threads.
        let found = spawn_blocking(move || runtime.block_on(doctor::findings(&all.0, &all.1, &all.2)));
        Box::pin(async move { found.await.unwrap_or_else(|_| Err(vec!["the doctor broke off".to_owned()])) })
    })
}
