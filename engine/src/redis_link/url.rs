//! `REDIS_URL`: one server, or several of a cluster.
//!
//! Enters: the URL. Leaves: how each server that it names is reached, and whether it says that they are a cluster.
//! Promises: user, password, TLS and parameters are the same for all. Shows nothing of it. Pure.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::RedisError;
use super::slots::Address;

/// The servers that a URL names.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) servers: Vec<ConnectionInfo>,
    /// They must be a cluster.
    pub(super) is_cluster: bool,
}

impl Named {
    /// Reads `redis://user:password@host:port,host:port?cluster=true`.
    pub(super) fn read(url: &str) -> Result<Self, RedisError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisError::BadUrl)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let user = &authority[..authority.len() - hosts.len()];
        let one = |host: &str| match [scheme, "://", user, host, path].concat().into_connection_info() {
            Ok(server) if server.redis_settings().db() < 0 => Err(RedisError::BadUrl),
            Ok(server) if !host.is_empty() || !hosts.contains(',') => Ok(without_delay(server)),
            _ => Err(RedisError::BadUrl),
        };
        let servers: Vec<_> = hosts.split(',').map(one).collect::<Result<_, _>>()?;
        let is_cluster = says_cluster(path)? || servers.len() > 1;
        if is_cluster && servers.iter().any(|server| server.redis_settings().db() != 0) {
            return Err(RedisError::Database);
        }
        Ok(Self { servers, is_cluster })
    }

    /// How a server at this address is reached.
    pub(super) fn at(&self, address: &Address) -> Option<ConnectionInfo> {
        let (host, port) = (address.host.clone(), address.port);
        let like = self.servers.first()?;
        let place = match like.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Some(like.clone().set_addr(place))
    }

    /// The number of the database: 0 in a cluster.
    pub(super) fn database(&self) -> i64 {
        self.servers.first().map_or(0, |server| server.redis_settings().db())
    }

    /// Hosts and ports, for errors.
    pub(super) fn told(&self) -> String {
        self.servers.iter().map(|server| server.addr().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn says_cluster(path: &str) -> Result<bool, RedisError> {
    let parameters = path.split_once('?').map_or("", |(_, parameters)| parameters).split(['&', '#']);
    match parameters.filter_map(|parameter| parameter.strip_prefix("cluster=")).collect::<Vec<_>>()[..] {
        [] => Ok(false),
        ["true"] => Ok(true),
        _ => Err(RedisError::BadUrl),
    }
}

/// Without Nagle's algorithm: the calls of all deliveries share a socket, and each would wait for the acknowledgement of
/// the one before it, up to a round trip.
fn without_delay(server: ConnectionInfo) -> ConnectionInfo {
    server.set_tcp_settings(TcpSettings::default().set_nodelay(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_names_one_server_or_those_of_a_cluster() {
        for (url, told, is_cluster) in [
            ("redis://h", "h:6379", false),
            ("redis://u:p%2Cw@h:1/2", "h:1", false),
            ("rediss://h:1?cluster=true", "h:1", true),
            ("rediss://u:p,w@a:1,b,[::1]:3/0", "a:1, b:6379, ::1:3", true),
            ("redis://a,b/?cluster=true", "a:6379, b:6379", true),
        ] {
            let named = Named::read(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((named.told().as_str(), named.is_cluster), (told, is_cluster), "{url}");
        }
        let named = Named::read("rediss://u:p,w@a:1,b").expect("two");
        let users = named.servers.iter().map(|server| server.redis_settings());
        assert!(users.clone().all(|of| (of.username(), of.password()) == (Some("u"), Some("p,w"))));
        let node = named.at(&Address { host: "node".to_owned(), port: 7 }).expect("an address");
        assert!(matches!(node.addr(), ConnectionAddr::TcpTls { insecure: false, .. }), "TLS for all");
        assert_eq!(node.redis_settings().password(), Some("p,w"));
    }

    #[test]
    fn a_url_that_names_no_servers_is_refused() {
        for odd in ["h", "http://h", "redis://a,", "redis://,a", "redis://a,b:x", "redis://h?cluster=yes"] {
            assert_eq!(Named::read(odd).err(), Some(RedisError::BadUrl), "{odd}");
        }
        for odd in ["redis://a,b/1", "redis://h/1?cluster=true"] {
            assert_eq!(Named::read(odd).err(), Some(RedisError::Database), "{odd}");
        }
    }
}
