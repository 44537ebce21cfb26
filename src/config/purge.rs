//! The configuration of `purge`.

use std::time::Duration;

use crate::cli::purge::{PurgeDeadLettersArgs, PurgeRowsArgs};
use crate::config::command::{CommandConfig, command_config};
use crate::config::problems::Problems;
use crate::config::selection::{Audit, Consent, audit};

const AGE_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Published events.
    Published,
    /// Dead letters; unresolved ones too where `unresolved`.
    DeadLetters {
        /// Whether events that were never delivered go too.
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
    /// Whether to do it at all.
    pub consent: Consent,
    /// Who does it, and why.
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
        problems
            .add("unresolved", "events that were never delivered would be gone; add --yes, or --dry-run to look first");
    }
    config(&args.rows, Purged::DeadLetters { unresolved: args.unresolved }, problems)
}

fn config(args: &PurgeRowsArgs, what: Purged, mut problems: Problems) -> Result<PurgeConfig, Vec<String>> {
    let older_than =
        args.older_than.as_ref().map(|text| problems.duration("older-than", text, (Duration::ZERO, AGE_MAX)));
    if args.older_than.is_none() && args.aggregate_id.is_none() {
        problems.0.push("no filter is given; name what is meant: --older-than 30d, --aggregate-id ID, or both".into());
    }
    if args.aggregate_id.as_ref().is_some_and(|id| id.is_empty() || id.contains('\0')) {
        problems.add("aggregate-id", "no aggregate's id");
    }
    let audit = audit(&mut problems, &args.audit);
    let common = problems.with(command_config(&args.common, "purge"))?;
    let aggregate_id = args.aggregate_id.clone();
    Ok(PurgeConfig { common, what, older_than, aggregate_id, consent: args.consent.into(), audit })
}
