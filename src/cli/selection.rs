//! What the commands share that change many rows: which rows are meant, how fast, who did it and why.

use clap::Args;

/// Which events are meant; what is given must all be true.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection (all that is given must be true)")]
pub struct SelectionArgs {
    /// An id, as shown by the other commands; several with commas or the flag repeated. Not asked for confirmation
    #[arg(long = "id", value_delimiter = ',', value_name = "ID")]
    pub ids: Vec<String>,
    /// Of this aggregate
    #[arg(long, value_name = "ID")]
    pub aggregate_id: Option<String>,
    /// Of this type
    #[arg(long, value_name = "TYPE")]
    pub event_type: Option<String>,
    /// From this moment on: RFC 3339 such as 2026-11-21T12:00:00Z, or so long ago such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this moment, written the same
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// So many at most: those of the lowest seq, in a list the latest
    #[arg(long, allow_hyphen_values = true, value_name = "COUNT")]
    pub limit: Option<String>,
}

/// How a change of many rows is made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Execution")]
pub struct ExecutionArgs {
    /// So many a second at most; without it as fast as the database goes, and live events queue behind
    #[arg(long, allow_hyphen_values = true, value_name = "PER-SECOND")]
    pub rate: Option<String>,
    /// Confirmation.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// Whether to do it at all.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Execution")]
pub struct ConsentArgs {
    /// Say what would be done and what it would mean, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask; needed where nobody can answer
    #[arg(long)]
    pub yes: bool,
}

/// Who does it, and why.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Audit")]
pub struct AuditArgs {
    /// Who does it; recorded. Without it $USER, else the database role
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why; recorded
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}
