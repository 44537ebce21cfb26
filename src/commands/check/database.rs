//! The checks of the database: can it be reached, is it the right kind of server, has this role
//! what a relay needs. Called by `check`. `tables` checks the outbox in it, `routes` what the
//! routes must know.

use std::time::Duration;

use tokio_postgres::Row;

use crate::commands::check::expiry;
use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::commands::check::{routes, tables};
use crate::commands::print::words::span;
use crate::commands::session::Session;
use crate::commands::session::read::Reader;
use crate::commands::state::relays::RelayRow;
use crate::commands::state::strangers::Stranger;
use crate::commands::trace::find::{Surroundings, surroundings_without_tables};
use crate::config::PROGRAM;
use crate::config::command::CommandConfig;
use crate::config::run::RunConfig;
use crate::deadline::deadline;
use crate::error::AppError;
use crate::postgres::connect::{DatabaseSettings, chain};

/// The limit for all statements together, after connecting.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The server versions that the relay supports.
const VERSIONS: std::ops::RangeInclusive<i32> = 13..=18;
/// A transaction this old holds back floors and vacuum.
const OLD_TRANSACTION_SECONDS: i64 = 300;
/// How many transactions a slot may hold back before it is worth a warning.
const SLOT_TRANSACTIONS_MAX: i32 = 1_000_000;

/// The only encoding in which every text can be delivered.
pub(in crate::commands) const UTF8: &str = "UTF8";
/// What to do about another one.
pub(in crate::commands) const UTF8_FIX: &str =
    "move the outbox to a database created with ENCODING 'UTF8' TEMPLATE template0";

/// What another encoding means.
pub(in crate::commands) fn no_utf8(encoding: &str) -> String {
    format!(
        "the database's encoding is {encoding}, not {UTF8}: an event with bytes that cannot be turned into UTF-8 is never sent, and its key waits as unreadable"
    )
}

fn found(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Finding {
    Finding::new(Area::Database, check, verdict, found)
}

/// Every finding about the database and its contents.
pub(super) async fn findings(run: &RunConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = look(run, &mut findings).await {
        let fix = "see the message; later checks were skipped";
        findings.push(found("looking", Verdict::Fail, error.to_string()).fix(fix));
    }
    findings
}

async fn look(run: &RunConfig, findings: &mut Vec<Finding>) -> Result<(), AppError> {
    let database = any_server(&run.database);
    let config = CommandConfig { database, schema: run.schema.clone(), format: false.into() };
    let session = match deadline(CONNECT_LIMIT, "connecting to the database", Session::look(&config)).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => {
            findings.push(unreachable(&error.to_string()));
            return Ok(());
        }
        Err(error) => {
            findings.push(unreachable(&error.to_string()));
            return Ok(());
        }
    };
    let reader = Reader::with_limit(session, LOOK_LIMIT);
    let queries = &reader.session.queries;
    let server = reader.one("looking at the server", &queries.check_server, &[]).await?;
    findings.extend(of_server(&server));
    let mut around = surroundings_without_tables(&reader).await?;
    findings.push(connections(&server, run.workers, around.sessions.len()));
    findings.push(locks(&around.strangers));
    findings.push(oldest(&reader).await?);
    findings.extend(slots(&reader).await?);
    findings.push(pooler(run, &queries.backend_pid).await);
    findings.extend(listener(run).await);
    if tables::findings(&reader, run, findings).await? {
        around.read_relays(&reader).await?;
        findings.push(relays(&around));
        routes::findings(&reader, run, findings).await?;
    }
    Ok(())
}

/// The same address, but a standby may answer too, because that is a finding.
fn any_server(settings: &DatabaseSettings) -> DatabaseSettings {
    settings.any_server(format!("{PROGRAM}/check"))
}

fn unreachable(error: &str) -> Finding {
    let fix = "check the address in --database-url, the server's pg_hba.conf and the role's password";
    found("reachable", Verdict::Fail, error).fix(fix)
}

