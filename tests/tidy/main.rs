//! The rules of the house that no compiler checks: sizes, imports, where SQL and deadlines may be, and that what is documented is what is
//! there. Fast, without services. Each rule names what breaks it and where.

mod tree;

mod budgets;
mod commands_doc;
mod crash_points;
mod dependencies;
mod imports;
mod licences;
mod links;
mod metrics_doc;
mod phrases;
mod places;
mod sql;
mod states;
mod threats;

use std::path::PathBuf;

/// Compares a generated document with what is in the repository, or writes it where `UPDATE_DOCS=1`.
fn assert_generated(path: &str, generated: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(&file, generated).unwrap_or_else(|error| panic!("{path}: {error}"));
        return;
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    let differing = there.lines().zip(generated.lines()).find(|(left, right)| left != right);
    assert!(
        there == generated,
        "{path} is not what the program says. This fixes it: UPDATE_DOCS=1 cargo test --test tidy\nfirst difference: {differing:?}"
    );
}

/// Fails with every finding, one a line.
fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n{}", findings.join("\n"));
}
