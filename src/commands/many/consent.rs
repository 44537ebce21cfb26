//! Asking before a change: shows what would happen and waits for `yes` where somebody can answer, refuses where nobody can.
//!
//! Called by every command whose change cannot be taken back, before anything is changed.

use std::io::IsTerminal;

use crate::commands::print::{clean, say};
use crate::config::selection::{Audit, Consent};
use crate::error::AppError;

/// Refuses at once, before anything is looked up, where the question could not be answered.
pub(crate) fn can_ask(consent: Consent) -> Result<(), AppError> {
    if consent.yes || consent.dry_run || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(AppError::Config(vec![
        "confirmation is needed and the input is not a terminal; add --yes, or --dry-run to look first. Nothing was changed".into(),
    ]))
}

/// Shows `consequences` and asks, unless `--yes` was given. `Ok` is a yes.
pub(crate) fn agree(consent: Consent, consequences: &str) -> Result<(), AppError> {
    say(consequences);
    can_ask(consent)?;
    if consent.yes {
        return Ok(());
    }
    say("Type yes to go on: ");
    let mut answer = String::new();
    if let Err(error) = std::io::stdin().read_line(&mut answer) {
        return Err(AppError::No(format!("the answer cannot be read: {error}; nothing was changed")));
    }
    if answer.trim().eq_ignore_ascii_case("yes") {
        return Ok(());
    }
    Err(AppError::No("not confirmed; nothing was changed".into()))
}

/// The one line that a change leaves in the operator's log.
pub(crate) fn log_change(what: &str, audit: &Audit) {
    let by = audit.by.as_deref().map_or_else(|| "the database role".into(), clean);
    let note = audit.note.as_deref().map(|note| format!(": {}", clean(note))).unwrap_or_default();
    say(&format!("outbox-relay: {what} by {by}{note}\n"));
}
