//! The checks of the outbox tables: version, privileges, row-level security, foreign triggers,
//! shape and indexes. Called by `database`.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::commands::print::next::Typist;
use crate::commands::session::read::Reader;
use crate::commands::state::prepared::Prepared;
use crate::config::run::RunConfig;
use crate::error::AppError;
use crate::postgres::call::Param;

/// Without any of these, claims or retention read whole tables.
const INDEXES: [&str; 4] = ["events_pkey", "events_pending", "events_published", "events_published_aggregate"];
/// The lane as PostgreSQL prints it, without the parts that differ between versions, and without quotes: some sessions want all names quoted.
const LANE: [&str; 2] = ["hashtextextended(coalesce(partition_key,aggregate_id)", "63"];

fn found(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Finding {
    Finding::new(Area::Database, check, verdict, found)
}

/// Adds every finding. Returns whether the tables can be read.
pub(super) async fn findings(reader: &Reader, run: &RunConfig, findings: &mut Vec<Finding>) -> Result<bool, AppError> {
    let schema = run.schema.as_str();
    let queries = &reader.session.queries;
    let params: [Param<'_>; 1] = [(&schema, Type::TEXT)];
    let role: String = reader.one("reading the role", &queries.session_facts, &[]).await?.get("role");
    let privileges = reader.rows("reading the privileges", &queries.check_privileges, &params).await?;
    let migrate = Typist::new(schema).command("", &["migrate"], None).command.unwrap_or_default();
    if privileges.iter().any(|row| !row.get::<_, bool>("is_there")) {
        let missing: Vec<String> =
            privileges.iter().filter(|row| !row.get::<_, bool>("is_there")).map(|row| row.get("object")).collect();
        let mut missing = missing;
        missing.dedup();
        let text = format!("the schema {schema} has no outbox tables, or not all; missing: {}", missing.join(", "));
        findings.push(
            found("schema", Verdict::Fail, text).fix(format!("{migrate} --database-url …, as the owner of the tables")),
        );
        return Ok(false);
    }
    let refused: Vec<&Row> = privileges.iter().filter(|row| !row.get::<_, bool>("is_granted")).collect();
    findings.push(of_privileges(&refused, schema, &role));
    if refused
        .iter()
        .any(|row| row.get::<_, &str>("privilege") == "SELECT" || row.get::<_, &str>("privilege") == "USAGE")
    {
        findings.push(found("schema", Verdict::Skip, "this role cannot read all tables"));
        return Ok(false);
    }
    if let Err(error) = reader.session.check_schema().await {
        findings.push(found("schema", Verdict::Fail, error.to_string()).fix(migrate));
        return Ok(false);
    }
    findings.push(found("schema", Verdict::Ok, format!("{schema} has a version that this relay supports")));
    let in_the_way = reader.rows("looking for triggers and policies", &queries.check_tables, &params).await?;
    findings.extend(of_tables(&in_the_way, schema, &role));
    let shape = reader.one("looking at the events table", &queries.check_shape, &params).await?;
    findings.extend(of_shape(&shape, schema));
    findings.extend(of_wake(run, shape.get("has_notify_trigger"), &migrate));
    findings.push(of_writers(shape.get("has_order_writers")));
    let prepared = reader.rows("looking at prepared transactions", &queries.prepared_writers, &[]).await?;
    findings.extend(
        prepared
            .iter()
            .map(Prepared::read)
            .map(|prepared| found("prepared transactions", Verdict::Warn, prepared.words()).fix(prepared.fix())),
    );
    let is_readable = !in_the_way.iter().any(|row| row.get::<_, &str>("kind") == "row_security");
    if is_readable {
        let sequence = reader.one("looking at the sequence", &queries.check_sequence, &[]).await?;
        findings.push(of_sequence(&sequence, schema));
    }
    // With row-level security, reading fails: the relay switches it off, so that it fails rather
    // than sees nothing.
    Ok(is_readable)
}

fn of_privileges(refused: &[&Row], schema: &str, role: &str) -> Finding {
    if refused.is_empty() {
        return found("privileges", Verdict::Ok, format!("{role} has everything a relay needs"));
    }
    let (mut missing, mut grants): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for row in refused {
        let (object, privilege): (&str, &str) = (row.get("object"), row.get("privilege"));
        missing.push(format!("{privilege} on {object}"));
        grants.push(match object {
            "schema" => format!("GRANT USAGE ON SCHEMA {schema} TO {role};"),
            "events_seq_seq" => format!("GRANT SELECT ON SEQUENCE {schema}.{object} TO {role};"),
            table => format!("GRANT {privilege} ON {schema}.{table} TO {role};"),
        });
    }
    found("privileges", Verdict::Fail, format!("{role} lacks {}", missing.join(", "))).fix(grants.join(" "))
}

fn of_tables(rows: &[Row], schema: &str, role: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for row in rows {
        let (table, kind, name, acts_on): (&str, &str, &str, &str) =
            (row.get("table_name"), row.get("kind"), row.get("name"), row.get("acts_on"));
        findings.push(match kind {
            "row_security" => found(
                "row security",
                Verdict::Fail,
                format!(
                    "policies on {schema}.{table} apply to {role} and could hide rows, so the relay refuses to read"
                ),
            )
            .fix(format!("ALTER TABLE {schema}.{table} DISABLE ROW LEVEL SECURITY; or ALTER ROLE {role} BYPASSRLS;")),
            kind => {
                let what = format!("the {kind} '{name}' acts on {acts_on} of {schema}.{table}");
                let drop = if kind == "rule" { "DROP RULE" } else { "DROP TRIGGER" };
                found("triggers", Verdict::Warn, format!("{what} and can refuse or undo what the relay writes")).fix(
                    format!(
                        "make sure that it allows every UPDATE and DELETE, or {drop} \"{name}\" ON {schema}.{table};"
                    ),
                )
            }
        });
    }
    if !rows.iter().any(|row| row.get::<_, &str>("kind") == "row_security") {
        findings.push(found("row security", Verdict::Ok, "no policy hides rows from this role"));
    }
    findings
}

fn of_shape(row: &Row, schema: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let payload: Option<String> = row.get("payload_type");
    if payload.as_deref() != Some("json") {
        let text = format!(
            "the payload's type is {}: consumers get a text that differs from what was written",
            payload.unwrap_or_default()
        );
        let fix = format!("ALTER TABLE {schema}.events ALTER COLUMN payload TYPE json;");
        findings.push(found("payload", Verdict::Fail, text).fix(fix));
    }
    let lane: String = row.get::<_, Option<String>>("lane").unwrap_or_default();
    let plain: String = lane.chars().filter(|c| !c.is_whitespace() && *c != '"').collect::<String>().to_lowercase();
    if !LANE.iter().all(|part| plain.contains(part)) {
        let text = format!("the lane is computed wrongly: {lane}");
        let fix = "restore the column as in outbox-relay migrate --print; otherwise relays do not keep the order";
        findings.push(found("lane", Verdict::Fail, text).fix(fix));
    }
    let indexes: Vec<String> = row.get::<_, Option<Vec<String>>>("indexes").unwrap_or_default();
    let missing: Vec<&str> = INDEXES.into_iter().filter(|index| !indexes.iter().any(|other| other == index)).collect();
    findings.push(if missing.is_empty() {
        found("indexes", Verdict::Ok, "all there and valid")
    } else {
        let fix =
            missing.iter().map(|index| format!("REINDEX INDEX CONCURRENTLY {schema}.{index};")).collect::<Vec<_>>();
        let fix = format!(
            "if it is invalid: {}; if it is missing: run its CREATE INDEX from outbox-relay migrate --print",
            fix.join(" ")
        );
        found("indexes", Verdict::Fail, format!("missing or invalid: {}", missing.join(", "))).fix(fix)
    });
    findings
}

/// Whether new events come after those that are there.
fn of_sequence(row: &Row, schema: &str) -> Finding {
    let (next, floor, highest): (i64, i64, Option<i64>) = (row.get("next"), row.get("floor"), row.get("highest"));
    let highest = highest.unwrap_or(0).max(floor - 1);
    if next > highest {
        return found("sequence", Verdict::Ok, format!("the next event gets the seq {next}, above all others"));
    }
    let text = format!(
        "the next event gets the seq {next}, but events and floors go up to {highest}: new events would leave before older ones of their key, or stay unseen below a floor"
    );
    found("sequence", Verdict::Fail, text)
        .fix(format!("SELECT setval('{schema}.events_seq_seq', {highest}); before anything else is written"))
}

fn of_writers(has_trigger: bool) -> Finding {
    let text = if has_trigger {
        "writers of one key take turns (the trigger order_writers)"
    } else {
        "no trigger orders writers: each must lock the aggregate before it adds the event (migrate --order-writers)"
    };
    found("writers", Verdict::Ok, text)
}

fn of_wake(run: &RunConfig, has_trigger: bool, migrate: &str) -> Vec<Finding> {
    match (run.listen.is_some(), has_trigger) {
        (true, false) => vec![
            found("wake", Verdict::Fail, "--wake listen, but no trigger notifies")
                .fix(format!("{migrate} --with-notify, or --wake poll")),
        ],
        (true, true) => vec![found("wake", Verdict::Ok, "listening, and the trigger exists")],
        (false, true) => vec![
            found("wake", Verdict::Warn, "the trigger notifies at every commit, but this relay polls")
                .fix(format!("--wake listen, or {migrate} --without-notify if no relay listens")),
        ],
        (false, false) => vec![found("wake", Verdict::Ok, "polling")],
    }
}
