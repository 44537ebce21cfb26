//! Log output: text for people, JSON for machines. Set up once by `main`.
//!
//! lapin logs each returned message with its body at WARN, every frame it reads (bodies of returned messages among them) and writes (the
//! login among them) at TRACE. Bodies hold personal data, so those targets are off whatever the level says. tokio-postgres writes
//! the parameters of statements (keys of orders, texts of errors) at DEBUG, so it is quiet unless its name is given. There are no
//! colours, on a terminal neither: what is piped, collected and pasted is what was seen.
//!
//! Lines about an event carry `event_id`, `key`, `event_type`, `correlation_id`, `route`, `attempt`; lines about a destination
//! `exchange`, `routing_key`, `route`, `hold`; what went wrong is `error`, and `left_out` says how often the same words were left out.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line per event, for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Noise and secrets of libraries, kept out at every level.
const ALWAYS: &str = "lapin::returned_messages=off,lapin::channels=off,lapin::frames=off,lapin::io_loop=off";

/// Libraries that are worth a line only when somebody asks for them by name.
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

/// The filter of `level`, with what must never be logged taken out. By targets alone: filters by span and field bring a library of regular
/// expressions along.
pub fn filter(level: &str) -> Result<Targets, String> {
    let directives = format!("{UNLESS_NAMED},{level},{ALWAYS}");
    directives.parse::<Targets>().map_err(|error| format!("'{level}' is no log level or filter: {error}"))
}
