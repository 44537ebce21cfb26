//! The configuration of `migrate`.

use crate::cli::migrate::MigrateArgs;
use crate::commands::migrate::Notify;
use crate::config::PROGRAM;
use crate::config::database::{check_schema, database};
use crate::config::problems::Problems;
use crate::link::database::DatabaseSettings;

/// Everything that `migrate` needs.
#[derive(Debug)]
pub struct MigrateConfig {
    /// The database; not needed for printing.
    pub database: Option<DatabaseSettings>,
    /// The schema.
    pub schema: String,
    /// The opt-in trigger.
    pub notify: Notify,
}

/// Checks `migrate`'s arguments.
pub fn migrate_config(args: &MigrateArgs) -> Result<MigrateConfig, Vec<String>> {
    let mut problems = Problems::default();
    let prints = args.print || args.print_down;
    let wanted = !prints || args.database.database_url.is_some() || args.database.database_url_file.is_some();
    let name = format!("{PROGRAM}/migrate");
    let database = if wanted { database(&mut problems, &args.database, &name) } else { None };
    check_schema(&mut problems, &args.database.schema);
    let notify = match (args.with_notify, args.without_notify) {
        (true, _) => Notify::With,
        (false, true) => Notify::Without,
        (false, false) => Notify::Keep,
    };
    if problems.0.is_empty() {
        Ok(MigrateConfig { database, schema: args.database.schema.clone(), notify })
    } else {
        Err(problems.0)
    }
}
