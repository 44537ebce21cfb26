//! Log output: text for people, JSON for machines. Set up once, by `main`.
//!
//! lapin logs each returned message with its body at WARN. At TRACE it logs every frame that it
//! reads (including returned bodies) and writes (including the login). Bodies contain personal
//! data, so these targets are off at every level. tokio-postgres logs the parameters of statements
//! (keys of orders, error texts) at DEBUG, so it is quiet unless its name is given. There are no
//! colours, not even on a terminal, so that copied and collected logs look the same.
//!
//! Lines about an event have the fields `event_id`, `key`, `event_type`, `correlation_id`, `route`
//! and `attempt`. Lines about a destination have `exchange`, `routing_key`, `route` and `hold`.
//! `error` says what went wrong, and `left_out` counts equal lines that were suppressed.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
const UNLESS_NAMED: &str = "lapin=off,tokio_postgres=warn";

/// Starts logging to standard error. `level` is a level or a filter such as `info,lapin=debug`.
pub fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = filter(level)?;
    let (filtered, lines) =
        (tracing_subscriber::registry().with(filter), tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    match format {
        LogFormat::Text => filtered.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => filtered.with(lines.json().flatten_event(true)).try_init(),
    }
    .map_err(|error| error.to_string())
}

/// The filter of `level`, without what must never be logged. Filters only by target, because
/// filters by span and field would need a library for regular expressions.
pub fn filter(level: &str) -> Result<Targets, String> {
    let directives = format!("{UNLESS_NAMED},{level},{ALWAYS}");
    directives.parse::<Targets>().map_err(|error| format!("'{level}' is not a log level or filter: {error}"))
}
