//! `SMTP_URL` becomes a server to connect to, or a fault that repeats none of it.
//!
//! Enters: the URL. Leaves: host, port, how TLS is used, and credentials. Promises: mail and password go
//! unencrypted to this machine only, unless told otherwise. Connects to nothing.

use std::fmt;
use std::net::IpAddr;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// A mail server and how to talk to it.
#[derive(Clone)]
pub struct SmtpSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
}

/// How TLS is used. The trusted roots are read once, here, not once a connection.
#[derive(Clone)]
pub(super) enum Tls {
    FromTheStart(TlsParameters),
    /// By STARTTLS, or no mail.
    Required(TlsParameters),
    Off,
}

impl SmtpSettings {
    /// Reads `smtps://user:pass@host:465`, `smtp://host:587?tls=required` or `smtp://localhost:1025`.
    /// Without TLS only a loopback host is taken, or any with `allow_plaintext`.
    ///
    /// # Errors
    /// What is wrong with it, without repeating any of it.
    pub fn parse(url: &SecretString, allow_plaintext: bool) -> Result<Self, &'static str> {
        let url = Url::parse(url.expose_secret()).map_err(|_| "is not a URL like smtps://user:password@host:465")?;
        let required = match url.query_pairs().collect::<Vec<_>>().as_slice() {
            [] => false,
            [(name, value)] if name == "tls" && value == "required" => true,
            _ => return Err("knows only the parameter tls=required"),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let parameters = || TlsParameters::new(host.clone()).map_err(|_| "cannot be used: no trusted roots for TLS");
        let (tls, port) = match (url.scheme(), required) {
            ("smtps", _) => (Tls::FromTheStart(parameters()?), 465),
            ("smtp", true) => (Tls::Required(parameters()?), 587),
            ("smtp", false) if allow_plaintext || is_loopback(&url) => (Tls::Off, 25),
            ("smtp", false) => {
                return Err("is not encrypted: use smtps:// or ?tls=required, or set SMTP_ALLOW_PLAINTEXT=true");
            }
            _ => return Err("must begin with smtp:// or smtps://"),
        };
        let decode = |text| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| "has a user or password that is not UTF-8")
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some(Credentials::new(decode(user)?, decode(password)?)),
            _ => return Err("needs both user and password, or neither"),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), tls, credentials })
    }
}

fn is_loopback(url: &Url) -> bool {
    // `smtp` is no scheme the URL standard knows, so its hosts arrive as opaque text.
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpSettings(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, allow: bool) -> Result<SmtpSettings, &'static str> {
        SmtpSettings::parse(&SecretString::from(url), allow)
    }

    #[test]
    fn plain_text_goes_to_loopback_only_unless_allowed() {
        for url in ["smtp://localhost:1025", "smtp://127.0.0.1:1025", "smtp://[::1]:1025"] {
            assert!(parse(url, false).is_ok(), "{url}");
        }
        assert!(parse("smtp://mail.example.com:25", false).is_err());
        assert!(parse("smtp://mail.example.com:25", true).is_ok());
        assert!(parse("smtp://mail.example.com:587?tls=required", false).is_ok());
        assert!(parse("smtps://u:p%40ss@mail.example.com", false).is_ok());
    }

    #[test]
    fn a_url_that_says_half_of_something_is_refused_without_repeating_it() {
        for url in ["smtps://u@h", "http://h", "smtp://h?tls=maybe", "smtps://", "hunter2", "smtps://u:%ff@h"] {
            let problem = parse(url, true).expect_err(url);
            assert!(!problem.contains("hunter2"));
        }
    }
}
