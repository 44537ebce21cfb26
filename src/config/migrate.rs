//! The configuration of `migrate`.

use crate::cli::migrate::MigrateArgs;
use crate::commands::grants::{Grants, refusal};
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
    /// The grants, if asked for.
    pub grants: Option<Grants>,
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
    let roles =
        [("writer-role", &args.writer_role), ("relay-role", &args.relay_role), ("admin-role", &args.admin_role)];
    for (flag, role) in roles {
        if let Some(refusal) = role.as_deref().and_then(refusal) {
            problems.add(flag, refusal);
        }
    }
    let grants = args.grants.then(|| Grants {
        writer: args.writer_role.clone(),
        relay: args.relay_role.clone(),
        admin: args.admin_role.clone(),
        create_roles: args.create_roles,
    });
    if problems.0.is_empty() {
        Ok(MigrateConfig { database, schema: args.database.schema.clone(), notify, grants })
    } else {
        Err(problems.0)
    }
}
