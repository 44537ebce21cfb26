//! The arguments of `migrate`.

use clap::Args;

use crate::cli::services::DatabaseArgs;

/// `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Print the SQL instead of running it
    #[arg(long)]
    pub print: bool,
    /// Print the SQL that undoes every migration
    #[arg(long, conflicts_with = "print")]
    pub print_down: bool,
    /// Create the trigger that wakes relays with --wake listen
    #[arg(long, conflicts_with = "without_notify")]
    pub with_notify: bool,
    /// Drop that trigger
    #[arg(long)]
    pub without_notify: bool,
}
