//! Tells the CRM of each new user, once: a whole reaction, with its own queue and every command, from outside the crate.

use std::process::ExitCode;

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::{config::Environment, idempotency::Fence, ops, reactions::Reactions};

struct CrmNotifier(Client<HttpConnector, Full<Bytes>>, String);

impl Handler for CrmNotifier {
    type Event = UserSignedUp;
    const NAME: &'static str = "crm";

    async fn handle(&self, event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let contact = serde_json::json!({ "id": event.user_id.as_str(), "email": event.email.as_str() });
        let request = Request::post(&self.1).header("idempotency-key", event.user_id.as_str());
        let request = request.header("content-type", "application/json").body(Full::from(contact.to_string()));
        let request = request.map_err(|error| HandlerError::Transient(error.to_string()))?;
        // Whatever cannot be taken back comes after this line.
        let crossing = fence.cross().await?;
        match self.0.request(request).await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Ok(Handled::done(crossing)),
            Ok(status) if [400, 410, 422].contains(&status.as_u16()) => Err(HandlerError::permanent("refused", status)),
            Ok(status) => Err(HandlerError::Transient(format!("the CRM answered {status}"))),
            Err(error) if error.is_connect() => Err(HandlerError::unavailable("crm", "no connection")),
            Err(error) => Err(HandlerError::OutcomeUnknown(error.to_string())),
        }
    }
}

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let url = environment.get("CRM_URL").map_or("http://127.0.0.1:3000/contacts", String::as_str).to_owned();
    ops::main(Reactions::new().with(CrmNotifier(Client::builder(TokioExecutor::new()).build_http(), url)))
}
