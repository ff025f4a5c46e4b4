//! The ledger in Redis: each step one script, so that deciding and writing are one moment.
//!
//! Enters: the port's calls. Leaves: the port's answers, read from the words that the scripts return. Promises: each
//! call ends within [`RedisLink`]'s deadline. The protocol is in the `.lua` files beside this one. Times are Redis's
//! own, so no worker's clock matters. Needs Redis 7 or newer (script flags).

use ::redis::Script;
use std::time::Duration;

use super::{
    Begin, COMMIT_RETRY_FOR, Claim, Lease, Ledger, LedgerError, MAX_EXPIRED_CLAIMS, Release, Request, Setbacks, Terms,
};
use crate::redis_link::{RedisError, RedisLink};

/// The ledger in Redis. Clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisLedger {
    link: RedisLink,
    scripts: std::sync::Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    claim: Script,
    begin: Script,
    renew: Script,
    commit: Script,
    release: Script,
}

impl RedisLedger {
    /// A ledger over this link. Makes no call.
    #[must_use]
    pub fn new(link: RedisLink) -> Self {
        let scripts = Scripts {
            claim: Script::new(include_str!("claim.lua")),
            begin: Script::new(include_str!("begin.lua")),
            renew: Script::new(include_str!("renew.lua")),
            commit: Script::new(include_str!("commit.lua")),
            release: Script::new(include_str!("release.lua")),
        };
        Self { link, scripts: std::sync::Arc::new(scripts) }
    }

    async fn run(&self, script: &Script, key: &str, args: &[&str]) -> Result<Vec<String>, LedgerError> {
        let answer = self.link.run(script, key, args).await?;
        match words(&answer)[..] {
            ["BROKEN", field] => Err(LedgerError::Broken(rule(field))),
            _ => Ok(answer),
        }
    }

    /// An answer that its script never gives. Its words are not logged: they may be a key, a value, an address.
    fn strange(&self, script: &str, answer: &[String]) -> LedgerError {
        let (at, words) = (self.link.at(), answer.len());
        LedgerError::Away(format!("redis at {at}: the script {script} gave an unexpected answer, {words} words"))
    }
}

impl Ledger for RedisLedger {
    const SERVER: &'static str = "redis";

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        let (lease, retention, sends) =
            (millis(terms.lease), millis(terms.retention), terms.on_ambiguous.max_sends().to_string());
        let failed_ago = request.ledger_failed_ago.map_or("-1".to_owned(), millis);
        let (message, takeovers, insists) =
            (request.message_id.as_str(), MAX_EXPIRED_CLAIMS.to_string(), millis(COMMIT_RETRY_FOR));
        let (fp, ff) = (request.fingerprint.exact(), request.fingerprint.folded());
        let args = [token, fp, ff, &lease, &retention, &sends, message, &failed_ago, &takeovers, &insists];
        let answer = self.run(&self.scripts.claim, request.key.as_str(), &args).await?;
        let lease = |generation: &str| {
            let generation = generation.parse().map_err(|_| self.strange("claim", &answer))?;
            Ok(Lease::new(request, token, generation))
        };
        match words(&answer)[..] {
            ["ACQUIRED", generation] => lease(generation).map(Claim::Acquired),
            ["AMBIGUOUS", generation] => lease(generation).map(Claim::Ambiguous),
            ["BUSY", left] => {
                left.parse().map(Duration::from_millis).map(Claim::Busy).map_err(|_| self.strange("claim", &answer))
            }
            ["DONE"] => Ok(Claim::Done),
            ["CONFLICT"] => Ok(Claim::Conflict),
            ["PARKED"] => Ok(Claim::Parked),
            ["KILLS"] => Ok(Claim::KillsItsWorker),
            _ => Err(self.strange("claim", &answer)),
        }
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        let args = [&lease.token, &lease.generation.to_string(), &millis(terms.lease)];
        let answer = self.run(&self.scripts.begin, lease.key.as_str(), &args.map(String::as_str)).await?;
        match words(&answer)[..] {
            ["GO"] => Ok(Begin::Go),
            ["DONE"] => Ok(Begin::Done),
            ["LOST"] => Ok(Begin::Lost),
            _ => Err(self.strange("begin", &answer)),
        }
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        let args = [&lease.token, &lease.generation.to_string(), &millis(terms.lease)];
        let answer = self.run(&self.scripts.renew, lease.key.as_str(), &args.map(String::as_str)).await?;
        match words(&answer)[..] {
            ["OK"] => Ok(true),
            ["LOST"] | ["DONE"] => Ok(false),
            _ => Err(self.strange("renew", &answer)),
        }
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        let (generation, retention) = (lease.generation.to_string(), millis(terms.retention));
        let (fp, ff) = (lease.fingerprint.exact(), lease.fingerprint.folded());
        let args = [lease.token.as_str(), &generation, fp, ff, receipt, &retention];
        let answer = self.run(&self.scripts.commit, lease.key.as_str(), &args).await?;
        match words(&answer)[..] {
            ["OK"] => Ok(()),
            [answer @ ("STOLEN" | "DUPLICATE")] => {
                tracing::warn!(answer, "another delivery held the lease at commit");
                Ok(())
            }
            _ => Err(self.strange("commit", &answer)),
        }
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        let (why, message_id, outcome) = match why {
            Release::Uncounted => ("", "", ""),
            Release::Failed { message_id, outcome } => ("failed", message_id, outcome),
            Release::Unknown { message_id, outcome } => ("unknown", message_id, outcome),
            Release::Deferred { message_id } => ("deferred", message_id, ""),
        };
        let args = [lease.token.as_str(), &lease.generation.to_string(), why, message_id, outcome];
        let answer = self.run(&self.scripts.release, lease.key.as_str(), &args).await?;
        let number = |text: &str| text.parse().map_err(|_| self.strange("release", &answer));
        match words(&answer)[..] {
            ["OK", failures, history, deferrals, deferred_for] => Ok(Setbacks {
                failures: number(failures)?,
                history: history.to_owned(),
                deferrals: number(deferrals)?,
                deferred_for: deferred_for
                    .parse()
                    .map(Duration::from_millis)
                    .map_err(|_| self.strange("release", &answer))?,
            }),
            ["OK"] | ["LOST"] => Ok(Setbacks::default()),
            _ => Err(self.strange("release", &answer)),
        }
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(self.link.ping().await?)
    }
}

impl From<RedisError> for LedgerError {
    fn from(error: RedisError) -> Self {
        if error.is_wrong_type() { Self::Broken(NO_HASH) } else { Self::Away(error.to_string()) }
    }
}

/// The rule that a key breaks if it holds something else.
pub(super) const NO_HASH: &str = "its key holds no hash";

/// The rule that a record breaks, by the field that the scripts name.
pub(super) fn rule(field: &str) -> &'static str {
    match field {
        "type" => NO_HASH,
        "st" => "its field st is no state",
        "gen" => "its field gen is no number",
        "att" => "its field att is no number",
        "dl" => "its field dl is no number",
        "fh" => "its field fh is no history",
        _ => "a count of its is no number",
    }
}

fn words(answer: &[String]) -> Vec<&str> {
    answer.iter().map(String::as_str).collect()
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}
