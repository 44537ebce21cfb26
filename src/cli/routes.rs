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

/// What to do with routes and destinations.
#[derive(Debug, Clone, Subcommand)]
pub enum RoutesCommand {
    /// List routes and holds: since when, why, how many keys wait, when the next probe is due
    #[command(long_about = LIST)]
    List(RoutesListArgs),
    /// Put a route on hold until it is released
    #[command(long_about = HOLD)]
    Hold(HoldArgs),
    /// Take a route or destination off hold
    #[command(long_about = RELEASE)]
    Release(ReleaseArgs),
    /// Show the exact messages of an event; reads its payload from standard input and needs no services
    #[command(long_about = RENDER)]
    Render(Box<RenderArgs>),
}

/// `routes list`.
#[derive(Debug, Clone, Args)]
pub struct RoutesListArgs {
    /// The relays' routes.
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
    /// The relays' routes, to check that the name is one of them.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `routes release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// The name as 'routes list' shows it: a route, a destination (EXCHANGE/ROUTING-KEY), or a whole exchange (EXCHANGE/)
    #[arg(value_name = "NAME-OR-DESTINATION")]
    pub name: String,
    /// Which kind of name it is, if several have this name
    #[arg(long, value_enum, value_name = "KIND")]
    pub scope: Option<Scope>,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
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
    /// Every routing key of an exchange that a template renders.
    Flow,
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
    /// Print one JSON document
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// The columns of an imaginary row.
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
    /// The row's partition_key; default: none
    #[arg(long, value_name = "KEY")]
    pub partition_key: Option<String>,
    /// The row's event_version; default: none, which means 1.0
    #[arg(long = "version", value_name = "VERSION")]
    pub event_version: Option<String>,
    /// The row's correlation_id; default: none
    #[arg(long, value_name = "ID")]
    pub correlation_id: Option<String>,
    /// The row's headers, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub headers: Option<String>,
    /// The row's id
    #[arg(long, default_value_t = Uuid::nil(), hide_default_value = true, value_name = "UUID")]
    pub id: Uuid,
}

const LIST: &str = "\
List the routes, and what is on hold.

The routes come from the file that --routes names, or are the one route of a relay without a \
file. Each shows type, exchange, routing key, envelope, on_unroutable, and the holds that block \
some or all of its messages.

The holds are routes that an operator holds, and destinations that the relay put on hold because \
the broker refuses them. Each shows since when, why, how many keys wait (counted up to 1,000), \
and when the next probe is due. Changes nothing, and needs no broker.

  outbox-relay routes list
  outbox-relay routes list --routes routes.toml
  outbox-relay routes list --json | jq '.routes[] | select(.held_by != [])'

JSON: from_file, routes[]{name, event_type, exchange, routing_key, envelope, on_unroutable, \
held_by[]}, holds[]{hold, scope, name, kind, reason, error, since, probes, next_probe_at, \
waiting_keys, more_waiting, held_by, note}; event_type is null for every type that no other route \
names.

Exit codes: 0 listed, or nothing on hold · 1 no tables, or the database refused · 64 wrong usage, \
or unreadable routes · 69 the database cannot be reached.";

const RENDER: &str = "\
Show the exact messages of an event, one per route: destination, properties, headers and body. \
Reads the payload from standard input, sends nothing, and needs no services.

  echo '{\"total\": 1}' | outbox-relay routes render --event-type order.paid
  outbox-relay routes render --routes routes.toml --event-type order.paid --headers '{\"region\": \"eu\"}' < payload.json

Exit codes: 0 shown · 1 it would not be sent: no route names its type, or it cannot become a \
message · 64 wrong usage, no JSON on standard input, or unreadable routes.";

const HOLD: &str = "\
Put a route on hold until it is released.

Every relay keeps the route's events, and the later events of their keys, in the database. Other \
routes and keys continue. Held events are charged no attempts and never become dead letters, \
however long it lasts. Relays read the holds with each batch, so up to one batch may still leave. \
A held route is never probed: only 'routes release' ends the hold.

With --routes, a name that the file does not have is refused; without it, any name is accepted.

  outbox-relay routes hold default --by alice --note 'consumer migration, until 14:00'
  outbox-relay routes hold order-paid-platform --routes routes.toml

Exit codes: 0 on hold, now or already · 1 the routes file has no such route · 64 wrong usage, or \
unreadable routes · 69 the database cannot be reached.";

const RELEASE: &str = "\
Take a route or destination off hold, and try at once what waits for it.

The relay probes destinations that it put on hold, and releases them by itself. Releasing one \
only saves the wait; if the cause remains, it goes on hold again.

  outbox-relay routes release default
  outbox-relay routes release order.events/order.created
  outbox-relay routes release order.events/
  outbox-relay routes release --scope exchange order.events

Exit codes: 0 released · 1 nothing with that name is on hold, or several holds have it (they are \
listed) · 64 wrong usage · 69 the database cannot be reached.";
