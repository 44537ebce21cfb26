//! What the broker's supervisor reports for `/status`: since when, which node, and the kind of the
//! last error. Error texts stay in the log: they may name users and other things that do not belong
//! on a page that anybody may read.

use time::OffsetDateTime;

/// The last change, and the last error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkReport {
    /// Since when the link is up or down; `None` before the first connection.
    pub since: Option<OffsetDateTime>,
    /// Host and port of the node, while connected.
    pub node: Option<String>,
    /// The kind of the last error. It stays after the connection is back.
    pub last_error: Option<&'static str>,
}

impl LinkReport {
    /// Connected to `node`.
    pub fn connected(&mut self, node: String) {
        (self.since, self.node) = (Some(OffsetDateTime::now_utc()), Some(node));
    }

    /// The connection ended.
    pub fn ended(&mut self, words: &str) {
        self.since = Some(OffsetDateTime::now_utc());
        self.node = None;
        self.last_error = Some(if words.starts_with("blocked") { "blocked" } else { "connection_ended" });
    }

    /// Connecting to a node failed.
    pub fn failed(&mut self, words: &str) {
        self.since.get_or_insert_with(OffsetDateTime::now_utc);
        self.last_error = Some(kind(words));
    }
}

/// The texts come from `broker_connect` and `secret`; they say more than a page that anybody may
/// read should.
fn kind(words: &str) -> &'static str {
    let known = [
        ("refused the login", "login_refused"),
        ("create the vhost", "vhost_refused"),
        ("file '", "file_unusable"),
        ("took longer", "timeout"),
        ("certificate", "tls"),
        ("TLS", "tls"),
        ("onnection refused", "refused"),
        ("lookup address", "unknown_host"),
    ];
    known.into_iter().find(|(mark, _)| words.contains(mark)).map_or("unreachable", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_silence_and_the_words_are_not_kept() {
        for (words, expected) in [
            (
                "db:5672: the broker refused the login of user 'shop'; look at the URL's user and password",
                "login_refused",
            ),
            ("db:5672: NOT_ALLOWED - vhost shop not found; create the vhost, or let user 'a' in", "vhost_refused"),
            ("the key file '/secrets/shop.pem' cannot be used: it is empty", "file_unusable"),
            ("db:5671: the certificate of shop is expired", "tls"),
            ("db:5672: connecting took longer than 10s", "timeout"),
            ("db:5672: connection refused", "refused"),
            ("db:5672: Connection refused (os error 111)", "refused"),
            ("shop:5672: failed to lookup address information", "unknown_host"),
            ("db:5672: network is unreachable", "unreachable"),
        ] {
            let mut report = LinkReport::default();
            report.failed(words);
            assert_eq!(report.last_error, Some(expected));
            assert!(!format!("{report:?}").contains("shop"));
        }
    }
}
