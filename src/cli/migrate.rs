//! The arguments of `migrate`.

use clap::{ArgGroup, Args};

use crate::cli::services::DatabaseArgs;

/// `migrate`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("roles").multiple(true))]
pub struct MigrateArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Print the SQL instead of running it
    #[arg(long, help_heading = "Migration")]
    pub print: bool,
    /// Print the SQL that undoes every migration
    #[arg(long, help_heading = "Migration", conflicts_with = "print")]
    pub print_down: bool,
    /// Create the trigger that wakes relays with --wake listen
    #[arg(long, help_heading = "Migration", conflicts_with = "without_notify")]
    pub with_notify: bool,
    /// Drop that trigger
    #[arg(long, help_heading = "Migration")]
    pub without_notify: bool,
    /// Grant the roles named below what they need and no more; with --print only these statements are printed
    #[arg(long, help_heading = "Roles", requires = "roles", conflicts_with = "print_down")]
    pub grants: bool,
    /// Role that inserts events: the producer's
    #[arg(long, help_heading = "Roles", group = "roles", requires = "grants", value_name = "ROLE")]
    pub writer_role: Option<String>,
    /// Role that the relay logs in as
    #[arg(long, help_heading = "Roles", group = "roles", requires = "grants", value_name = "ROLE")]
    pub relay_role: Option<String>,
    /// Role of the operators' commands
    #[arg(long, help_heading = "Roles", group = "roles", requires = "grants", value_name = "ROLE")]
    pub admin_role: Option<String>,
    /// Create those of the roles that are missing, without a password
    #[arg(long, help_heading = "Roles", requires = "grants")]
    pub create_roles: bool,
}

/// What `migrate --help` opens with.
pub(super) const ABOUT: &str = "\
Create or upgrade the outbox tables, and grant roles what they need.

Needs a role that may create a schema; the tables are its own from then on. What is there already is left alone, so it can be run before \
every deployment. With --print nothing is changed: the SQL goes to standard output, for a migration tool or for review.

  outbox-relay migrate
  outbox-relay migrate --print > outbox.sql
  outbox-relay migrate --grants --create-roles --writer-role shop --relay-role relay --admin-role operators
  outbox-relay migrate --with-notify

Exit codes: 0 done, also where nothing was to do · 1 the database said no · 64 wrong usage or configuration · 69 the database cannot be \
reached.";
