//! The relays as they last said of themselves (`outbox.relays`), and what keeps all of them from publishing. Pure; `status`, `trace`,
//! `keys list` and `check` judge by it.

use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;

use crate::commands::print::words::span;

/// A relay that has said nothing for this long is silent: it says something every 10 s.
const SILENT_SECONDS: i64 = 30;

/// One process of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RelayRow {
    /// Where it runs.
    pub host: String,
    /// Its process id there.
    pub pid: i32,
    /// Its version.
    pub version: String,
    /// When it started.
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: OffsetDateTime,
    /// Its last heartbeat.
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub seen_at: OffsetDateTime,
    /// Whether that is so long ago that it is frozen or dead.
    pub is_silent: bool,
    /// The state of its broker: `up`, `down` or `blocked`.
    pub broker: String,
    /// Since when; null before the first connection.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub broker_since: Option<OffsetDateTime>,
    /// Why it is down: a kind, as in `/status`.
    pub broker_error: Option<String>,
    /// When the broker last confirmed an event; null before the first.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub confirmed_at: Option<OffsetDateTime>,
    /// Events published since it started.
    pub published: i64,
    /// The names of its routes.
    pub routes: Vec<String>,
}

impl RelayRow {
    /// A row of `list_relays.sql`.
    pub(crate) fn read(row: &Row, now: OffsetDateTime) -> Self {
        let seen_at: OffsetDateTime = row.get("seen_at");
        Self {
            host: row.get("host"),
            pid: row.get("pid"),
            version: row.get("version"),
            started_at: row.get("started_at"),
            seen_at,
            is_silent: (now - seen_at).whole_seconds() > SILENT_SECONDS,
            broker: row.get("broker"),
            broker_since: row.get("broker_since"),
            broker_error: row.get("broker_error"),
            confirmed_at: row.get("confirmed_at"),
            published: row.get("published"),
            routes: row.get("routes"),
        }
    }

    /// Tells it from the others: two may run on one host.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.pid)
    }

    /// The state of its broker, for people.
    pub fn broker_words(&self, now: OffsetDateTime) -> String {
        let since = self.broker_since.map_or_else(String::new, |since| format!(" {}", ago(since, now)));
        let error = self.broker_error.as_deref().map_or_else(String::new, |kind| format!(" ({})", error_words(kind)));
        format!("{}{since}{error}", self.broker)
    }
}

/// Whether the database takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DatabaseMode {
    /// It does.
    Writable,
    /// It is the primary, and was made read-only.
    ReadOnly,
    /// It is a standby; the relays use the primary.
    Standby,
}

/// What keeps every relay from publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The database takes no writes.
    ReadOnly,
    /// No relay is there. The last one that was seen, and how long ago in seconds.
    NoRelay(Option<(String, i64)>),
    /// All are connected or were there lately, and none moves. Their names, and for how long in seconds at least.
    Silent(Vec<String>, i64),
    /// All lost the broker, or never had it.
    NoBroker {
        /// The relays.
        relays: usize,
        /// How many seconds ago the last one lost it; absent if one never had it.
        seconds: Option<i64>,
        /// The kind of the error.
        error: Option<String>,
    },
    /// The broker has blocked all of them.
    Blocked {
        /// The relays.
        relays: usize,
        /// For how many seconds.
        seconds: Option<i64>,
    },
}

