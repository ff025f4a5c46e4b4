//! What a team says of its service: where it is, what requests to it are signed with, and which events it takes.
//!
//! Enters: texts of variables. Leaves: values, or the rule that one breaks, which repeats nothing of it. Promises: an
//! event goes unencrypted to loopback and private places only, and only where that was allowed. Connects to nothing.

use std::fmt;
use std::net::IpAddr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::sign::SigningKey;
use crate::tls::Trust;

/// How a service is called.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where events go.
    pub target: Target,
    /// The URL that is asked whether the service is there. `None`: a connection is proof enough.
    pub probe: Option<Target>,
    /// What requests are signed with: the secret, and the one before it while that is changed.
    pub keys: Vec<SigningKey>,
    /// Headers of a team's own. Secret.
    pub headers: HeaderMap,
}

/// A URL that is called.
#[derive(Clone)]
pub struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None`: unencrypted.
    pub(super) trust: Option<Trust>,
    pub(super) url: Url,
}

/// The preferred one first.
pub(super) const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// Headers that we or HTTP itself set: a second one would say something else.
const OURS: [&str; 16] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
];

impl Target {
    /// Reads `https://crm.internal/hooks/user-events`.
    ///
    /// # Errors
    /// What is wrong with it. `<NAME>` stands for the prefix of the reaction's variables.
    pub fn parse(text: &str, allow_plaintext: bool) -> Result<Self, &'static str> {
        const RULE: &str = "must be a URL like https://crm.internal/hooks/user-events";
        let url = Url::parse(text).map_err(|_| RULE)?;
        let (Some(named), Some(port)) = (url.host(), url.port_or_known_default()) else { return Err(RULE) };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must be a URL without user and password: a header of <NAME>_WEBHOOK_HEADERS can hold them");
        }
        if url.fragment().is_some() {
            return Err("must be a URL without `#`");
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let trust = match url.scheme() {
            "https" => Some(Trust::in_host(&host, &PROTOCOLS)?),
            "http" if !is_private(&named) => {
                return Err("is not encrypted: http:// goes to loopback and private places alone, so use https://");
            }
            "http" if !allow_plaintext => {
                return Err("is not encrypted: use https://, or set <NAME>_WEBHOOK_ALLOW_PLAINTEXT=true");
            }
            "http" => None,
            _ => return Err(RULE),
        };
        Ok(Self { host, port, trust, url })
    }

    /// Do events leave this machine unencrypted?
    pub(crate) fn leaves_unencrypted(&self) -> bool {
        self.trust.is_none() && self.url.host().is_some_and(|host| !is_loopback(&host))
    }

    /// Path and query.
    pub(super) fn path(&self) -> &str {
        &self.url[url::Position::BeforePath..]
    }

    /// Host and port, as HTTP names them.
    pub(super) fn authority(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }
}

/// A place that only this machine or its own network can reach.
fn is_private(host: &Host<&str>) -> bool {
    match host {
        here if is_loopback(here) => true,
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            // A name without a dot is one of the own network: a container's, a service's of Kubernetes.
            let ends = [".internal", ".local", ".lan", ".home.arpa", ".svc"];
            !name.contains('.') || ends.iter().any(|end| name.ends_with(end))
        }
        Host::Ipv4(ip) => ip.is_private(),
        Host::Ipv6(ip) => match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_private(),
            IpAddr::V6(ip) => ip.is_unique_local(),
        },
    }
}

/// This machine.
fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.to_canonical().is_loopback(),
    }
}

/// Reads `Name: value`, one a line.
///
/// # Errors
/// The rule that is broken.
pub fn headers(text: &SecretString) -> Result<HeaderMap, &'static str> {
    const FORM: &str = "must be headers like `Authorization: Bearer …`, one a line";
    let mut headers = HeaderMap::new();
    for line in text.expose_secret().lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').ok_or(FORM)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| FORM)?;
        let mut value = HeaderValue::try_from(value.trim()).map_err(|_| FORM)?;
        if value.is_empty() || value.to_str().is_err() {
            return Err(FORM);
        }
        if name == "webhook-signature" || OURS.contains(&name.as_str()) {
            return Err("must not name a header that every request has already");
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Reads the types of event that are passed on: `order.paid, order.shipped`.
///
/// # Errors
/// The rule that is broken.
pub(crate) fn event_types(text: &str) -> Result<Vec<String>, &'static str> {
    let is_type = |kind: &&str| !kind.is_empty() && kind.len() <= 256 && kind.bytes().all(|b| b.is_ascii_graphic());
    let types: Vec<_> = text.split(',').map(str::trim).collect();
    match types.iter().all(is_type) {
        true => Ok(types.into_iter().map(str::to_owned).collect()),
        false => Err("must be types like order.paid, with a comma between two"),
    }
}

