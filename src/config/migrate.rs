//! The configuration of `migrate`.

use crate::cli::migrate::MigrateArgs;
use crate::config::PROGRAM;
use crate::config::database::{check_schema, database};
use crate::config::problems::Problems;
use crate::postgres::connect::DatabaseSettings;
use crate::postgres::grants::{Grants, refusal};

/// What to do about an optional trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionalTrigger {
    /// Keep it as it is.
    Keep,
    /// Create it.
    With,
    /// Drop it.
    Without,
}

impl OptionalTrigger {
    fn of(with: bool, without: bool) -> Self {
        match (with, without) {
            (true, _) => Self::With,
            (false, true) => Self::Without,
            (false, false) => Self::Keep,
        }
    }
}

/// The optional triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalTriggers {
    /// Wakes relays that listen.
    pub notify: OptionalTrigger,
    /// Makes writers of one key take turns.
    pub order_writers: OptionalTrigger,
}

/// What to do with the SQL.
#[derive(Debug)]
pub enum Mode {
    /// Run it there.
    Apply(DatabaseSettings),
    /// Print the SQL that creates the tables, or only the grants.
    Print {
        /// Whether the SQL opens and commits its own transaction.
        transaction: bool,
    },
    /// Print the SQL that undoes every migration.
    PrintDown,
}

/// Everything that `migrate` needs.
#[derive(Debug)]
pub struct MigrateConfig {
    /// What to do with the SQL.
    pub mode: Mode,
    /// The schema.
    pub schema: String,
    /// The optional triggers.
    pub triggers: OptionalTriggers,
    /// The grants, if asked for.
    pub grants: Option<Grants>,
}

/// Checks `migrate`'s arguments.
pub fn migrate_config(args: &MigrateArgs) -> Result<MigrateConfig, Vec<String>> {
    let mut problems = Problems::default();
    let mode = match (args.print, args.print_down) {
        (true, _) => Some(Mode::Print { transaction: !args.no_transaction }),
        (false, true) => Some(Mode::PrintDown),
        (false, false) => database(&mut problems, &args.database, &format!("{PROGRAM}/migrate")).map(Mode::Apply),
    };
    check_schema(&mut problems, &args.database.schema);
    let triggers = OptionalTriggers {
        notify: OptionalTrigger::of(args.with_notify, args.without_notify),
        order_writers: OptionalTrigger::of(args.order_writers, args.without_order_writers),
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
        writer_insert_only: args.writer_insert_only,
        relay: args.relay_role.clone(),
        admin: args.admin_role.clone(),
        create_roles: args.create_roles,
    });
    match mode {
        Some(mode) if problems.0.is_empty() => {
            Ok(MigrateConfig { mode, schema: args.database.schema.clone(), triggers, grants })
        }
        Some(_) | None => Err(problems.0),
    }
}