fn of_server(row: &Row) -> Vec<Finding> {
    let (version, role): (String, String) = (row.get("version"), row.get("role"));
    let tls = if row.get("is_tls") { "TLS" } else { "no TLS" };
    let mut findings = vec![found("reachable", Verdict::Ok, format!("PostgreSQL {version} as {role}, {tls}"))];
    let major = row.get::<_, i32>("version_number") / 10_000;
    findings.push(if VERSIONS.contains(&major) {
        found("version", Verdict::Ok, format!("{major} is supported"))
    } else {
        let range = format!("{} to {}", VERSIONS.start(), VERSIONS.end());
        let verdict = if major < *VERSIONS.start() { Verdict::Fail } else { Verdict::Warn };
        found("version", verdict, format!("{major} is not supported ({range} are)"))
            .fix(format!("use PostgreSQL {range}"))
    });
    findings.push(match (row.get("is_standby"), row.get("is_read_only")) {
        (true, _) => found("writable", Verdict::Fail, "this server is a standby")
            .fix("name the primary, or all nodes, in --database-url"),
        (false, true) => found("writable", Verdict::Fail, "default_transaction_read_only is on").fix(format!(
            "ALTER ROLE {role} SET default_transaction_read_only = off (or find out who made the server read-only)"
        )),
        (false, false) => found("writable", Verdict::Ok, "a primary that takes writes"),
    });
    let encoding: String = row.get("encoding");
    if encoding != UTF8 {
        findings.push(found("encoding", Verdict::Warn, no_utf8(&encoding)).fix(UTF8_FIX));
    }
    if row.get("is_superuser") {
        findings.push(
            found("role", Verdict::Warn, format!("{role} is a superuser"))
                .fix("create a role for the relay: outbox-relay migrate --grants --print shows what it needs"),
        );
    }
    findings.extend(expiry::of_role(&role, row.get("password_seconds")));
    let idle: String = row.get("idle_session_timeout");
    if idle != "0" {
        findings.push(
            found(
                "timeouts",
                Verdict::Warn,
                format!("idle_session_timeout is {idle}, which closes the connections that relays keep"),
            )
            .fix(format!("ALTER ROLE {role} SET idle_session_timeout = 0")),
        );
    }
    findings
}

/// Whether every replica can open workers + 2 connections.
fn connections(row: &Row, workers: usize, relays: usize) -> Finding {
    let each = i64::try_from(workers + 2).unwrap_or(i64::MAX);
    let replicas = i64::try_from(relays.max(1)).unwrap_or(i64::MAX);
    let needed = each.saturating_mul(replicas);
    let free = i64::from(row.get::<_, i32>("connections_max")) - row.get::<_, i64>("connections_used");
    let role_connections = i64::from(row.get::<_, i32>("role_connections"));
    let text = format!("{free} free; relays seen: {relays}; with {workers} workers each they need at most {needed}");
    if role_connections >= 0 && role_connections < needed {
        let fix = format!("ALTER ROLE {} CONNECTION LIMIT {needed}, or lower --workers", row.get::<_, String>("role"));
        return found("connections", Verdict::Warn, format!("the role may open only {role_connections}; {text}"))
            .fix(fix);
    }
    if free < each {
        return found("connections", Verdict::Warn, text)
            .fix("raise max_connections, use a pooler, or lower --workers");
    }
    found("connections", Verdict::Ok, text)
}

/// Whether something keeps all relays from publishing. Before the first one starts, none is there.
fn relays(around: &Surroundings) -> Finding {
    match &around.obstacle {
        Some(obstacle) => found("relays", Verdict::Warn, obstacle.words()).fix(obstacle.fix()),
        None => {
            let awake: Vec<String> =
                around.relays.iter().filter(|relay| !relay.is_silent).map(RelayRow::name).collect();
            found("relays", Verdict::Ok, format!("at work: {}", awake.join(", ")))
        }
    }
}

/// Whether the relays' locks are the relays'.
fn locks(strangers: &[Stranger]) -> Finding {
    if strangers.is_empty() {
        return found("locks", Verdict::Ok, "nobody but relays holds a relay's locks");
    }
    let words: Vec<String> = strangers.iter().map(Stranger::words).collect();
    let fixes: Vec<String> = strangers.iter().map(Stranger::fix).collect();
    found("locks", Verdict::Warn, words.join("; ")).fix(fixes.join("; "))
}