/// Reads what calls are made single by: `event` (`None`), or the name of a field.
///
/// # Errors
/// The rule that is broken.
pub(crate) fn once(text: &str) -> Result<Option<String>, &'static str> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    match text {
        "event" => Ok(None),
        field if field.len() <= 64 && field.chars().all(is_name) => Ok(Some(field.to_owned())),
        _ => Err("must be `event`, or the name of a field like userId"),
    }
}

/// Shows no query, which may hold a secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_unencrypted_to_private_places_alone_and_only_where_that_is_allowed() {
        let hosts =
            ["localhost:3000", "127.0.0.1", "10.1.2.3", "192.168.0.9", "[::1]:80", "[fd00::1]", "crm", "crm.internal"];
        for private in hosts.into_iter().chain(["crm.prod.svc.cluster.local", "[::ffff:127.0.0.1]"]) {
            let url = format!("http://{private}/hook");
            assert!(Target::parse(&url, true).is_ok(), "{url}");
            let fault = Target::parse(&url, false).expect_err(&url);
            assert!(fault.contains("WEBHOOK_ALLOW_PLAINTEXT"), "{fault}");
        }
        for public in ["crm.example.com", "93.184.216.34", "169.254.169.254", "172.32.0.1", "[2606:4700::1]", "0.0.0.0"]
        {
            let fault = Target::parse(&format!("http://{public}/hook"), true).expect_err(public);
            assert!(fault.contains("use https://"), "{fault}");
        }
    }

    #[test]
    fn what_leaves_this_machine_unencrypted_is_known() {
        let leaves = |url: &str| Target::parse(url, true).expect(url).leaves_unencrypted();
        for place in ["localhost:3000", "crm.localhost", "127.0.0.1", "[::1]:80", "[::ffff:127.0.0.1]"] {
            assert!(!leaves(&format!("http://{place}/hook")), "{place}");
        }
        assert!(["crm", "crm.internal", "10.1.2.3", "[fd00::1]"].iter().all(|host| leaves(&format!("http://{host}"))));
        assert!(!leaves("https://crm.internal"));
    }

    #[test]
    fn a_url_has_a_host_and_no_user_and_is_called_by_its_path_and_query() {
        let target = Target::parse("https://CRM.example.com/hooks/user-events?v=1", false).expect("a target");
        assert_eq!((target.authority(), target.path()), ("crm.example.com", "/hooks/user-events?v=1"));
        assert_eq!((target.host.as_str(), target.port), ("crm.example.com", 443));
        let target = Target::parse("http://[::1]:3000", true).expect("a target");
        assert_eq!((target.authority(), target.path(), target.host.as_str()), ("[::1]:3000", "/", "::1"));
        for bad in
            ["crm.example.com", "ftp://h/x", "https://user:hunter2@h/x", "https://hunter2@h/", "https://h/#x", ""]
        {
            let fault = Target::parse(bad, true).map(drop).expect_err(bad);
            assert!(!fault.contains("hunter2"), "{fault}");
        }
        assert_eq!(format!("{target:?}"), "Target(::1:3000)");
    }

    #[test]
    fn headers_are_read_one_a_line_kept_secret_and_none_is_ours() {
        let read = |text: &str| headers(&text.to_owned().into());
        let two = read("Authorization: Bearer hunter2\n\n X-Team : crm ").expect("headers");
        assert_eq!((two.len(), two["x-team"].as_bytes()), (2, &b"crm"[..]));
        assert!(!format!("{two:?}").contains("hunter2"), "{two:?}");
        for bad in [
            "X-Team",
            "X Team: a",
            ": a",
            "X-Team:",
            "X-A: a\u{7}",
            "X-A: ä",
            "Host: h",
            "webhook-ID: 1",
            "Webhook-Signature: v1,x",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn types_and_a_field_are_read_or_their_rule_is_named() {
        assert_eq!(
            event_types("order.paid , order.shipped"),
            Ok(vec!["order.paid".to_owned(), "order.shipped".to_owned()])
        );
        assert!(["a,,b", ",", "a b"].iter().all(|bad| event_types(bad).is_err()));
        assert_eq!((once("event"), once("userId")), (Ok(None), Ok(Some("userId".to_owned()))));
        assert!(["a b", "a.b", "$.x"].iter().all(|bad| once(bad).is_err()));
    }
}
