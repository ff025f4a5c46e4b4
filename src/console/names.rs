//! The names by which the console may be reached. Pure.
//!
//! Enters: the address that is listened on, the names behind a proxy. Leaves: whether a Host or an Origin is ours. Promises:
//! a page of another site cannot pass by a name of its own that leads here (DNS rebinding).

use std::net::SocketAddr;

/// Hosts and origins of ours.
#[derive(Debug)]
pub(super) struct Names {
    /// Reached without TLS: the address itself.
    own: Vec<String>,
    /// Reached through a proxy's TLS.
    public: Vec<String>,
}

impl Names {
    pub(super) fn of(address: SocketAddr, hosts: &[String]) -> Self {
        let port = address.port();
        let mut own = vec![address.to_string()];
        if address.ip().is_loopback() {
            own.push(format!("localhost:{port}"));
        }
        Self { own, public: hosts.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Is it ours that this request asks for?
    pub(super) fn is_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.own.contains(&host) || self.is_public(&host)
    }

    /// Is it reached through a proxy's TLS by this name?
    pub(super) fn is_public(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let bare = host.strip_suffix(":443").unwrap_or(&host);
        self.public.iter().any(|name| name == bare)
    }

    /// Was this form on a page of ours?
    pub(super) fn is_origin(&self, origin: &str) -> bool {
        match origin.split_once("://") {
            Some(("http", host)) => self.own.contains(&host.to_ascii_lowercase()),
            Some(("https", host)) => self.is_public(host),
            _ => false,
        }
    }

    /// How its address begins.
    pub(super) fn origin(&self) -> String {
        match self.public.first() {
            Some(name) => format!("https://{name}"),
            None => format!("http://{}", self.own[0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(address: &str, hosts: &[&str]) -> Names {
        Names::of(
            address.parse().expect("an address"),
            &hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn only_the_address_itself_and_localhost_are_names_of_a_console_on_loopback() {
        let names = names("127.0.0.1:8090", &[]);
        for host in ["127.0.0.1:8090", "localhost:8090", "LOCALHOST:8090"] {
            assert!(names.is_host(host) && names.is_origin(&format!("http://{host}")), "{host}");
        }
        for host in ["evil.example:8090", "127.0.0.1", "127.0.0.1:80", "localhost", "localhost:8090.evil.example", ""] {
            assert!(!names.is_host(host) && !names.is_origin(&format!("http://{host}")), "{host}");
        }
        for origin in ["null", "https://127.0.0.1:8090", "ftp://127.0.0.1:8090", "127.0.0.1:8090", ""] {
            assert!(!names.is_origin(origin), "{origin}");
        }
        assert_eq!(names.origin(), "http://127.0.0.1:8090");
    }

    #[test]
    fn a_public_name_is_reached_by_https_alone() {
        let names = names("10.0.0.5:8090", &["Console.acme.example"]);
        assert!(names.is_host("console.acme.example") && names.is_host("console.acme.example:443"));
        assert!(names.is_origin("https://console.acme.example") && !names.is_origin("http://console.acme.example"));
        assert!(names.is_host("10.0.0.5:8090") && !names.is_host("localhost:8090"));
        assert_eq!(names.origin(), "https://console.acme.example");
    }
}
