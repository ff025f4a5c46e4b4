//! A Redis Cluster: several servers, each with some of the keys, and a map of who has which.
//!
//! Enters: a call, and the servers that the URL names. Leaves: the answer of the server that has the key. Promises: a key
//! that moved is followed; a server that is dead, silent, demoted or not ready costs the calls to its own keys alone, and is
//! left as soon as the others name its successor. Has no deadline: the caller cuts it off. The client's own cluster connection
//! is not used, for two faults that were measured: every call waits while it asks a silent server for the map; and it lets
//! other calls come between ASKING and the command after it. Of 1,000 calls for a slot that was half moved, 200 at once, it
//! did 3.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::call::{Call, To, Try};
use super::error::{RedisFault, fault};
use super::server::Server;
use super::slots::{Address, Slots, slot_of};
use super::url::Named;

/// Between two tries of a call that its server cannot do yet.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two looks at the map: while slots move, each call may find that it is old.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// How many servers are asked for the map at the same time: a silent one keeps nobody waiting.
const ASKED_AT_ONCE: usize = 4;
/// How often a key that moved is followed without a pause.
const MOVES: u32 = 3;

/// A cluster.
pub(super) struct Cluster {
    named: Named,
    longest_call: Duration,
    known: Mutex<Known>,
    is_looking: AtomicBool,
    looks: watch::Sender<Looks>,
}

#[derive(Default)]
struct Known {
    /// `None`: nobody was asked yet.
    slots: Option<Arc<Slots>>,
    /// The servers that a call went to.
    servers: HashMap<Address, Arc<Server>>,
}

/// The looks at the map so far.
#[derive(Clone, Default)]
struct Looks {
    count: u64,
    /// Why the last one showed nothing.
    failed: Option<RedisFault>,
}

/// What to do about an error.
enum Then {
    Follow(Address),
    Ask(Address),
    /// Not now. `true`: the connection is bad too.
    Wait(bool),
    GiveUp,
}

impl Cluster {
    pub(super) fn new(named: Named, longest_call: Duration) -> Self {
        let (known, is_looking, looks) = (Mutex::default(), AtomicBool::new(false), watch::Sender::default());
        Self { named, longest_call, known, is_looking, looks }
    }

    /// The answer of the server that has the key.
    pub(super) async fn send(self: &Arc<Self>, call: &Call<'_>, of: &mut Try) -> Result<Value, RedisFault> {
        let (mut moves, mut handed_over_to) = (0, None);
        loop {
            let asking = handed_over_to.is_some();
            let address = match (handed_over_to.take(), call.to) {
                (Some(address), _) => address,
                (None, To::Server(address)) => address.clone(),
                (None, To::Key(key)) => match self.owner(slot_of(key)).await? {
                    Some(address) => address,
                    None => {
                        of.heard = Some(RedisFault::Other("CLUSTERDOWN".to_owned()));
                        self.pause().await;
                        continue;
                    }
                },
            };
            let server = self.server(&address).map_err(|error| fault(&error))?;
            let error = match call.send(&server, asking, of).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match (then(&error, server.host()), call.to) {
                (Then::Follow(to), To::Key(key)) => {
                    of.heard = Some(fault(&error));
                    self.moved(slot_of(key), &to);
                    moves += 1;
                    if moves > MOVES {
                        self.pause().await;
                    }
                }
                (Then::Ask(to), To::Key(_)) => handed_over_to = Some(to),
                (Then::Wait(is_bad), To::Key(_)) => {
                    of.heard = Some(fault(&error));
                    if is_bad {
                        of.leaves();
                    }
                    self.pause().await;
                }
                (Then::Wait(true), To::Server(_)) => {
                    of.leaves();
                    return Err(fault(&error));
                }
                _ => return Err(fault(&error)),
            }
        }
    }

    /// The map as it is known now, or as soon as it is.
    pub(super) async fn slots(self: &Arc<Self>) -> Result<Arc<Slots>, RedisFault> {
        let known = self.known().slots.clone();
        match known {
            Some(slots) => Ok(slots),
            None => self.fresh_slots().await,
        }
    }

    /// The map, asked for now: an earlier answer does not count.
    pub(super) async fn fresh_slots(self: &Arc<Self>) -> Result<Arc<Slots>, RedisFault> {
        let mut looks = self.looks.subscribe();
        loop {
            self.look();
            // Right after a look no other begins. Then nothing comes, and this asks again.
            if matches!(timeout(PAUSE, looks.changed()).await, Ok(Ok(()))) {
                let failed = looks.borrow().failed.clone();
                let slots = self.known().slots.clone();
                match (failed, slots) {
                    (Some(why), _) => return Err(why),
                    (None, Some(slots)) => return Ok(slots),
                    (None, None) => {}
                }
            }
        }
    }

