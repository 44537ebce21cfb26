//! The arguments of `check`.

use clap::Args;

use crate::cli::run::RunArgs;

/// `check`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct CheckArgs {
    /// What the relay would run with.
    #[command(flatten)]
    pub run: RunArgs,
    /// Only look at the configuration: connect to nothing
    #[arg(long, help_heading = "Check")]
    pub offline: bool,
    /// Answer with one JSON document
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// The long help; the command itself takes it, or its one line would stand in the way.
pub(super) const LONG_ABOUT: &str = "\
Preflight of a relay: takes the arguments and the environment of `run`, tries what the relay would do, and names the mend of what would \
not work. Run it where the relay runs, before it does.

Changes nothing and publishes nothing: the permission to write to an exchange is tried with a message that the broker refuses for its \
properties after it has checked the permission. Every step has a deadline of 2 to 5 s. Without --amqp-url the broker is skipped.";

const AFTER: &str = "\
Examples:
  outbox-relay check
  outbox-relay check --offline        # in a build or an admission hook
  outbox-relay check --json | jq '.findings[] | select(.verdict == \"fail\")'

JSON: ok, findings[]{area (configuration, database, broker, routes), check, verdict (ok, warn, fail, skip), found, mend}.

Exit codes: 0 nothing failed (there may be warnings) · 1 something failed, also where a service cannot be reached: every finding is
  printed first · 64 usage or configuration, all problems together";
