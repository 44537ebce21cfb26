//! `outbox-relay status`: the whole outbox on one screen. Called by `main`; `answer` prints.
//!
//! Changes nothing, needs no broker, and gives up after 2 s. Every count is capped, so that a
//! backlog of millions does not make it slow.

mod answer;

#[cfg(test)]
pub(in crate::commands) use answer::schema;

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::commands::print::next::{Step, Typist};
use crate::commands::print::words::distance;
use crate::commands::print::{Output, clear, say};
use crate::commands::session::read::{Part, Reader};
use crate::commands::state::condition::{Condition, OutboxFacts, Outcome, Waiting, condition};
use crate::commands::state::fix_of;
use crate::commands::state::prepared::Prepared;
use crate::commands::state::relays::{DatabaseMode, Obstacle};
use crate::commands::state::rows;
use crate::commands::state::strangers::Stranger;
use crate::commands::status::answer::{
    COUNT_MAX, DeadLetterReason, Document, Floors, HoldDocument, HoldGroup, Job, OldestTransaction, Vacuum,
    WaitsOfReason, Wake, text,
};
use crate::commands::trace::find::surroundings;
use crate::config::command::CommandConfig;
use crate::config::status::StatusConfig;
use crate::error::AppError;
use crate::outbox::event::WaitReason;
use crate::postgres::call::Param;

/// A job that has not run for this long is late: each is due at least every minute, and another
/// replica waits half as long again.
const LATE_SECONDS: i64 = 120;
/// The limit for finding the last published event.
const EXTRA_LIMIT: Duration = Duration::from_millis(250);
/// The most silent relays, and the most prepared transactions, that are named.
const NAMED_MAX: usize = 5;
/// Floors that are this many events behind are worth a note.
const FLOORS_BEHIND_MUCH: i64 = 100_000;

/// Runs the command: one look, or one after the other until a signal ends the process.
pub async fn run(config: StatusConfig) -> Result<(), AppError> {
    let Some(every) = config.watch else {
        let condition = look(&config.common).await?;
        return match condition {
            Condition::Ok => Ok(()),
            Condition::Behind | Condition::Stuck | Condition::Idle | Condition::Attention if !config.exit_code => {
                Ok(())
            }
            condition @ (Condition::Behind | Condition::Stuck | Condition::Idle | Condition::Attention) => {
                Err(AppError::No(format!("the condition is {}, not OK", condition.word())))
            }
        };
    };
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !clear() {
            return Ok(());
        }
        match look(&config.common).await {
            Ok(_) => {}
            // Away for a while: the next look may find it.
            Err(error @ AppError::Unreachable(_)) => say(&format!("outbox-relay: {error}\n")),
            Err(error) => return Err(error),
        }
    }
}

