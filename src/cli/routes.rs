//! The arguments of `routes`.

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::cli::command::CommandArgs;
use crate::cli::selection::AuditArgs;
use crate::cli::services::RouteArgs;

/// `routes`.
#[derive(Debug, Clone, Args)]
pub struct RoutesArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RoutesCommand,
}

/// What can be done about routes and destinations.
#[derive(Debug, Clone, Subcommand)]
pub enum RoutesCommand {
    /// List the routes, and what is on hold: since when, why, how many keys wait, when it is probed next
    #[command(long_about = LIST)]
    List(RoutesListArgs),
    /// Put a route on hold until it is released
    #[command(long_about = HOLD)]
    Hold(HoldArgs),
    /// Take a route or destination off hold
    #[command(long_about = RELEASE)]
    Release(ReleaseArgs),
    /// Show the exact messages that an event would become; its payload comes from standard input, and no services are needed
    #[command(long_about = RENDER)]
    Render(Box<RenderArgs>),
}

/// `routes list`.
#[derive(Debug, Clone, Args)]
pub struct RoutesListArgs {
    /// Where a relay would publish.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `routes hold`.
#[derive(Debug, Clone, Args)]
pub struct HoldArgs {
    /// The route's name; 'default' without a routes file
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The relays' routes, to see whether there is such a one.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// `routes release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// As 'routes list' shows it: a route's name, a destination as EXCHANGE/ROUTING-KEY, or a whole exchange as EXCHANGE/
    #[arg(value_name = "NAME-OR-DESTINATION")]
    pub name: String,
    /// Which kind is meant, where one name is several
    #[arg(long, value_enum, value_name = "KIND")]
    pub scope: Option<Scope>,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// What a hold covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// A route by name.
    Route,
    /// A whole exchange.
    Exchange,
    /// A routing key of an exchange.
    Key,
}

/// `routes render`.
#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// Where to publish.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// The event.
    #[command(flatten)]
    pub event: EventArgs,
    /// Answer with one JSON document
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// A row that is not there: its columns.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Event")]
pub struct EventArgs {
    /// The row's event_type
    #[arg(long, value_name = "TYPE")]
    pub event_type: String,
    /// The row's aggregate_type
    #[arg(long, default_value = "Order", value_name = "TYPE")]
    pub aggregate_type: String,
    /// The row's aggregate_id
    #[arg(long, default_value = "order-42", value_name = "ID")]
    pub aggregate_id: String,
    /// The row's partition_key; none if absent
    #[arg(long, value_name = "KEY")]
    pub partition_key: Option<String>,
    /// The row's event_version; none if absent, which means 1.0
    #[arg(long = "version", value_name = "VERSION")]
    pub event_version: Option<String>,
    /// The row's correlation_id; none if absent
    #[arg(long, value_name = "ID")]
    pub correlation_id: Option<String>,
    /// The row's headers: a JSON object
    #[arg(long, value_name = "JSON")]
    pub headers: Option<String>,
    /// The row's id
    #[arg(long, default_value_t = Uuid::nil(), hide_default_value = true, value_name = "UUID")]
    pub id: Uuid,
}

const LIST: &str = "\
The routes, and what is on hold.

The routes are those of the file that --routes names, or the one route of a relay without a file: type, exchange, routing key, envelope, \
on_unroutable, and the holds that are in the way of its messages or of some of them.

On hold are routes that an operator holds, and destinations that the relay itself put on hold because the broker refuses them: since when, \
why, how many keys wait (counted up to 1,000), when it is probed next. Changes nothing, needs no broker.

  outbox-relay routes list
  outbox-relay routes list --routes routes.toml
  outbox-relay routes list --json | jq '.routes[] | select(.held_by != [])'

JSON: from_file, routes[]{name, event_type, exchange, routing_key, envelope, on_unroutable, held_by[]}, holds[]{hold, scope, name, kind, \
reason, error, since, probes, next_probe_at, waiting_keys, more_waiting, held_by, note}; event_type is null for every type that no other \
route names.

Exit codes: 0 also where nothing is on hold · 1 no tables, or the database said no · 64 wrong usage, or routes that cannot be read · 69 \
the database cannot be reached.";

const RENDER: &str = "\
Show the exact messages that an event would become, one per route: destination, properties, headers and body. Its payload comes from \
standard input; nothing is sent, and no services are needed.

  echo '{\"total\": 1}' | outbox-relay routes render --event-type order.paid
  outbox-relay routes render --routes routes.toml --event-type order.paid --headers '{\"region\": \"eu\"}' < payload.json

Exit codes: 0 shown · 1 it would not be sent: no route names its type, or it cannot become a message · 64 wrong usage, no JSON on standard \
input, or routes that cannot be read.";

const HOLD: &str = "\
Put a route on hold until it is released.

Every relay keeps the route's events, and what follows them in their keys, in the database; other routes and keys go on. Nothing is \
charged and nothing becomes a dead letter, however long it lasts. What was sent already arrives all the same: relays look at the holds \
with each batch, so up to one batch may still leave. A held route is never probed: only 'routes release' ends it.

With --routes a name that the file does not have is refused; without it any name is taken.

  outbox-relay routes hold default --by alice --note 'consumer migration, until 14:00'
  outbox-relay routes hold order-paid-platform --routes routes.toml

Exit codes: 0 on hold, also if it was before · 1 the routes file has no such route · 64 wrong usage, or routes that cannot be read · 69 the database cannot be reached.";

const RELEASE: &str = "\
Take a route or destination off hold; what waited for it is tried at once.

A destination that the relay itself put on hold is probed anyway and comes back by itself; releasing it only saves the wait, and where the \
cause is still there it goes on hold again.

  outbox-relay routes release default
  outbox-relay routes release order.events/order.created
  outbox-relay routes release order.events/
  outbox-relay routes release --scope exchange order.events

Exit codes: 0 released · 1 nothing of that name is on hold, or several things are (they are listed) · 64 wrong usage · 69 the database \
cannot be reached.";
