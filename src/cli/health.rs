//! The arguments of `health`.

use clap::Args;

/// `health`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct HealthArgs {
    /// The address of the relay's admin port, as for `run`; a wildcard address means this host
    #[arg(
        long,
        env = "OUTBOX_ADMIN_ADDR",
        default_value = "[::]:9632",
        value_name = "ADDRESS",
        help_heading = "Health"
    )]
    pub admin_addr: String,
    /// Ask whether it is ready (/readyz) instead of alive (/livez)
    #[arg(long, help_heading = "Health")]
    pub ready: bool,
}

/// The long help; the command itself takes it, or its one line would stand in the way.
pub(super) const LONG_ABOUT: &str = "\
Whether the relay on this host is alive: asks its admin port, and waits for 4 s at most. For the health checks of Docker, compose and ECS, \
which run a program in the container; Kubernetes asks the port itself.";

const AFTER: &str = "\
Examples:
  outbox-relay health
  outbox-relay health --ready --admin-addr 127.0.0.1:9700

Exit codes: 0 it is · 1 it is not, does not answer, or has no admin port (--admin-addr off) · 64 usage or configuration";
