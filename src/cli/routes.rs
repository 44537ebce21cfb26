//! The arguments of `routes`.

use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::cli::services::RouteArgs;

/// `routes`.
#[derive(Debug, Subcommand)]
pub enum RoutesCommand {
    /// Show the exact messages that an event would become; its payload comes from standard input, and no services are needed.
    Render(Box<RenderArgs>),
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
    #[arg(long)]
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
