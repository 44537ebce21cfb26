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
    /// What is on hold: since when, why, how many keys wait, when it is probed next
    #[command(long_about = LIST)]
    List(CommandArgs),
    /// Put a route on hold until it is released
    #[command(long_about = HOLD)]
    Hold(HoldArgs),
    /// Take a route or destination off hold
    #[command(long_about = RELEASE)]
    Release(ReleaseArgs),
    /// Show the exact messages that an event would become; its payload comes from standard input, and no services are needed
    Render(Box<RenderArgs>),
}

/// `routes hold`.
#[derive(Debug, Clone, Args)]
pub struct HoldArgs {
    /// The route's name; 'default' without a routes file
    #[arg(value_name = "NAME")]
    pub name: String,
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
    /// A route's name, a destination as 'EXCHANGE/ROUTING-KEY', or an exchange's name, as 'routes list' shows it
    #[arg(value_name = "NAME-OR-DESTINATION")]
    pub name: String,
    /// Which kind is meant, where one name is several
    #[arg(long, value_enum)]
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
    /// One JSON document
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
What is on hold: routes held by an operator, and destinations that the relay itself put on hold because the broker refuses them; since when, \
why, how many keys wait (counted up to 1,000), when it is probed next. Changes nothing.

Exit codes: 0 also where nothing is on hold · 1 a statement failed · 64 wrong usage · 69 the database cannot be reached.";

const HOLD: &str = "\
Put a route on hold until it is released.

Every relay keeps the route's events, and what follows them in their keys, in the database; other routes and keys go on. Nothing is \
charged and nothing becomes a dead letter, however long it lasts. What was sent already arrives all the same: relays look at the holds \
with each batch, so up to one batch may still leave. A held route is never probed: only 'routes release' ends it.

  outbox-relay routes hold default --by alice --note 'consumer migration, until 14:00'

Exit codes: 0 on hold, also if it was before · 64 wrong usage · 69 the database cannot be reached.";

const RELEASE: &str = "\
Take a route or destination off hold; what waited for it is tried at once.

A destination that the relay itself put on hold is probed anyway and comes back by itself; releasing it only saves the wait, and where the \
cause is still there it goes on hold again.

  outbox-relay routes release default
  outbox-relay routes release order.events/order.created
  outbox-relay routes release order.events --scope exchange

Exit codes: 0 released · 1 nothing of that name is on hold, or several things are (they are listed) · 64 wrong usage · 69 the database \
cannot be reached.";
