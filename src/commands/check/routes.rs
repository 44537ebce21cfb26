//! What the routes must know: names stored with holds, waits and replayed events, and the types
//! that are pending now. Called by `database`, which has the snapshot.

use std::collections::BTreeSet;

use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::commands::session::read::Reader;
use crate::config::run::RunConfig;
use crate::error::AppError;

/// The most names that a finding shows.
const NAMES_SHOWN: usize = 10;

/// Adds every finding.
pub(super) async fn findings(reader: &Reader, run: &RunConfig, findings: &mut Vec<Finding>) -> Result<(), AppError> {
    let known: BTreeSet<&str> = run.routes.all().map(|route| &*route.name).collect();
    let rows = reader.rows("looking at the names in use", &reader.session.queries.check_names, &[]).await?;
    let unknown = |used_by: &str| -> Vec<String> {
        rows.iter()
            .filter(|row| row.get::<_, &str>("used_by") == used_by)
            .map(|row| row.get::<_, String>("name"))
            .filter(|name| {
                if used_by == "event type" {
                    run.routes.routes_for(name).is_empty()
                } else {
                    !known.contains(name.as_str())
                }
            })
            .collect()
    };
    let before = findings.len();
    push(findings, "held routes", Verdict::Warn, &unknown("held route"), |names| {
        (
            format!("on hold, but no route has that name: {names}"),
            "a renamed route is no longer held: hold the new name (outbox-relay routes hold NAME) and release the old one (outbox-relay routes release NAME)"
                .into(),
        )
    });
    push(findings, "confirmed routes", Verdict::Fail, &unknown("confirmed route"), |names| {
        (
            format!("waiting events were confirmed on these routes, but no route has that name: {names}"),
            "a renamed route would get them again: keep the old name until these keys have continued (outbox-relay keys list)"
                .into(),
        )
    });
    push(findings, "replayed routes", Verdict::Fail, &unknown("replayed route"), |names| {
        (
            format!("replayed events go only to these routes, but no route has that name: {names}"),
            "they would wait as no route: keep the old name until they have left, or replay them again for the new one"
                .into(),
        )
    });
    push(findings, "event types", Verdict::Fail, &unknown("event type"), |names| {
        (
            format!("pending, but no route names them: {names}"),
            "add them to the routes file, or add a route for \"*\"; until then their keys wait as no route".into(),
        )
    });
    if findings.len() == before {
        let found = "every name and type in use has a route (checked the first 500 pending events of each lane)";
        findings.push(Finding::new(Area::Routes, "names", Verdict::Ok, found));
    }
    Ok(())
}

fn push(
    findings: &mut Vec<Finding>,
    check: &'static str,
    verdict: Verdict,
    names: &[String],
    words: impl FnOnce(&str) -> (String, String),
) {
    if names.is_empty() {
        return;
    }
    let more =
        if names.len() > NAMES_SHOWN { format!(" and {} more", names.len() - NAMES_SHOWN) } else { String::new() };
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let (found, fix) = words(&format!("{}{more}", shown.join(", ")));
    findings.push(Finding::new(Area::Routes, check, verdict, found).fix(fix));
}
