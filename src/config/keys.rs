//! The configuration of `keys release` and `keys dead-letter`.

use crate::cli::keys::KeyArgs;
use crate::config::command::{CommandConfig, command_config};
use crate::config::problems::Problems;
use crate::config::selection::{Audit, Consent, audit};

/// One key, and the flags of a change.
#[derive(Debug)]
pub struct KeyConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// The key.
    pub key: String,
    /// Whether to ask for confirmation.
    pub consent: Consent,
    /// Who makes the change, and why.
    pub audit: Audit,
}

/// Checks the arguments.
pub fn key_config(args: &KeyArgs) -> Result<KeyConfig, Vec<String>> {
    let mut problems = Problems::default();
    let audit = audit(&mut problems, &args.audit);
    if args.key.is_empty() || args.key.len() > 255 || args.key.contains('\0') {
        problems.add("KEY", "must be 1 to 255 bytes");
    }
    let common = problems.with(command_config(&args.common, "keys"))?;
    Ok(KeyConfig { common, key: args.key.clone(), consent: Consent { dry_run: false, yes: args.yes }, audit })
}
