//! ECS task scale-in protection: while it lasts, ECS does not stop this task to scale the service in.
//!
//! Enters: how many deliveries are being handled. Leaves: calls to ECS's agent; "take nothing more" when ECS
//! refuses. Promises: the task is protected while work is in flight, for ten minutes at a time, and gives the
//! protection up once idle. If the agent does not answer, only the protection is lost. Knows no queue, no message.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use engine::worker::Duty;

/// One protection lasts 10 min. It limits how long a hung process keeps its protection.
const EXPIRES: Duration = Duration::from_secs(600);
/// Time between two renewals: half of [`EXPIRES`].
const RENEW: Duration = Duration::from_secs(300);
/// The task gives the protection up after this much idle time. At once would be a call for each message.
const IDLE: Duration = Duration::from_secs(10);
/// Pause before asking again after a refusal.
const RETRY: Duration = Duration::from_secs(30);
/// Time limit of one call. It is short because the agent runs on this machine.
const CALL: Duration = Duration::from_secs(5);

/// Where the agent takes the state of protection.
const STATE: &str = "/task-protection/v1/state";

/// The agent that ECS runs beside a task.
#[derive(Debug, Clone)]
pub struct Agent {
    uri: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// ECS's answer to a request for protection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// Done: the task is protected, or no longer protected, as asked.
    Granted,
    /// The task is not protected, and ECS may stop it soon: take nothing more. Holds ECS's reason.
    Refused(String),
    /// This task belongs to no ECS service, so nothing scales it in.
    NotInAService,
}

/// The agent gave no usable answer. Holds the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer(String);

