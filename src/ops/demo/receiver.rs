//! The service behind the demo's webhook, as a team would have one: in any language, on a port of its own.
//!
//! Enters: HTTP on loopback. Leaves: the number of calls for each user. Promises: only a call whose signature is right counts, and
//! it is verified here, by the rule of Standard Webhooks alone; any other call is refused.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::webhook::{SigningKey, Target, WebhookSettings};

/// A signature is as old as this at most, in seconds: a call that somebody recorded cannot be repeated for ever.
const OLDEST: u64 = 300;

/// The running service. Ends when dropped.
pub(super) struct Receiver {
    settings: WebhookSettings,
    taken: Arc<Taken>,
    _serving: AbortOnDropHandle<()>,
}

struct Taken {
    secret: Vec<u8>,
    /// By user.
    calls: Mutex<HashMap<String, usize>>,
}

impl Receiver {
    /// Starts it on a free port, with a secret that is new each time.
    ///
    /// # Errors
    /// It cannot listen.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/hooks/user-events", listener.local_addr()?);
        let secret = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes).concat();
        let settings = WebhookSettings {
            target: Target::parse(&url, true).map_err(io::Error::other)?,
            probe: None,
            keys: vec![
                SigningKey::parse(&format!("whsec_{}", BASE64.encode(&secret)).into()).map_err(io::Error::other)?,
            ],
            headers: HeaderMap::new(),
        };
        let taken = Arc::new(Taken { secret, calls: Mutex::default() });
        let _serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, taken.clone())));
        Ok(Self { settings, taken, _serving })
    }

    /// How it is called.
    pub(super) fn settings(&self) -> WebhookSettings {
        self.settings.clone()
    }

    /// Calls taken so far, by user, with repeats.
    pub(super) fn calls(&self) -> HashMap<String, usize> {
        self.taken.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, taken: Arc<Taken>) {
    while let Ok((stream, _)) = listener.accept().await {
        let taken = taken.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| async {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let mut answer = Response::new(Empty::<Bytes>::new());
                *answer.status_mut() = taken.take(&head.headers, &body);
                Ok::<_, hyper::Error>(answer)
            });
            // A caller that leaves has no answer to get.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl Taken {
    fn take(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        if !self.is_signed(headers, body) {
            return StatusCode::UNAUTHORIZED;
        }
        let Ok(event) = serde_json::from_slice::<Value>(body) else { return StatusCode::BAD_REQUEST };
        let user = event["userId"].as_str().unwrap_or_default().to_owned();
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(user).or_default() += 1;
        StatusCode::NO_CONTENT
    }

    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (id, signed_at) = (header("webhook-id"), header("webhook-timestamp"));
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let is_fresh = signed_at.parse().is_ok_and(|signed_at: u64| now.abs_diff(signed_at) <= OLDEST);
        let is_ours = |signature: &str| {
            let signature = signature.strip_prefix("v1,").and_then(|text| BASE64.decode(text.as_bytes()).ok());
            let hmac = Hmac::<Sha256>::new_from_slice(&self.secret);
            let (Some(signature), Ok(mut hmac)) = (signature, hmac) else { return false };
            for part in [id.as_bytes(), b".", signed_at.as_bytes(), b".", body] {
                hmac.update(part);
            }
            hmac.verify_slice(&signature).is_ok()
        };
        is_fresh && header("webhook-signature").split(' ').any(is_ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a signature by another secret before the right one, as while a secret is changed.
    fn signed(at: u64, body: &[u8]) -> (Taken, HeaderMap) {
        let secret = b"a secret of 32 bytes, as it goes".to_vec();
        let mut hmac = Hmac::<Sha256>::new_from_slice(&secret).expect("a key");
        hmac.update(format!("e-1.{at}.").as_bytes());
        hmac.update(body);
        let signature = format!("v1,b3RoZXI= v1,{}", BASE64.encode(&hmac.finalize().into_bytes()));
        let pairs = [("webhook-id", "e-1"), ("webhook-timestamp", &at.to_string()), ("webhook-signature", &signature)];
        let headers = pairs.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        (Taken { secret, calls: Mutex::default() }, HeaderMap::from_iter(headers))
    }

    #[test]
    fn a_call_counts_if_its_signature_is_right_and_fresh_and_no_other_does() {
        let (now, body) = (SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs(), br#"{"userId":"7"}"#);
        let (taken, headers) = signed(now, body);
        assert_eq!(taken.take(&headers, body), StatusCode::NO_CONTENT);
        assert_eq!(taken.take(&headers, br#"{"userId":"8"}"#), StatusCode::UNAUTHORIZED, "another body");
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut others = headers.clone();
            others.remove(name);
            assert_eq!(taken.take(&others, body), StatusCode::UNAUTHORIZED, "without {name}");
        }
        let (old, headers) = signed(now - OLDEST - 60, body);
        assert_eq!(old.take(&headers, body), StatusCode::UNAUTHORIZED, "old");
        assert_eq!(*taken.calls.lock().expect("calls"), HashMap::from([("7".to_owned(), 1)]));
    }
}
