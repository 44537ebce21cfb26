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
    /// With --print, leave out BEGIN and COMMIT, for a migration tool that opens the transaction itself
    #[arg(long, help_heading = "Migration", requires = "print")]
    pub no_transaction: bool,
    /// Print the SQL that undoes every migration
    #[arg(long, help_heading = "Migration", conflicts_with = "print")]
    pub print_down: bool,
    /// Create the trigger that wakes relays with --wake listen
    #[arg(long, help_heading = "Migration", conflicts_with = "without_notify")]
    pub with_notify: bool,
    /// Drop the trigger that wakes relays
    #[arg(long, help_heading = "Migration")]
    pub without_notify: bool,
    /// Create the trigger that makes writers of one key take turns, for ORMs that insert the event before they change the aggregate
    #[arg(long, help_heading = "Migration", conflicts_with = "without_order_writers")]
    pub order_writers: bool,
    /// Drop the trigger that makes writers take turns
    #[arg(long, help_heading = "Migration")]
    pub without_order_writers: bool,
    /// Grant the roles below exactly what they need; with --print, print only these statements
    #[arg(long, help_heading = "Roles", requires = "roles", conflicts_with = "print_down")]
    pub grants: bool,
    /// The producer's role, which inserts events
    #[arg(long, help_heading = "Roles", group = "roles", requires = "grants", value_name = "ROLE")]
    pub writer_role: Option<String>,
    /// Let the writer read only id, seq and created_at of events, not the whole table
    #[arg(long, help_heading = "Roles", requires = "writer_role")]
    pub writer_insert_only: bool,
    /// The role that the relay logs in as
    #[arg(long, help_heading = "Roles", group = "roles", requires = "grants", value_name = "ROLE")]
    pub relay_role: Option<String>,
    /// The role for the operators' commands
    #[arg(long, help_heading = "Roles", group = "roles", requires = "grants", value_name = "ROLE")]
    pub admin_role: Option<String>,
    /// Create missing roles, without a password
    #[arg(long, help_heading = "Roles", requires = "grants")]
    pub create_roles: bool,
}

/// What `migrate --help` opens with.
pub(super) const ABOUT: &str = "\
Create or upgrade the outbox tables, and grant roles what they need.

Run this as a role that may create a schema; it will own the tables. Existing tables are kept, so \
you can run it before every deployment. With --print, it changes nothing and prints the SQL, for \
review or for a migration tool.

  outbox-relay migrate
  outbox-relay migrate --print > outbox.sql
  outbox-relay migrate --grants --create-roles --writer-role shop --relay-role relay --admin-role operators
  outbox-relay migrate --with-notify
  outbox-relay migrate --order-writers

Exit codes: 0 done, or nothing to do · 1 the database refused · 64 wrong usage or configuration · \
69 the database cannot be reached.";