#[derive(Deserialize)]
struct AgentResponse {
    failure: Option<AgentFailure>,
    error: Option<AgentError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentFailure {
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentError {
    code: String,
}

/// Keeps this task protected while `duty` has work; runs until dropped.
pub async fn protect(agent: Agent, duty: Duty) {
    let mut running = duty.running();
    loop {
        at_work(&mut running).await;
        match hold(&agent, &duty).await {
            Ok(Protection::NotInAService) => return info!("this task belongs to no service: it needs no protection"),
            Ok(_) => {}
            Err(error) => warn!(%error, "not protected from scale-in; going on"),
        }
        while timeout(RENEW, idle(&mut running)).await.is_err() {
            if let Err(error) = hold(&agent, &duty).await {
                warn!(%error, "the protection from scale-in was not renewed; going on");
            }
        }
        if let Err(error) = agent.set(false).await {
            warn!(%error, "the protection from scale-in stays until it expires");
        }
    }
}

/// Asks for protection. While ECS refuses, the task takes nothing and asks again every [`RETRY`].
async fn hold(agent: &Agent, duty: &Duty) -> Result<Protection, NoAnswer> {
    loop {
        match agent.set(true).await {
            Ok(Protection::Refused(reason)) => {
                warn!(reason, "ECS refuses to protect this task: it takes nothing more and finishes what runs");
                duty.may_take(false);
                sleep(RETRY).await;
            }
            answer => {
                duty.may_take(true);
                return answer;
            }
        }
    }
}

async fn at_work(running: &mut watch::Receiver<usize>) {
    // Cannot fail: the sender lives in the duty, and the caller holds that.
    let _ = running.wait_for(|running| *running > 0).await;
}

/// Waits until nothing has run for [`IDLE`].
async fn idle(running: &mut watch::Receiver<usize>) {
    loop {
        let _ = running.wait_for(|running| *running == 0).await;
        if timeout(IDLE, at_work(running)).await.is_err() {
            return;
        }
    }
}

impl Agent {
    /// The agent at `ECS_AGENT_URI`. `None`: `uri` is no `http` URL with a host.
    #[must_use]
    pub fn new(uri: &str) -> Option<Self> {
        let is_http = url::Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && url.has_host());
        let client = Client::builder(TokioExecutor::new()).build_http();
        is_http.then(|| Self { uri: format!("{}{STATE}", uri.trim_end_matches('/')), client })
    }

    /// The task's id: Fargate begins the last part of the URI with it. `None`: it does not stand there.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        let last = self.uri.strip_suffix(STATE)?.rsplit('/').next()?;
        last.split('-').next().filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// `true` protects this task for ten minutes; `false` ends the protection.
    ///
    /// # Errors
    /// [`NoAnswer`]: it is not known whether the task is protected.
    pub async fn set(&self, protected: bool) -> Result<Protection, NoAnswer> {
        let body = if protected {
            serde_json::json!({ "ProtectionEnabled": true, "ExpiresInMinutes": EXPIRES.as_secs() / 60 })
        } else {
            serde_json::json!({ "ProtectionEnabled": false })
        };
        let request = Request::builder().method(Method::PUT).uri(&self.uri).header("content-type", "application/json");
        let request = request.body(Full::from(body.to_string())).map_err(|_| NoAnswer("no URL".to_owned()))?;
        let ask = async {
            let answer = self.client.request(request).await.map_err(|_| NoAnswer("no connection".to_owned()))?;
            let body = answer.into_body().collect().await.map_err(|_| NoAnswer("torn".to_owned()))?;
            read(&body.to_bytes())
        };
        timeout(CALL, ask).await.unwrap_or_else(|_| Err(NoAnswer("timeout".to_owned())))
    }
}

fn read(body: &[u8]) -> Result<Protection, NoAnswer> {
    let reply: AgentResponse = serde_json::from_slice(body).map_err(|_| NoAnswer("no JSON".to_owned()))?;
    match reply {
        AgentResponse { failure: Some(failure), .. } if failure.reason == "TASK_NOT_VALID" => {
            Ok(Protection::NotInAService)
        }
        AgentResponse { failure: Some(failure), .. } => Ok(Protection::Refused(failure.reason)),
        AgentResponse { error: Some(error), .. } => Err(NoAnswer(error.code)),
        AgentResponse { .. } => Ok(Protection::Granted),
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ECS's agent: {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_id_is_read_where_fargate_writes_it() {
        let id = "46fe8e2ab4fd4c6eb9c0a8e8a4e2ea8b";
        let fargate = Agent::new(&format!("http://169.254.170.2/api/{id}-1234567/")).expect("a URI");
        assert_eq!(fargate.task(), Some(id));
        assert_eq!(Agent::new("http://169.254.170.2/api/8d2b1c").expect("a URI").task(), None);
    }

    #[test]
    fn each_answer_of_the_agent_is_read_for_what_it_is() {
        let granted =
            br#"{"protection":{"ExpirationDate":"2026-01-02T03:04:05Z","ProtectionEnabled":true,"TaskArn":"arn"}}"#;
        let refused = br#"{"failure":{"Arn":"arn","Detail":null,"Reason":"DEPLOYMENT_BLOCKED"}}"#;
        let standalone = br#"{"failure":{"Arn":"arn","Detail":null,"Reason":"TASK_NOT_VALID"}}"#;
        let denied = br#"{"error":{"Arn":"arn","Code":"AccessDeniedException","Message":"not you"},"requestID":"id"}"#;
        assert_eq!(read(granted), Ok(Protection::Granted));
        assert_eq!(read(refused), Ok(Protection::Refused("DEPLOYMENT_BLOCKED".to_owned())));
        assert_eq!(read(standalone), Ok(Protection::NotInAService));
        assert_eq!(read(denied), Err(NoAnswer("AccessDeniedException".to_owned())));
        assert_eq!(read(b"<html>"), Err(NoAnswer("no JSON".to_owned())));
    }

    #[test]
    fn an_agent_is_an_http_url() {
        assert!(Agent::new("http://169.254.170.2/api/0a1b-123").is_some());
        assert!(["", "169.254.170.2", "ftp://x/", "http:"].iter().all(|uri| Agent::new(uri).is_none()));
    }
}
