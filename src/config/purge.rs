//! The configuration of `purge`.

use std::time::Duration;

use crate::cli::purge::{PurgeDeadLettersArgs, PurgeRowsArgs};
use crate::config::command::{CommandConfig, command_config};
use crate::config::problems::Problems;
use crate::config::selection::{Audit, Consent, audit};

const AGE_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Published events.
    Published,
    /// Dead letters; with `unresolved`, also unresolved ones.
    DeadLetters {
        /// Whether to delete events that were never delivered.
        unresolved: bool,
    },
}

/// `purge`.
#[derive(Debug)]
pub struct PurgeConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// What.
    pub what: Purged,
    /// Older than this.
    pub older_than: Option<Duration>,
    /// Of this aggregate.
    pub aggregate_id: Option<String>,
    /// Whether to make the change.
    pub consent: Consent,
    /// Who makes the change, and why.
    pub audit: Audit,
}

/// Checks the arguments of `purge published`.
pub fn published_config(args: &PurgeRowsArgs) -> Result<PurgeConfig, Vec<String>> {
    config(args, Purged::Published, Problems::default())
}

/// Checks the arguments of `purge dead-letters`.
pub fn dead_letters_config(args: &PurgeDeadLettersArgs) -> Result<PurgeConfig, Vec<String>> {
    let (consent, mut problems) = (args.rows.consent, Problems::default());
    if args.unresolved && !consent.yes && !consent.dry_run {
        problems.add("unresolved", "deletes events that were never delivered; add --yes, or look first with --dry-run");
    }
    config(&args.rows, Purged::DeadLetters { unresolved: args.unresolved }, problems)
}

fn config(args: &PurgeRowsArgs, what: Purged, mut problems: Problems) -> Result<PurgeConfig, Vec<String>> {
    let older_than =
        args.older_than.as_ref().map(|text| problems.duration("older-than", text, (Duration::ZERO, AGE_MAX)));
    if args.older_than.is_none() && args.aggregate_id.is_none() {
        problems.0.push("no filter is given; select events with --older-than 30d, --aggregate-id ID, or both".into());
    }
    if args.aggregate_id.as_ref().is_some_and(|id| id.is_empty() || id.contains('\0')) {
        problems.add("aggregate-id", "must not be empty or contain a NUL");
    }
    let audit = audit(&mut problems, &args.audit);
    let common = problems.with(command_config(&args.common, "purge"))?;
    let aggregate_id = args.aggregate_id.clone();
    Ok(PurgeConfig { common, what, older_than, aggregate_id, consent: args.consent.into(), audit })
}
