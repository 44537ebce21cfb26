//! What the routes have to know: names that are stored with holds, waits and replayed events, and the types that are pending now. Called
//! by `check_database`, which has the snapshot.

use std::collections::BTreeSet;

use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::commands::session::read::Reader;
use crate::config::run::RunConfig;
use crate::error::AppError;

/// Names that a finding shows.
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
            format!("on hold, and no route has that name: {names}"),
            "a renamed route is not held any more: hold the new name (outbox-relay routes hold NAME), release the old one \
             (outbox-relay routes release NAME)"
                .into(),
        )
    });
    push(findings, "confirmed routes", Verdict::Fail, &unknown("confirmed route"), |names| {
        (
            format!("events wait that have these routes behind them, and no route has that name: {names}"),
            "a renamed route would get them a second time: keep the old name until these keys have gone on (outbox-relay keys list)"
                .into(),
        )
    });
    push(findings, "replayed routes", Verdict::Fail, &unknown("replayed route"), |names| {
        (
            format!("replayed events are for these routes only, and no route has that name: {names}"),
            "they would wait as no route: keep the old name until they have gone, or replay them again for the new one"
                .into(),
        )
    });
    push(findings, "event types", Verdict::Fail, &unknown("event type"), |names| {
        (
            format!("pending, and no route names them: {names}"),
            "name them in the routes file, or add a route for \"*\": their keys wait as no route until then".into(),
        )
    });
    if findings.len() == before {
        let found =
            "every name and type in use has its route (the first 500 pending events of each lane were looked at)";
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
    let (found, mend) = words(&format!("{}{more}", shown.join(", ")));
    findings.push(Finding::new(Area::Routes, check, verdict, found).mend(mend));
}
