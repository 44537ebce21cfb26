//! `outbox-relay check`: checks everything a relay needs, and says how to fix what is missing.
//! Called by `main`.
//!
//! Changes nothing and publishes nothing. Each service has its own deadlines, so that the command
//! never hangs. A service that cannot be reached is a failed finding like any other, and the rest
//! is still checked.

mod broker;
pub(in crate::commands) mod database;
mod expiry;
pub mod finding;
mod partitions;
mod routes;
mod tables;

use serde::Serialize;

use crate::commands::check::finding::{Area, Finding, Verdict, text};
use crate::commands::print::Output;

use crate::cli::environment::Unknown;
use crate::config::check::CheckConfig;
use crate::error::AppError;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document {
    ok: bool,
    findings: Vec<Finding>,
}

/// Runs all checks and prints every finding.
pub async fn check(config: CheckConfig) -> Result<(), AppError> {
    let mut findings = vec![configuration(&config)];
    findings.extend(config.unknown_variables.iter().map(unknown_variable));
    let skip = |area, check, why: &str| Finding::new(area, check, Verdict::Skip, why);
    if config.offline {
        findings.push(skip(Area::Database, "reachable", "--offline"));
        findings.push(skip(Area::Broker, "reachable", "--offline"));
    } else {
        let broker = async {
            if config.has_broker {
                Box::pin(broker::findings(&config.run)).await
            } else {
                vec![skip(Area::Broker, "reachable", "no --amqp-url")]
            }
        };
        // Concurrently: a service that does not answer delays only its own checks.
        let (of_database, of_broker) = tokio::join!(database::findings(&config.run), broker);
        findings.extend(of_database);
        findings.extend(of_broker);
    }
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    let document = Document { ok: failed == 0, findings };
    Output::new(config.json).answer(&document, || text(&document.findings));
    match failed {
        0 => Ok(()),
        1 => Err(AppError::No("1 check failed".into())),
        failed => Err(AppError::No(format!("{failed} checks failed"))),
    }
}

/// A bad configuration has already ended the command with 64.
fn configuration(config: &CheckConfig) -> Finding {
    let routes: Vec<String> =
        config.run.routes.all().map(|route| format!("{} to {}", route.name, route.exchange)).collect();
    let found =
        format!("values, URLs and files are valid; schema {}; routes: {}", config.run.schema, routes.join(", "));
    Finding::new(Area::Configuration, "arguments", Verdict::Ok, found)
}

/// A variable that somebody set in vain.
fn unknown_variable(Unknown { name, nearest }: &Unknown) -> Finding {
    let finding = Finding::new(
        Area::Configuration,
        "variable",
        Verdict::Warn,
        format!("no flag reads {name}, so it is not used"),
    );
    match nearest {
        Some(nearest) => finding.fix(format!("perhaps {nearest} is meant; otherwise remove it")),
        None => finding.fix("remove it"),
    }
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Document>()
}