/// Looks once, and prints the page.
async fn look(config: &CommandConfig) -> Result<Condition, AppError> {
    let reader = Reader::open(config).await?;
    let around = surroundings(&reader).await?;
    let queries = &reader.session.queries;
    let cap = COUNT_MAX + 1;
    let capped: [Param<'_>; 1] = [(&cap, Type::INT8)];
    reader.plan_as_claim().await?;
    let backlog = reader.one("counting the backlog", &queries.count_backlog, &capped).await?;
    let waits = reader.rows("counting the keys that wait", &queries.status_waits, &capped).await?;
    let holds = reader.rows("reading the holds", &queries.status_holds, &capped).await?;
    let groups = reader.rows("grouping the holds", &queries.group_holds, &capped).await?;
    let letters = reader.rows("counting dead letters", &queries.status_dead_letters, &capped).await?;
    let upkeep = reader.rows("reading the upkeep", &queries.status_upkeep, &[]).await?;
    let tables = reader.one("looking at the tables", &queries.status_tables, &[]).await?;
    let oldest = reader.rows("looking for the oldest transaction", &queries.oldest_transaction, &[]).await?;
    let prepared = reader.rows("looking at prepared transactions", &queries.prepared_writers, &[]).await?;
    let last_published_at = last_published(&reader).await?;
    let listening = listening(&around.sessions);
    let mut document = Document {
        condition: Condition::Ok,
        why: String::new(),
        database: around.mode,
        schema: &config.schema,
        at: around.now,
        schema_version: tables.get("schema_version"),
        pending: backlog.get("pending"),
        oldest_pending_age_seconds: backlog.get("oldest_pending_age_seconds"),
        last_published_at,
        waiting_keys: backlog.get("blocked_keys"),
        count_max: COUNT_MAX,
        waits: waits.iter().map(waits_of_reason).collect(),
        hold_groups: groups.iter().map(hold_group).collect(),
        holds: holds.iter().filter_map(hold).collect(),
        dead_letters: backlog.get("dead_letters"),
        dead_letter_reasons: letters.iter().map(dead_letters).collect(),
        relays: around.relays,
        sessions: around.sessions,
        lock_strangers: around.strangers,
        prepared_transactions: prepared.iter().map(Prepared::read).collect(),
        wake: Wake { trigger: tables.get("has_trigger"), listening },
        upkeep: upkeep.iter().map(|row| job(row, around.now)).collect(),
        floors: Floors { behind: tables.get("floors_behind"), oldest_transaction: oldest.first().map(transaction) },
        vacuum: Vacuum { dead_rows: tables.get("dead_rows"), last_autovacuum: tables.get("last_autovacuum") },
        sees_sessions: around.sees_sessions,
        notes: Vec::new(),
        next: Vec::new(),
    };
    let outcome = outcome(&document, around.obstacle.as_ref());
    (document.condition, document.why) = (outcome.condition, outcome.why);
    document.notes = notes(&document, around.replayed_at);
    document.next = next(&document, around.obstacle.as_ref(), &Typist::new(&config.schema));
    Output::new(config.format).answer(&document, || text(&document));
    Ok(document.condition)
}

/// When an event was last published: the end of an index, which may be slow if dead entries lie
/// before it.
async fn last_published(reader: &Reader) -> Result<Option<OffsetDateTime>, AppError> {
    let sql = &reader.session.queries.newest_published;
    match reader.part(EXTRA_LIMIT, "looking for the last published event", sql, &[]).await? {
        Part::Found(rows) => Ok(rows.first().and_then(|row| row.get("at"))),
        Part::GivenUp => Ok(None),
    }
}

/// Whether a relay listens, as far as this role can see.
fn listening(relays: &[rows::LiveRelay]) -> Option<bool> {
    if relays.iter().any(|relay| relay.listens == Some(true)) {
        return Some(true);
    }
    relays.iter().all(|relay| relay.listens.is_some()).then_some(false)
}

fn waits_of_reason(row: &Row) -> WaitsOfReason {
    WaitsOfReason { reason: row.get("reason"), keys: row.get("keys"), oldest_since: row.get("oldest_since") }
}

fn hold_group(row: &Row) -> HoldGroup {
    HoldGroup {
        scope: row.get("scope"),
        exchange: row.get("exchange"),
        route: row.get("route"),
        kind: row.get("kind"),
        holds: row.get("holds"),
        waiting_keys: row.get("waiting_keys"),
        since: row.get("since"),
        first_hold_id: row.get("first_hold_id"),
    }
}

fn hold(row: &Row) -> Option<HoldDocument> {
    let hold = rows::hold(row)?;
    Some(HoldDocument {
        id: hold.id,
        destination: hold.scope.as_ref().map(ToString::to_string),
        scope: row.get("hold_scope"),
        exchange: row.get("hold_exchange"),
        routing_key: row.get("hold_routing_key"),
        route: row.get("hold_route"),
        kind: hold.kind.clone(),
        reason: hold.reason.clone(),
        error: hold.error.clone(),
        since: hold.since,
        next_probe_at: hold.next_probe_at,
        held_by: hold.held_by.clone(),
        note: hold.note.clone(),
        waiting_keys: row.get("waiting_keys"),
        facts: hold,
    })
}

fn dead_letters(row: &Row) -> DeadLetterReason {
    DeadLetterReason { reason: row.get("reason"), events: row.get("events"), oldest_at: row.get("oldest_at") }
}

fn job(row: &Row, now: OffsetDateTime) -> Job {
    let last_run_at: Option<OffsetDateTime> = row.get("last_run_at");
    let is_late = last_run_at.is_none_or(|at| (now - at).whole_seconds() > LATE_SECONDS);
    Job { job: row.get("job"), last_run_at, run_by: row.get("run_by"), is_late }
}

fn transaction(row: &Row) -> OldestTransaction {
    OldestTransaction {
        pid: row.get("pid"),
        role: row.get("role"),
        application_name: row.get("application_name"),
        database: row.get("database"),
        since: row.get("since"),
    }
}

/// The condition, from what the page shows.
fn outcome(document: &Document<'_>, obstacle: Option<&Obstacle>) -> Outcome {
    let mut waiting = Waiting::default();
    for waits in &document.waits {
        match WaitReason::parse(&waits.reason) {
            Some(WaitReason::Held) => waiting.held += waits.keys,
            Some(WaitReason::NoRoute) => waiting.no_route += waits.keys,
            Some(WaitReason::AfterDeadLetter) => waiting.after_dead_letter += waits.keys,
            Some(WaitReason::Unreadable | WaitReason::DeadLetterFailed) => waiting.bad_row += waits.keys,
            // An unknown reason, from a newer relay, counts as a retry, as in claims.
            Some(WaitReason::Retry | WaitReason::Unconfirmed) | None => waiting.again += waits.keys,
        }
    }
    let stranger = document.lock_strangers.iter().find(|stranger| stranger.what == "lanes").map(Stranger::words);
    let hold = document
        .holds
        .first()
        .map(|hold| (hold.destination.as_deref().unwrap_or("a destination of a newer relay"), hold.reason.as_str()));
    // The search in the table may have been given up; the relays know too.
    let confirmed = document.relays.iter().filter_map(|relay| relay.confirmed_at);
    let published_at = confirmed.chain(document.last_published_at).max();
    let facts = OutboxFacts {
        pending: document.pending,
        count_max: document.count_max,
        oldest_seconds: document.oldest_pending_age_seconds as i64,
        published_seconds: published_at.map(|at| (document.at - at).whole_seconds().max(0)),
        obstacle,
        stranger: stranger.as_deref(),
        waiting,
        hold,
        holds: document.hold_groups.iter().map(|group| group.holds).sum(),
        dead_letters: document.dead_letters,
    };
    condition(&facts)
}

fn notes(document: &Document<'_>, replayed_at: Option<OffsetDateTime>) -> Vec<String> {
    let mut notes: Vec<String> = document.lock_strangers.iter().map(Stranger::words).collect();
    notes.extend(document.prepared_transactions.iter().take(NAMED_MAX).map(Prepared::words));
    if document.database == DatabaseMode::Standby {
        let age = replayed_at.map_or_else(|| "not known".into(), |at| distance(at, document.at));
        notes.push(format!("this is a standby: its last change was {age}, and it does not see the relays' sessions"));
    }
    let silent = document.relays.iter().filter(|relay| relay.is_silent).take(NAMED_MAX);
    notes.extend(silent.map(|relay| {
        let seen = distance(relay.seen_at, document.at);
        format!("relay {} was seen {seen}: it is frozen, or it was killed", relay.name())
    }));
    if !document.sees_sessions {
        notes.push(
            "this role does not see other sessions' transactions; to see them: GRANT pg_read_all_stats TO it".into(),
        );
    }
    if !document.sessions.is_empty() && document.upkeep.iter().any(|job| job.is_late) {
        notes.push("an upkeep job is late: check the relays' logs".into());
    }
    if !document.sessions.is_empty() && document.floors.behind.unwrap_or(0) > FLOORS_BEHIND_MUCH {
        notes.push(
            "the floors are far behind: a long transaction holds them and vacuum back, and claims get slower".into(),
        );
    }
    if document.wake.listening == Some(true) && !document.wake.trigger {
        notes.push("a relay listens, but nothing notifies it: run outbox-relay migrate --with-notify".into());
    }
    notes
}

fn next(document: &Document<'_>, obstacle: Option<&Obstacle>, typist: &Typist<'_>) -> Vec<Step> {
    let mut next = Vec::new();
    if let Some(obstacle) = obstacle {
        next.push(Step::advice(obstacle.fix()));
        next.push(typist.command("check that it reaches both services, with its environment", &["check"], None));
    }
    next.extend(document.lock_strangers.iter().take(3).map(|stranger| Step::advice(stranger.fix())));
    next.extend(document.prepared_transactions.iter().take(3).map(|prepared| Step::advice(prepared.fix())));
    let firsts = document
        .hold_groups
        .iter()
        .filter_map(|group| document.holds.iter().find(|hold| hold.id == group.first_hold_id));
    for hold in firsts.take(3) {
        let destination = hold.destination.as_deref().unwrap_or("a destination of a newer relay");
        next.push(Step::advice(format!("{destination}: {}", fix_of(&hold.facts))));
        next.extend(hold.facts.scope.as_ref().map(|scope| typist.release_hold(scope)));
    }
    if document.waits.iter().any(|waits| WaitReason::parse(&waits.reason) != Some(WaitReason::Held)) {
        next.push(typist.command("list the waiting keys", &["keys", "list"], None));
    }
    if document.dead_letters > 0 {
        next.push(typist.command("list the dead letters", &["dlq", "list"], None));
    }
    next
}
