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
    /// Grant the roles named below what they need and no more; with --print only these statements are printed
    #[arg(long, requires = "roles", conflicts_with = "print_down")]
    pub grants: bool,
    /// Role that inserts events: the producer's
    #[arg(long, group = "roles", requires = "grants", value_name = "ROLE")]
    pub writer_role: Option<String>,
    /// Role that the relay logs in as
    #[arg(long, group = "roles", requires = "grants", value_name = "ROLE")]
    pub relay_role: Option<String>,
    /// Role of the operators' commands
    #[arg(long, group = "roles", requires = "grants", value_name = "ROLE")]
    pub admin_role: Option<String>,
    /// Create those of the roles that are missing, without a password
    #[arg(long, requires = "grants")]
    pub create_roles: bool,
}