async fn oldest(reader: &Reader) -> Result<Finding, AppError> {
    let facts = reader.one("reading the time", &reader.session.queries.session_facts, &[]).await?;
    let now: time::OffsetDateTime = facts.get("now");
    let sql = &reader.session.queries.oldest_transaction;
    let rows = reader.rows("looking for the oldest transaction", sql, &[]).await?;
    let hidden = if facts.get("sees_sessions") {
        ""
    } else {
        "; those of other roles are hidden (GRANT pg_read_all_stats to see them)"
    };
    let Some(row) = rows.first() else {
        return Ok(found("old transactions", Verdict::Ok, format!("none{hidden}")));
    };
    let since: time::OffsetDateTime = row.get("since");
    let age = (now - since).whole_seconds();
    let (pid, name): (i32, Option<String>) = (row.get("pid"), row.get("application_name"));
    let text = format!("the oldest has been open for {} (pid {pid}, {}){hidden}", span(age), name.unwrap_or_default());
    Ok(if age > OLD_TRANSACTION_SECONDS {
        found("old transactions", Verdict::Warn, text).fix(format!(
            "it holds back vacuum and the floors: end it, for example with SELECT pg_terminate_backend({pid})"
        ))
    } else {
        found("old transactions", Verdict::Ok, text)
    })
}

async fn slots(reader: &Reader) -> Result<Vec<Finding>, AppError> {
    let rows = reader.rows("looking at replication slots", &reader.session.queries.check_slots, &[]).await?;
    let is_old = |row: &&Row| row.get::<_, Option<i32>>("transactions").unwrap_or(0) > SLOT_TRANSACTIONS_MAX;
    Ok(rows
        .iter()
        .filter(is_old)
        .map(|row| {
            let name: String = row.get("name");
            let transactions: i32 = row.get::<_, Option<i32>>("transactions").unwrap_or(0);
            found(
                "replication slots",
                Verdict::Warn,
                format!("the slot {name} holds back vacuum by {transactions} transactions"),
            )
            .fix(format!("let its consumer catch up, or drop it: SELECT pg_drop_replication_slot('{name}')"))
        })
        .collect())
}

/// Between transactions, a pooler in transaction mode gives one connection's process to another.
async fn pooler(run: &RunConfig, sql: &str) -> Finding {
    let look = async { is_pooled(&any_server(&run.database), sql).await };
    let is_pooled = match deadline(CONNECT_LIMIT, "looking for a pooler", look).await {
        Ok(Ok(is_pooled)) => is_pooled,
        Ok(Err(error)) => return found("pooler", Verdict::Warn, error),
        Err(error) => return found("pooler", Verdict::Warn, error.to_string()),
    };
    // LISTEN uses the same address unless it has its own.
    let listens_here = run.listen.as_ref().is_some_and(|listen| listen.leads_to(&run.database));
    match (is_pooled, listens_here) {
        (false, _) => found("pooler", Verdict::Ok, "direct connection"),
        (true, false) => found("pooler", Verdict::Ok, "a pooler in transaction mode, which works"),
        (true, true) => found("pooler", Verdict::Fail, "LISTEN does not work through a pooler in transaction mode")
            .fix("set --listen-database-url to a direct address, or use --wake poll"),
    }
}

/// The connection for LISTEN. Without it, the relay polls.
async fn listener(run: &RunConfig) -> Option<Finding> {
    let settings = any_server(run.listen.as_ref()?);
    let error = match deadline(CONNECT_LIMIT, "connecting for LISTEN", settings.connect()).await {
        Ok(Ok(_)) => return Some(found("listener", Verdict::Ok, "reachable")),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let fix = "check the address in --listen-database-url; until the relay can listen, it polls";
    Some(found("listener", Verdict::Warn, error).fix(fix))
}

async fn is_pooled(settings: &DatabaseSettings, sql: &str) -> Result<bool, String> {
    let connect = async || settings.connect().await.map(|(client, _)| client).map_err(|error| error.to_string());
    let (first, second) = (connect().await?, connect().await?);
    let pid = async |client: &tokio_postgres::Client| {
        let row = client.query_typed_one(sql, &[]).await.map_err(|error| chain(&error))?;
        Ok::<i32, String>(row.get(0))
    };
    let before = pid(&first).await?;
    second.batch_execute("BEGIN READ ONLY").await.map_err(|error| chain(&error))?;
    let other = pid(&second).await?;
    let after = pid(&first).await?;
    second.batch_execute("ROLLBACK").await.map_err(|error| chain(&error))?;
    Ok(before == other || before != after)
}
