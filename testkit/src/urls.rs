//! The few things tests do to service URLs: another path (database, vhost) or another address (through a proxy).
//! Used by the bed, the management client and the fault tests.

use std::net::{SocketAddr, ToSocketAddrs};

/// `scheme://`, `user:password@`, `host:port`, `/path?query`; the parts joined again are the URL.
struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    host: &'a str,
    path: &'a str,
}

fn split(url: &str) -> Parts<'_> {
    let start = url.find("://").unwrap_or_else(|| panic!("not a URL: {url}")) + 3;
    let (scheme, rest) = url.split_at(start);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    Parts { scheme, user, host, path }
}

/// The URL with another path; its query stays.
pub fn with_path(url: &str, path: &str) -> String {
    let Parts { scheme, user, host, path: old } = split(url);
    let query = old.find('?').map_or("", |at| &old[at..]);
    format!("{scheme}{user}{host}/{path}{query}")
}

/// The URL pointing at another address, for example a proxy's.
pub fn with_addr(url: &str, addr: SocketAddr) -> String {
    let Parts { scheme, user, path, .. } = split(url);
    format!("{scheme}{user}{addr}{path}")
}

/// The URL with a `name=value` added to its query.
pub fn with_query(url: &str, pair: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{pair}")
}

/// Where the URL points to; IPv4 first, because the test services listen on 127.0.0.1.
pub fn addr_of(url: &str) -> SocketAddr {
    let host = split(url).host;
    let found: Vec<_> = host.to_socket_addrs().unwrap_or_else(|e| panic!("no address in {host}: {e}")).collect();
    *found.iter().find(|addr| addr.is_ipv4()).or(found.first()).unwrap_or_else(|| panic!("no address for {host}"))
}

/// User and password of the URL, `guest` when it has none.
pub fn user_of(url: &str) -> (String, String) {
    let user = split(url).user.trim_end_matches('@');
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    if name.is_empty() { ("guest".into(), "guest".into()) } else { (name.into(), password.into()) }
}

/// The URL with another user and no password.
pub fn with_user(url: &str, name: &str) -> String {
    let Parts { scheme, host, path, .. } = split(url);
    format!("{scheme}{name}@{host}{path}")
}
