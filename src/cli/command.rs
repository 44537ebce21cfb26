//! What every command takes that looks at the outbox or changes it.

use clap::Args;

use crate::cli::services::DatabaseArgs;

/// Which outbox, and how to answer.
#[derive(Debug, Clone, Args)]
pub struct CommandArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Answer with one JSON document
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
