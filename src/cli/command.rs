//! Arguments of every command that reads or changes the outbox.

use clap::Args;

use crate::cli::services::DatabaseArgs;

/// Which outbox to use, and how to print the answer.
#[derive(Debug, Clone, Args)]
pub struct CommandArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Print one JSON document
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
