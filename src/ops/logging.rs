//! Log output: text for people, JSON for machines. Set up once, by `main`.
//!
//! lapin logs each returned message with its body at WARN. At TRACE it logs every frame that it
//! reads (including returned bodies) and writes (including the login). Bodies contain personal
//! data, so these targets are off at every level. tokio-postgres logs the parameters of statements
//! (keys of orders, error texts) at DEBUG, so it is quiet unless its name is given. So is the pool's
//! crate, which has a line for each connection that the server ends. There are no
//! colours, not even on a terminal, so that copied and collected logs look the same.
//!
//! Lines about an event have the fields `event_id`, `key`, `event_type`, `correlation_id`, `route`
//! and `attempt`. Lines about a destination have `exchange`, `routing_key`, `route` and `hold`.
//! `error` says what went wrong, and `left_out` counts equal lines that were suppressed.

use std::io::{self, Write};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::outbox::visible::visible;

/// The log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line per event, for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Noise and secrets of libraries; off at every level.
const ALWAYS: &str = "lapin::returned_messages=off,lapin::channels=off,lapin::frames=off,lapin::io_loop=off";

/// Libraries that log only if somebody names them.
const UNLESS_NAMED: &str = "lapin=off,tokio_postgres=warn,deadpool=off";

/// Starts logging to standard error. `level` is a level or a filter such as `info,lapin=debug`.
pub fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = filter(level)?;
    let filtered = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer();
    match format {
        LogFormat::Text => filtered.with(lines.with_ansi(false).with_writer(|| Line(std::io::stderr()))).try_init(),
        LogFormat::Json => filtered.with(lines.with_writer(std::io::stderr).json().flatten_event(true)).try_init(),
    }
    .map_err(|error| error.to_string())
}

/// Writes one line of the text log. What cannot be seen is escaped, line ends inside it too, so that no key or server can write lines of
/// its own.
struct Line<W>(W);

impl<W: Write> Write for Line<W> {
    /// Gets a whole line with its end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        self.0.write_all(format!("{}{end}", visible(line, &[])).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The levels, and what people call them elsewhere.
const LEVELS: [(&str, &str); 9] = [
    ("off", "off"),
    ("error", "error"),
    ("warn", "warn"),
    ("warning", "warn"),
    ("info", "info"),
    ("debug", "debug"),
    ("trace", "trace"),
    ("err", "error"),
    ("information", "info"),
];

/// The filter of `level`, without what must never be logged. Filters only by target, because
/// filters by span and field would need a library for regular expressions. A filter that names only
/// targets leaves all others at info; without that, it would silence the relay.
pub fn filter(level: &str) -> Result<Targets, String> {
    let parts = level.split(',').map(str::trim).filter(|part| !part.is_empty());
    let mut directives = format!("info,{UNLESS_NAMED}");
    for part in parts {
        directives.push(',');
        directives.push_str(&directive(part)?);
    }
    directives.push(',');
    directives.push_str(ALWAYS);
    directives.parse::<Targets>().map_err(|error| format!("'{level}' is not a log level or filter: {error}"))
}

/// One part of a filter: a level, or a target and its level.
fn directive(part: &str) -> Result<String, String> {
    match part.split_once('=') {
        Some((target, level)) => Ok(format!("{target}={}", known_level(level)?)),
        None => known_level(part).map(str::to_owned),
    }
}

/// A word that is not a level would be taken for a target, and everything else would be silent.
fn known_level(word: &str) -> Result<&'static str, String> {
    let lower = word.trim().to_lowercase();
    if let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == lower) {
        return Ok(level);
    }
    let nearest = LEVELS.iter().map(|(name, level)| (strsim::osa_distance(name, &lower), level));
    Err(match nearest.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= 2) {
        Some((_, level)) => format!("'{word}' is not a log level; did you mean {level}?"),
        None => format!("'{word}' is not a log level; use error, warn, info, debug, trace or off, or TARGET=LEVEL"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_on(filter: &str, target: &str, level: tracing::Level) -> bool {
        self::filter(filter).unwrap_or_else(|error| panic!("{error}")).would_enable(target, &level)
    }

    #[test]
    fn a_line_of_the_text_log_is_one_line_without_what_cannot_be_seen() {
        let mut written = Vec::new();
        Line(&mut written).write_all("key \u{202e}1\n2026 INFO forged\u{1b}[2J\n".as_bytes()).expect("it is written");
        assert_eq!(String::from_utf8_lossy(&written), "key \\u{202e}1\\n2026 INFO forged\\u{1b}[2J\n");
    }

    #[test]
    fn levels_are_taken_as_people_write_them() {
        for (filter, info, debug) in [
            ("info", true, false),
            ("INFO", true, false),
            ("warning", false, false),
            ("off", false, false),
            ("debug", true, true),
            ("", true, false),
            ("lapin=debug", true, false),
            ("info,outbox_relay=debug", true, true),
            ("warn, outbox_relay=warning", false, false),
        ] {
            assert_eq!(is_on(filter, "outbox_relay::relay", tracing::Level::INFO), info, "{filter}");
            assert_eq!(is_on(filter, "outbox_relay::relay", tracing::Level::DEBUG), debug, "{filter}");
        }
        assert!(is_on("warning", "outbox_relay", tracing::Level::WARN));
        assert!(!is_on("trace,lapin=trace", "lapin::frames", tracing::Level::ERROR), "never");
        // One line for each connection that idle_session_timeout ends.
        assert!(!is_on("info", "deadpool.postgres", tracing::Level::INFO));
    }

    #[test]
    fn a_word_that_is_not_a_level_is_refused_with_the_nearest() {
        for (filter, found) in [
            ("inof", "did you mean info?"),
            ("verbose", "use error, warn, info"),
            ("outbox_relay=debgu", "did you mean debug?"),
            ("lapin", "TARGET=LEVEL"),
        ] {
            let error = self::filter(filter).expect_err(filter);
            assert!(error.contains(found), "{filter}: {error}");
        }
    }
}
