//! Arguments shared by commands that change many rows: which rows, how fast, who did it and why.

use clap::Args;

/// Which events; all filters must match.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection (all filters must match)")]
pub struct SelectionArgs {
    /// Ids as shown by other commands, separated by commas or with the flag repeated; skips the confirmation
    #[arg(long = "id", value_delimiter = ',', value_name = "ID")]
    pub ids: Vec<String>,
    /// Of this aggregate
    #[arg(long, value_name = "ID")]
    pub aggregate_id: Option<String>,
    /// Of this type
    #[arg(long, value_name = "TYPE")]
    pub event_type: Option<String>,
    /// At or after this time: RFC 3339, such as 2026-11-21T12:00:00Z, or an age, such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this time, in the same format
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most N. Changes take the oldest first; lists show the newest.
    #[arg(long, allow_hyphen_values = true, value_name = "COUNT")]
    pub limit: Option<String>,
}

/// How a change of many rows is made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Execution")]
pub struct ExecutionArgs {
    /// At most this many per second; without it, as fast as the database allows, and live events queue behind
    #[arg(long, allow_hyphen_values = true, value_name = "PER-SECOND")]
    pub rate: Option<String>,
    /// Confirmation.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// Whether to make the change.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Execution")]
pub struct ConsentArgs {
    /// Show what would change, without changing it
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask for confirmation; required without a terminal
    #[arg(long)]
    pub yes: bool,
}

/// Who makes the change, and why.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Audit")]
pub struct AuditArgs {
    /// Who makes the change, for the audit trail; defaults to $USER, or the database role
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}
