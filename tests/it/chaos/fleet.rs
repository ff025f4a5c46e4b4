//! The workers under attack: one slot each, with its own way to Redis and to the mail server.
//!
//! Enters: commands (kill, freeze, calm down). Leaves: every process that was, with its log, and each
//! kill and freeze in the history. Promises: a dead process is followed by the next at once; one frozen by a
//! failpoint is thawed after longer than its lease; the mails of a process name it as their sender.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::history::{History, What, Who};
use super::plan::{Side, long_stop};
use crate::world::processes::Worker;
use crate::world::proxy::Proxy;
use crate::world::redis_server;

#[derive(Debug, Clone, Copy)]
pub enum Command {
    Kill,
    Stop(Duration),
    /// From here on no failpoints; what runs ends in good order and is followed by a sound process.
    Calm,
}

/// A process that was.
pub struct Past {
    pub slot: usize,
    pub number: usize,
    /// None: a signal.
    pub code: Option<i32>,
    pub log: Vec<String>,
}

pub struct Slot {
    pub redis: Proxy,
    pub smtp: Proxy,
    commands: mpsc::UnboundedSender<Command>,
    running: JoinHandle<Vec<Past>>,
}

struct Supervisor {
    slot: usize,
    env: BTreeMap<String, String>,
    history: History,
    commands: mpsc::UnboundedReceiver<Command>,
    past: Vec<Past>,
}

/// How exactly a death or a freeze is timed.
const GLANCE: Duration = Duration::from_millis(50);

impl Slot {
    /// Starts the slot's first process in `env`, which lacks only what differs by slot.
    pub async fn start(
        slot: usize,
        mut env: BTreeMap<String, String>,
        (redis, smtp): (u16, u16),
        history: History,
    ) -> Self {
        let (redis, smtp) = tokio::join!(Proxy::start(redis), Proxy::start(smtp));
        smtp.set(Side::Smtp.as_usual());
        env.insert("REDIS_URL".to_owned(), redis_server::url(redis.port()));
        env.insert("SMTP_URL".to_owned(), format!("smtp://127.0.0.1:{}", smtp.port()));
        let (sender, commands) = mpsc::unbounded_channel();
        let supervisor = Supervisor { slot, env, history, commands, past: Vec::new() };
        Self { redis, smtp, commands: sender, running: tokio::spawn(supervisor.run()) }
    }

    pub fn tell(&self, command: Command) {
        self.commands.send(command).expect("the supervisor is there");
    }

    pub fn proxy(&self, side: Side) -> &Proxy {
        match side {
            Side::Redis => &self.redis,
            Side::Smtp => &self.smtp,
        }
    }

    /// Ends the last process in good order. Answers all that were.
    pub async fn end(self) -> Vec<Past> {
        drop(self.commands);
        self.running.await.expect("the supervisor ran without a panic")
    }
}

impl Supervisor {
    async fn run(mut self) -> Vec<Past> {
        for number in 1.. {
            self.env.insert("MAIL_FROM".to_owned(), format!("Welcome <{}>", sender(self.slot, number)));
            let mut worker = Worker::start(&self.env);
            let (code, is_last) = self.watch(&mut worker, number).await;
            self.past.push(Past { slot: self.slot, number, code, log: worker.log() });
            if is_last {
                break;
            }
        }
        self.past
    }

    /// Until the process's end. Answers its exit code, and whether no other is to follow.
    async fn watch(&mut self, worker: &mut Worker, number: usize) -> (Option<i32>, bool) {
        let who = Who::Process { slot: self.slot, number };
        let mut glances = interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut alive, mut planned, mut is_last) = (Instant::now(), false, false);
        // Told once: a second time it would leave at once, and a drain may outlast the calm.
        let mut is_told = false;
        loop {
            tokio::select! {
                code = worker.exit(Duration::from_secs(3600)) => {
                    if code.is_none() {
                        self.history.add(who, What::Kill { planned }, alive);
                    }
                    return (code, is_last);
                }
                command = self.commands.recv(), if !is_last => match command {
                    Some(Command::Kill) => {
                        planned = true;
                        worker.signal("KILL");
                    }
                    Some(Command::Stop(lasting)) => {
                        let from = Instant::now();
                        worker.signal("STOP");
                        self.thaw(worker, lasting, who, from, true).await;
                    }
                    Some(Command::Calm) => {
                        self.env.remove("FAILPOINTS");
                        if !std::mem::replace(&mut is_told, true) {
                            worker.signal("TERM");
                        }
                    }
                    None => {
                        is_last = true;
                        if !std::mem::replace(&mut is_told, true) {
                            worker.signal("TERM");
                        }
                    }
                },
                _ = glances.tick() => {
                    if is_stopped(worker) {
                        self.thaw(worker, long_stop(), who, alive, false).await;
                    }
                    alive = Instant::now();
                }
            }
        }
    }

    async fn thaw(&self, worker: &Worker, lasting: Duration, who: Who, from: Instant, planned: bool) {
        sleep(lasting).await;
        worker.signal("CONT");
        self.history.add(who, What::Stop { planned }, from);
    }
}

/// The envelope sender by which a mail names the process that sent it.
pub fn sender(slot: usize, number: usize) -> String {
    format!("s{slot}n{number}@acme.example")
}

/// Reads a [`sender`].
pub fn process(sender: &str) -> (usize, usize) {
    let parse = |text: &str| {
        let (slot, number) = text.strip_prefix('s')?.strip_suffix("@acme.example")?.split_once('n')?;
        Some((slot.parse().ok()?, number.parse().ok()?))
    };
    parse(sender).unwrap_or_else(|| panic!("not one of our senders: {sender}"))
}

fn is_stopped(worker: &Worker) -> bool {
    let stat = worker.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    // The state follows the name, which is in parentheses and may hold anything.
    stat.is_some_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}
