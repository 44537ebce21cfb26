//! The configuration of the commands that read or change the outbox.

use crate::cli::command::{CommandArgs, Format};
use crate::config::PROGRAM;
use crate::config::database::{check_schema, database};
use crate::config::problems::Problems;
use crate::postgres::connect::DatabaseSettings;

/// Which outbox to use, and how to print the answer.
#[derive(Debug)]
pub struct CommandConfig {
    /// The database.
    pub database: DatabaseSettings,
    /// The schema.
    pub schema: String,
    /// How to print the answer.
    pub format: Format,
}

/// Checks the arguments that `name`, a command, shares with the others.
pub fn command_config(args: &CommandArgs, name: &str) -> Result<CommandConfig, Vec<String>> {
    let mut problems = Problems::default();
    let database = database(&mut problems, &args.database, &format!("{PROGRAM}/{name}"));
    check_schema(&mut problems, &args.database.schema);
    match database {
        Some(database) if problems.0.is_empty() => {
            Ok(CommandConfig { database, schema: args.database.schema.clone(), format: args.format() })
        }
        Some(_) | None => Err(problems.0),
    }
}