/// What keeps every relay from publishing, if anything does. `sessions` are the connections of relays that this role sees.
pub fn obstacle(relays: &[RelayRow], sessions: i64, mode: DatabaseMode, now: OffsetDateTime) -> Option<Obstacle> {
    let awake: Vec<&RelayRow> = relays.iter().filter(|relay| !relay.is_silent).collect();
    match mode {
        DatabaseMode::ReadOnly => return Some(Obstacle::ReadOnly),
        DatabaseMode::Writable | DatabaseMode::Standby => {}
    }
    if awake.is_empty() {
        let seconds = |relay: &RelayRow| (now - relay.seen_at).whole_seconds();
        return match (relays, sessions) {
            // Its first heartbeat comes within a second.
            ([], 1..) => None,
            (relays, 1..) => {
                let names = relays.iter().map(RelayRow::name).collect();
                Some(Obstacle::Silent(names, relays.iter().map(seconds).min().unwrap_or_default()))
            }
            (relays, _) => {
                let last = relays.iter().max_by_key(|relay| relay.seen_at);
                Some(Obstacle::NoRelay(last.map(|relay| (relay.name(), seconds(relay)))))
            }
        };
    }
    // One that has just started has neither a connection nor an error yet.
    let starts = |relay: &RelayRow| relay.broker_since.is_none() && relay.broker_error.is_none();
    if awake.iter().any(|relay| relay.broker == "up" || starts(relay)) {
        return None;
    }
    let since = |relay: &&RelayRow| relay.broker_since.map(|since| (now - since).whole_seconds());
    let seconds = awake.iter().map(since).collect::<Option<Vec<i64>>>().and_then(|all| all.into_iter().min());
    if awake.iter().all(|relay| relay.broker == "blocked") {
        return Some(Obstacle::Blocked { relays: awake.len(), seconds });
    }
    let error = awake.iter().find_map(|relay| relay.broker_error.clone());
    Some(Obstacle::NoBroker { relays: awake.len(), seconds, error })
}

impl Obstacle {
    /// In a few words, after what waits.
    pub fn words(&self) -> String {
        match self {
            Self::ReadOnly => "the database takes no writes (default_transaction_read_only is on)".into(),
            Self::NoRelay(None) => "no relay is connected".into(),
            Self::NoRelay(Some((name, seconds))) => {
                format!("no relay is connected; the last one, {name}, was seen {} ago", span(*seconds))
            }
            Self::Silent(names, seconds) => match names.as_slice() {
                [name] => format!("relay {name} has not moved for {}", span(*seconds)),
                names => format!("relays {} have not moved for {}", names.join(" and "), span(*seconds)),
            },
            Self::NoBroker { relays, seconds, error } => {
                let error = error.as_deref().map_or_else(String::new, |kind| format!(" ({})", error_words(kind)));
                match seconds {
                    Some(seconds) => format!("{} lost the broker {} ago{error}", all_of(*relays), span(*seconds)),
                    None => format!("{} cannot reach the broker{error}", all_of(*relays)),
                }
            }
            Self::Blocked { relays, seconds } => {
                let long = seconds.map_or_else(String::new, |seconds| format!(" {} ago", span(seconds)));
                format!("the broker blocked {}{long} (an alarm: memory or disk)", all_of(*relays))
            }
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::ReadOnly => "find out who made the database read-only, and let it take writes again",
            Self::NoRelay(_) => "start a relay, or check the log of the one that should be running",
            Self::Silent(..) => "look at the process: is it stopped, starved of CPU, or killed? Restart it",
            Self::NoBroker { .. } => "look at the broker, and at the relay's log for the error",
            Self::Blocked { .. } => "free memory or disk on the broker; the relays continue by themselves",
        }
    }
}

fn all_of(relays: usize) -> String {
    match relays {
        1 => "the relay".into(),
        2 => "both relays".into(),
        relays => format!("all {relays} relays"),
    }
}

fn ago(at: OffsetDateTime, now: OffsetDateTime) -> String {
    format!("for {}", span((now - at).whole_seconds()))
}

/// A kind of the broker's error, for people.
pub fn error_words(kind: &str) -> &str {
    match kind {
        "refused" => "connection refused",
        "unknown_host" => "unknown host",
        "login_refused" => "login refused",
        "vhost_refused" => "vhost refused",
        "file_unusable" => "a file cannot be used",
        "timeout" => "no answer",
        "tls" => "TLS failed",
        "connection_ended" => "connection ended",
        "blocked" => "blocked for too long",
        // A kind of a newer relay.
        kind => kind,
    }
}

#[cfg(test)]
pub(super) mod fixtures {
    use time::Duration;

