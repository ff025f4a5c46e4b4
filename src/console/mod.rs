//! The console: pages for whoever is on call, beside the commands and by the same functions.
//!
//! Enters: what the command opened ([`Parts`]) and a listener. Leaves: pages. Promises: who has no session sees no page; no
//! deed without `--write`, without the form that it belongs to, or from another site's page; no page holds a script or a
//! style of its own; foreign text is shown as text. Nothing of it runs in a worker. One page is one file, with its routes.

mod assets;
mod deeds;
mod depths;
mod door;
mod event;
mod findings;
mod form;
mod guard;
mod jobs;
mod letters;
mod mail;
mod names;
mod overview;
mod page;
mod pause;
mod record;
mod refusal;
mod retrying;
mod session;
mod spark;
mod visit;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;

use aws_config::SdkConfig;
use axum::Router;
use axum::middleware::from_fn_with_state;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::event::Outlet;
pub(crate) use self::findings::{Doctor, Finding};
pub(crate) use self::letters::Desk;
pub(crate) use self::mail::Mails;

use self::depths::Depths;
use self::jobs::Jobs;
use self::names::Names;
use self::session::Sessions;
use crate::audit::Audit;
use crate::config::Queues;
use crate::pauses::PauseMarks;
use crate::reactions::Reactions;
use crate::standing::Lookout;
use crate::telemetry::port;
use engine::idempotency::records::Records;
use engine::queue::sqs::admin::SqsAdmin;
use engine::redis_link::RedisLink;

/// What the command opened, and what it was told.
pub(crate) struct Parts {
    /// This program's name, for the commands that a page names.
    pub(crate) program: String,
    /// Who is on call: the name in each deed's line.
    pub(crate) who: String,
    pub(crate) rights: Rights,
    /// The address that is listened on, with its port.
    pub(crate) address: SocketAddr,
    /// The names by which a proxy's users reach it, by HTTPS.
    pub(crate) hosts: Vec<String>,
    /// `None`: the link that is printed lets in.
    pub(crate) password: Option<SecretString>,
    pub(crate) reactions: Arc<Reactions>,
    pub(crate) queues: Vec<Queues>,
    pub(crate) aws: SdkConfig,
    /// The dead letters of each reaction whose queue is set.
    pub(crate) letters: Vec<Arc<Desk>>,
    /// `None`: `REDIS_URL` is not set, and pages say so.
    pub(crate) redis: Option<RedisLink>,
    /// Workers whose `/readyz` is asked.
    pub(crate) workers: Vec<SocketAddr>,
    /// What is wrong with the mails' settings, if there is nothing to show.
    pub(crate) mails: Result<Mails, Vec<String>>,
    pub(crate) outlet: Option<Outlet>,
    pub(crate) doctor: Doctor,
}

/// What may be done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rights {
    /// Deeds at all.
    pub(crate) write: bool,
    /// Publishing an event.
    pub(crate) publish: bool,
}

/// All that pages share. A page has it as `visit.console`.
pub(crate) struct Console {
    pub(crate) program: String,
    pub(crate) who: String,
    pub(crate) rights: Rights,
    pub(crate) reactions: Arc<Reactions>,
    /// Of each reaction whose queue is set.
    pub(crate) queues: Vec<Queues>,
    pub(crate) admin: SqsAdmin,
    pub(crate) letters: Vec<Arc<Desk>>,
    pub(crate) redis: Option<Shelves>,
    /// Where deeds are told.
    pub(crate) audit: Audit,
    pub(crate) jobs: Jobs,
    pub(crate) lookout: Lookout,
    depths: Depths,
    workers: Vec<SocketAddr>,
    mails: Result<Mails, Vec<String>>,
    outlet: Option<Outlet>,
    doctor: Doctor,
    names: Names,
    sessions: Sessions,
}

/// What lies in Redis.
pub(crate) struct Shelves {
    pub(crate) marks: PauseMarks,
    pub(crate) records: Records,
}

type Shared = Arc<Console>;

impl Console {
    /// Opens the console. Makes no call.
    pub(crate) fn new(parts: Parts) -> Self {
        let shelves =
            |link: &RedisLink| Shelves { marks: PauseMarks::new(link.clone()), records: Records::new(link.clone()) };
        Self {
            names: Names::of(parts.address, &parts.hosts),
            sessions: Sessions::new(parts.address.port(), parts.password),
            admin: SqsAdmin::new(&parts.aws),
            redis: parts.redis.as_ref().map(shelves),
            lookout: Lookout::new(&parts.aws, parts.redis.clone()),
            depths: Depths::default(),
            audit: Audit::new(parts.redis),
            jobs: Jobs::default(),
            program: parts.program,
            who: parts.who,
            rights: parts.rights,
            reactions: parts.reactions,
            queues: parts.queues,
            letters: parts.letters,
            workers: parts.workers,
            mails: parts.mails,
            outlet: parts.outlet,
            doctor: parts.doctor,
        }
    }

    /// The address to open in a browser, with the token that lets in once; without one where a password does.
    pub(crate) fn link(&self) -> String {
        let token = self.sessions.token().map(|token| format!("?token={token}"));
        format!("{}/{}", self.names.origin(), token.unwrap_or_default())
    }
}

/// Serves on `listener` until `stop`, then until the jobs have stopped.
pub(crate) async fn serve(listener: TcpListener, console: Console, stop: CancellationToken) {
    let console = Arc::new(console);
    let _looks = AbortOnDropHandle::new(tokio::spawn(depths::follow(console.clone())));
    port::serve("the console", listener, router(console.clone()), stop).await;
    console.jobs.end().await;
}

/// Every page, behind the guard.
fn router(console: Shared) -> Router {
    let doors = door::routes().merge(assets::routes()).merge(jobs::routes());
    let shown = overview::routes().merge(retrying::routes()).merge(deeds::routes()).merge(findings::routes());
    let done = letters::routes().merge(pause::routes()).merge(record::routes()).merge(event::routes());
    let pages = shown.merge(done).merge(mail::routes());
    doors.merge(pages).fallback(refusal::nowhere).layer(from_fn_with_state(console, guard::guard))
}
