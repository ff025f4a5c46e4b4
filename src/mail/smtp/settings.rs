//! Reads `SMTP_URL` into a server to connect to, or into a fault that repeats nothing of the URL.
//!
//! Enters: the URL, and the other settings of the conversation. Leaves: host, port, how TLS is used, credentials, the
//! name we greet with, the longest wait. Promises: mail and password go unencrypted only to this machine, unless
//! `allow_plaintext` is set. Connects to nothing.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::tls::Trust;

/// A mail server and how to talk to it.
#[derive(Clone)]
pub struct SmtpSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
    /// The name we greet with. `None`: the host's name, or its address.
    pub(super) helo: Option<String>,
    /// The longest wait for any reply.
    pub(super) longest_wait: Duration,
}

/// How we log in to the server.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: String,
    /// A password, or a token of OAuth 2.
    pub(super) secret: SecretString,
    pub(super) is_token: bool,
}

/// How TLS is used. The trusted roots are read once with the settings, not for each connection.
#[derive(Clone)]
pub(super) enum Tls {
    FromTheStart(Trust),
    /// By STARTTLS. A server without it gets no mail.
    Required(Trust),
    Off,
}

impl SmtpSettings {
    /// 10 min: RFC 5321 4.5.3.2.6 says how long a client waits for the reply to the final dot. A shorter wait makes
    /// duplicates.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(600);

    /// Reads `smtps://user:pass@host:465`, `smtp://host:587?tls=required` or `smtp://localhost:1025`. With
    /// `auth=xoauth2` the password is a token. Without TLS it accepts only a loopback host, unless `allow_plaintext`.
    ///
    /// # Errors
    /// What is wrong with the URL, without repeating any of it.
    pub fn parse(url: &SecretString, allow_plaintext: bool) -> Result<Self, &'static str> {
        let url = Url::parse(url.expose_secret()).map_err(|_| "is not a URL like smtps://user:password@host:465")?;
        let (mut required, mut is_token) = (false, false);
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", "required") => required = true,
                ("auth", "xoauth2") => is_token = true,
                _ => return Err("knows only the parameters tls=required and auth=xoauth2"),
            }
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let (tls, port) = match (url.scheme(), required) {
            ("smtps", _) => (Tls::FromTheStart(Trust::in_host(&host, &[])?), 465),
            ("smtp", true) => (Tls::Required(Trust::in_host(&host, &[])?), 587),
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
            ("", None) if is_token => return Err("needs a user, and its token as password, for auth=xoauth2"),
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some(Credentials { user: decode(user)?, secret: decode(password)?.into(), is_token })
            }
            _ => return Err("needs both user and password, or neither"),
        };
        let port = url.port().unwrap_or(port);
        Ok(Self { host, port, tls, credentials, helo: None, longest_wait: Self::LONGEST_WAIT })
    }

    /// Host and port, for whoever reads a line about the server.
    pub(super) fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Limits the wait for any reply to `longest`.
    #[must_use]
    pub fn replies_within(mut self, longest: Duration) -> Self {
        self.longest_wait = longest;
        self
    }

    /// Greets with this name. `None`: the host's name if it has a dot, else its address.
    #[must_use]
    pub fn greeting_as(mut self, helo: Option<String>) -> Self {
        self.helo = helo;
        self
    }
}

/// Checks a name to greet with: a host's name, or an IP address in brackets.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn helo_name(text: &str) -> Result<String, &'static str> {
    let is_literal = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inside| inside.strip_prefix("IPv6:").unwrap_or(inside).parse::<IpAddr>().is_ok());
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_literal || (text.len() <= 255 && text.split('.').all(is_label)) {
        Ok(text.to_owned())
    } else {
        Err("must be a host's name like mail.example.com, or an address like [192.0.2.1]")
    }
}

fn is_loopback(url: &Url) -> bool {
    // The URL standard does not know the scheme `smtp`, so even an IPv4 address arrives as `Domain`.
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

    #[test]
    fn with_xoauth2_the_password_is_a_token_and_must_be_there() {
        let settings = parse("smtp://user:t%2Bken@h:587?tls=required&auth=xoauth2", false).expect("sound");
        let credentials = settings.credentials.expect("there");
        assert_eq!((credentials.is_token, credentials.secret.expose_secret()), (true, "t+ken"));
        assert!(parse("smtp://localhost?auth=xoauth2", false).is_err());
        assert!(parse("smtp://localhost?auth=cram-md5", false).is_err());
    }

    #[test]
    fn a_name_to_greet_with_is_a_hosts_or_an_address_in_brackets() {
        for name in ["mail.example.com", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert_eq!(helo_name(name).as_deref(), Ok(name));
        }
        for name in ["", "a b", "mail..example", "[mail]", "a\r\nMAIL FROM:<>", "m\u{fc}ller.example"] {
            assert!(helo_name(name).is_err(), "{name:?}");
        }
    }
}