    use super::*;

    /// A relay that is well, at `now`.
    pub(crate) fn relay(pid: i32, now: OffsetDateTime) -> RelayRow {
        RelayRow {
            host: "vm".into(),
            pid,
            version: "0.1.0".into(),
            started_at: now - Duration::hours(1),
            seen_at: now - Duration::seconds(4),
            is_silent: false,
            broker: "up".into(),
            broker_since: Some(now - Duration::hours(1)),
            broker_error: None,
            confirmed_at: Some(now - Duration::seconds(2)),
            published: 17,
            routes: vec!["default".into()],
        }
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::fixtures::relay;
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn down(pid: i32, seconds: i64) -> RelayRow {
        let since = Some(NOW - Duration::seconds(seconds));
        RelayRow { broker: "down".into(), broker_since: since, broker_error: Some("refused".into()), ..relay(pid, NOW) }
    }

    fn silent(pid: i32, seconds: i64) -> RelayRow {
        RelayRow { seen_at: NOW - Duration::seconds(seconds), is_silent: true, ..relay(pid, NOW) }
    }

    fn words(relays: &[RelayRow], sessions: i64) -> Option<String> {
        obstacle(relays, sessions, DatabaseMode::Writable, NOW).map(|obstacle| obstacle.words())
    }

    #[test]
    fn one_relay_that_is_well_is_enough() {
        assert_eq!(words(&[relay(1, NOW), down(2, 5), silent(3, 90)], 3), None);
        assert_eq!(words(&[], 1), None, "it has just started");
        let starting = RelayRow { broker_since: None, broker_error: None, ..down(1, 0) };
        assert_eq!(words(&[starting], 1), None);
    }

    #[test]
    fn every_relay_without_the_broker_is_said_with_the_kind_and_since_when() {
        let both = words(&[down(1, 12), down(2, 11)], 2);
        assert_eq!(both.as_deref(), Some("both relays lost the broker 11s ago (connection refused)"));
        let never = RelayRow { broker_since: None, ..down(1, 0) };
        assert_eq!(words(&[never], 1).as_deref(), Some("the relay cannot reach the broker (connection refused)"));
        let blocked = RelayRow { broker: "blocked".into(), broker_error: None, ..down(1, 61) };
        let expected = "the broker blocked the relay 1m 1s ago (an alarm: memory or disk)";
        assert_eq!(words(std::slice::from_ref(&blocked), 1).as_deref(), Some(expected));
        let mixed = words(&[blocked, down(2, 3)], 2);
        assert_eq!(mixed.as_deref(), Some("both relays lost the broker 3s ago (connection refused)"));
    }

    #[test]
    fn relays_that_do_not_move_are_told_from_relays_that_are_gone() {
        let frozen = words(&[silent(9197, 81)], 1);
        assert_eq!(frozen.as_deref(), Some("relay vm/9197 has not moved for 1m 21s"));
        let both = words(&[silent(1, 81), silent(2, 90)], 2);
        assert_eq!(both.as_deref(), Some("relays vm/1 and vm/2 have not moved for 1m 21s"));
        let gone = words(&[silent(1, 81), silent(2, 90)], 0);
        assert_eq!(gone.as_deref(), Some("no relay is connected; the last one, vm/1, was seen 1m 21s ago"));
        assert_eq!(words(&[], 0).as_deref(), Some("no relay is connected"));
    }

    #[test]
    fn a_read_only_database_comes_first_and_a_standby_is_none() {
        assert_eq!(obstacle(&[], 0, DatabaseMode::ReadOnly, NOW), Some(Obstacle::ReadOnly));
        assert_eq!(obstacle(&[relay(1, NOW)], 0, DatabaseMode::Standby, NOW), None);
    }

    #[test]
    fn every_kind_of_error_has_words_for_people() {
        for kind in ["refused", "unknown_host", "login_refused", "vhost_refused", "file_unusable", "connection_ended"] {
            assert!(!error_words(kind).contains('_'), "{kind}");
        }
    }
}
