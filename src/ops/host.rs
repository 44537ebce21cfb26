//! Which names the admin port answers to. A web page whose own name leads to the port (DNS rebinding) could otherwise read `/status` and
//! `/metrics` through the browser of somebody who reaches the port. Used by `admin`.
//!
//! Only a name that somebody can own in the public DNS is refused: addresses, this host's name and the names of private networks are not.

use std::net::IpAddr;

/// No public name ends like this (RFC 6761, RFC 6762, ICANN's `internal`, and Kubernetes' services).
const PRIVATE: [&str; 5] = [".localhost", ".local", ".internal", ".svc", ".test"];

/// Whether a request for `host`, as in the header `Host`, is answered.
pub(super) fn is_ours(host: &str, own_name: &str) -> bool {
    let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let is_one_word = !name.is_empty() && !name.contains('.');
    is_address || is_one_word || PRIVATE.iter().any(|end| name.ends_with(end)) || name == own_name.to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_private_names_are_ours_and_public_names_are_not() {
        for host in [
            "127.0.0.1:9632",
            "[::1]:9632",
            "10.1.2.3",
            "localhost:9632",
            "relay:9632",
            "outbox-relay.shop.svc",
            "outbox-relay.shop.svc.cluster.local:9632",
            "relay.internal.",
            "node-1.shop.example:9632",
        ] {
            assert!(is_ours(host, "node-1.shop.example"), "{host}");
        }
        for host in ["evil.example", "evil.example:9632", "127.0.0.1.evil.example", "", "local.evil.example:1"] {
            assert!(!is_ours(host, "node-1.shop.example"), "{host}");
        }
    }
}
