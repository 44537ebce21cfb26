//! Asks before a change: shows what would happen and waits for `yes`, or refuses if there is no
//! terminal.
//!
//! Called by every command whose change cannot be undone, before it changes anything.

use std::io::IsTerminal;

use crate::commands::print::fit::wrapped;
use crate::commands::print::{clean, say};
use crate::config::selection::{Audit, Consent};
use crate::error::AppError;

/// Refuses at once, before looking up anything, if nobody could answer the question.
pub(crate) fn can_ask(consent: Consent) -> Result<(), AppError> {
    if consent.yes || consent.dry_run || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(AppError::Config(vec![
        "confirmation is needed, but the input is not a terminal; add --yes, or look first with --dry-run. Nothing was changed".into(),
    ]))
}

/// Shows `consequences` and asks, unless `--yes` was given. `Ok` is a yes.
pub(crate) fn agree(consent: Consent, consequences: &str) -> Result<(), AppError> {
    say(&wrapped(consequences));
    can_ask(consent)?;
    if consent.yes {
        return Ok(());
    }
    say("Type yes or y to continue: ");
    let mut answer = String::new();
    if let Err(error) = std::io::stdin().read_line(&mut answer) {
        return Err(AppError::No(format!("cannot read the answer: {error}; nothing was changed")));
    }
    if ["yes", "y"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)) {
        return Ok(());
    }
    Err(AppError::No("not confirmed; nothing was changed".into()))
}

/// The line that a change leaves in the operator's terminal or log.
pub(crate) fn log_change(what: &str, audit: &Audit) {
    let by = audit.by.as_deref().map_or_else(|| "the database role".into(), clean);
    let note = audit.note.as_deref().map(|note| format!(": {}", clean(note))).unwrap_or_default();
    say(&format!("outbox-relay: {what} by {by}{note}\n"));
}