    /// Did nobody tell the map when it was last asked for? Then only the servers that the URL names are left.
    pub(super) fn is_lost(&self) -> bool {
        self.looks.borrow().failed.is_some()
    }

    /// Asks for the map, at most once in [`BETWEEN_LOOKS`]. In the background, so that a caller who gives up does not end it.
    pub(super) fn look(self: &Arc<Self>) {
        if self.is_looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let it = self.clone();
        tokio::spawn(async move {
            let found = it.ask_for_slots().await;
            let failed = found.map(|slots| it.learn(slots)).err();
            it.looks.send_modify(|looks| *looks = Looks { count: looks.count + 1, failed });
            sleep(BETWEEN_LOOKS).await;
            it.is_looking.store(false, Ordering::Release);
        });
    }

    async fn pause(self: &Arc<Self>) {
        self.look();
        sleep(PAUSE).await;
    }

    async fn owner(self: &Arc<Self>, slot: u16) -> Result<Option<Address>, RedisFault> {
        let known = self.known().slots.as_ref().map(|slots| slots.owner(slot).cloned());
        match known {
            Some(owner) => Ok(owner),
            None => Ok(self.fresh_slots().await?.owner(slot).cloned()),
        }
    }

    fn server(&self, address: &Address) -> RedisResult<Arc<Server>> {
        let mut known = self.known();
        if let Some(server) = known.servers.get(address) {
            return Ok(server.clone());
        }
        let unnamed = || RedisError::from((ErrorKind::InvalidClientConfig, "the URL names no server"));
        let place = self.named.at(address).ok_or_else(unnamed)?;
        let server = Arc::new(Server::new(place, self.longest_call)?);
        known.servers.insert(address.clone(), server.clone());
        Ok(server)
    }

    fn moved(self: &Arc<Self>, slot: u16, to: &Address) {
        if let Some(slots) = &mut self.known().slots {
            Arc::make_mut(slots).moved(slot, to);
        }
        self.look();
    }

    /// Connections to servers that have no slots any more are closed.
    fn learn(&self, slots: Slots) {
        let mut known = self.known();
        known.servers.retain(|address, _| slots.shards().iter().any(|shard| shard.master == *address));
        known.slots = Some(Arc::new(slots));
    }

    /// The first answer, whichever server gives it.
    async fn ask_for_slots(&self) -> Result<Slots, RedisFault> {
        let asking = |server: Arc<Server>| async move {
            let mut of = Try::default();
            let asked = timeout(self.longest_call, ask(&server, &mut of)).await;
            let silent = || Err(RedisFault::Other("no answer in time".to_owned()));
            let answer = asked.unwrap_or_else(|_| silent());
            if answer.is_err() {
                of.leaves();
            }
            answer
        };
        let mut answers = stream::iter(self.candidates()).map(asking).buffer_unordered(ASKED_AT_ONCE);
        let mut why = RedisFault::Other("no server to ask".to_owned());
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(slots) => return Ok(slots),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Who may know the map: those we talk to, then their replicas and those that the URL names; each time in another
    /// order.
    fn candidates(&self) -> Vec<Arc<Server>> {
        let known = self.known();
        let mut near: Vec<_> = known.servers.values().cloned().collect();
        let shards = known.slots.as_ref().map_or(&[][..], |slots| slots.shards());
        let others = shards.iter().flat_map(|shard| shard.replicas.iter().chain([&shard.master]));
        let others = others.filter(|address| !known.servers.contains_key(*address));
        let places = others.filter_map(|address| self.named.at(address)).chain(self.named.servers.iter().cloned());
        let mut far: Vec<_> =
            places.filter_map(|place| Server::new(place, self.longest_call).ok().map(Arc::new)).collect();
        fastrand::shuffle(&mut near);
        fastrand::shuffle(&mut far);
        near.append(&mut far);
        near
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is one step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(server: &Arc<Server>, of: &mut Try) -> Result<Slots, RedisFault> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    match Call::of_key("", command).send(server, false, of).await {
        Ok(answer) => {
            Slots::read(&answer, server.host()).ok_or_else(|| RedisFault::Other("a cluster without slots".to_owned()))
        }
        Err(error) if error.code() == Some("NOPERM") => Err(RedisFault::MapDenied),
        Err(error) => Err(fault(&error)),
    }
}

fn then(error: &RedisError, answered: &str) -> Then {
    let redirected = || error.redirect_node().and_then(|(to, _)| Address::read(to, answered));
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => redirected().map_or(Then::Wait(false), Then::Follow),
        ErrorKind::Server(ServerErrorKind::Ask) => redirected().map_or(Then::Wait(false), Then::Ask),
        ErrorKind::Server(
            ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown,
        ) => Then::Wait(false),
        ErrorKind::Server(ServerErrorKind::ReadOnly) | ErrorKind::Io => Then::Wait(true),
        _ => Then::GiveUp,
    }
}
