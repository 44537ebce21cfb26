//! Turns rows into the nouns of `facts`. The column names are those of `key_waits.sql`,
//! `list_keys.sql`, `trace_events.sql`, `trace_dead_letters.sql` and `status_holds.sql`, where the
//! columns of holds start with `hold_`.

use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::commands::state::facts::{HoldFacts, WaitFacts};
use crate::outbox::hold::HoldScope;

/// An event for `trace`, from the events or the dead letters.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its id.
    pub id: Uuid,
    /// Its place in the order of its key.
    pub seq: i64,
    /// Its key.
    pub key: String,
    /// For example `Order`.
    pub aggregate_type: String,
    /// The aggregate.
    pub aggregate_id: String,
    /// Its type.
    pub event_type: String,
    /// Correlates the messages of one business transaction.
    pub correlation_id: Option<String>,
    /// When it occurred.
    pub created_at: OffsetDateTime,
    /// The replay run that sent it again.
    pub replay_id: Option<Uuid>,
    /// The only routes that a replay sends.
    pub only_routes: Option<Vec<String>>,
    /// When it was confirmed.
    pub published_at: Option<OffsetDateTime>,
    /// When it was confirmed first, before replays sent it again.
    pub first_published_at: Option<OffsetDateTime>,
    /// Size of its payload.
    pub payload_bytes: i32,
    /// The payload, if it was asked for and is at most 1 MiB.
    pub payload: Option<String>,
}

/// The columns that events and dead letters share.
pub fn event(row: &Row) -> EventRow {
    EventRow {
        id: row.get("id"),
        seq: row.get("seq"),
        key: row.get("key"),
        aggregate_type: row.get("aggregate_type"),
        aggregate_id: row.get("aggregate_id"),
        event_type: row.get("event_type"),
        correlation_id: row.get("correlation_id"),
        created_at: row.get("created_at"),
        replay_id: row.get("replay_id"),
        only_routes: row.try_get("only_routes").unwrap_or_default(),
        published_at: row.try_get("published_at").unwrap_or_default(),
        first_published_at: row.try_get("first_published_at").unwrap_or_default(),
        payload_bytes: row.get("payload_bytes"),
        payload: row.get("payload"),
    }
}

/// A row of `outbox.dead_letters`, as every command shows it. Its payload and its original event
/// are shown by `dlq show` alone.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeadLetterRow {
    /// Its own id.
    pub dead_letter_id: i64,
    /// The event that was given up.
    pub event_id: Uuid,
    /// The event's place in the order of its key.
    pub seq: i64,
    /// The event's key.
    pub key: String,
    /// For example `Order`.
    pub aggregate_type: String,
    /// The aggregate.
    pub aggregate_id: String,
    /// The event's type.
    pub event_type: String,
    /// Correlates the messages of one business transaction.
    pub correlation_id: Option<String>,
    /// When the event occurred; null where the calendar has no such time.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub created_at: Option<OffsetDateTime>,
    /// The replay that sent it last.
    pub replay_id: Option<Uuid>,
    /// `FailureReason`'s word.
    pub failure_reason: String,
    /// The last error.
    pub last_error: Option<String>,
    /// Attempts that were charged.
    pub attempts: i32,
    /// Routes that confirmed it.
    pub routes_confirmed: Vec<String>,
    /// Routes that failed.
    pub routes_failed: Vec<String>,
    /// When it was given up.
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub dead_lettered_at: OffsetDateTime,
    /// When it was resolved; null while it is open.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub processed_at: Option<OffsetDateTime>,
    /// How it was resolved.
    pub resolution: Option<String>,
    /// Who resolved it.
    pub resolved_by: Option<String>,
    /// What they noted.
    pub note: Option<String>,
}

/// One row of `list_dead_letters.sql`, `show_dead_letter.sql` or `trace_dead_letters.sql`.
pub fn dead_letter(row: &Row) -> DeadLetterRow {
    DeadLetterRow {
        dead_letter_id: row.get("dead_letter_id"),
        event_id: row.get("id"),
        seq: row.get("seq"),
        key: row.get("key"),
        aggregate_type: row.get("aggregate_type"),
        aggregate_id: row.get("aggregate_id"),
        event_type: row.get("event_type"),
        correlation_id: row.get("correlation_id"),
        created_at: row.get("created_at"),
        replay_id: row.get("replay_id"),
        failure_reason: row.get("failure_reason"),
        last_error: row.get("last_error"),
        attempts: row.get("attempts"),
        routes_confirmed: row.get("routes_confirmed"),
        routes_failed: row.get("routes_failed"),
        dead_lettered_at: row.get("dead_lettered_at"),
        processed_at: row.get("processed_at"),
        resolution: row.get("resolution"),
        resolved_by: row.get("resolved_by"),
        note: row.get("note"),
    }
}

/// A row of `outbox.replays`: one run, as every command shows it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReplayRow {
    /// The run, also in the header x-outbox-replay.
    pub replay_id: Uuid,
    /// What it sent again: `published` or `dead_letters`.
    pub source: String,
    /// Which rows it was asked for.
    pub selection: serde_json::Value,
    /// By whom.
    pub requested_by: String,
    /// Why.
    pub note: Option<String>,
    /// How many events it queued so far.
    pub events: i64,
    /// When it began.
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: OffsetDateTime,
    /// When it ended; null while it can be resumed.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub finished_at: Option<OffsetDateTime>,
}

/// One row of `list_replays.sql` or `trace_replays.sql`.
pub fn replay(row: &Row) -> ReplayRow {
    ReplayRow {
        replay_id: row.get("id"),
        source: row.get("source"),
        // jsonb's own text; what is not JSON cannot be in the column.
        selection: serde_json::from_str(row.get("selection")).unwrap_or(serde_json::Value::Null),
        requested_by: row.get("requested_by"),
        note: row.get("note"),
        events: row.get("events"),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
    }
}

/// The wait of a key, if it has one.
pub fn wait(row: &Row) -> Option<WaitFacts> {
    Some(WaitFacts {
        event_id: row.get::<_, Option<Uuid>>("event_id")?,
        key: row.get("key"),
        event_type: row.get("event_type"),
        reason: row.get("reason"),
        attempts: row.get("attempts"),
        until: row.get("until"),
        since: row.get("since"),
        error: row.get("error"),
        routes_confirmed: row.get("routes_confirmed"),
        hold: hold(row),
    })
}

/// A hold, if there is one.
pub fn hold(row: &Row) -> Option<HoldFacts> {
    let text = |column: &str| row.get::<_, Option<String>>(column).unwrap_or_default();
    Some(HoldFacts {
        id: row.get::<_, Option<i64>>("hold_id")?,
        scope: HoldScope::from_columns(
            &text("hold_scope"),
            &text("hold_exchange"),
            &text("hold_routing_key"),
            &text("hold_route"),
        ),
        kind: text("hold_kind"),
        reason: text("hold_reason"),
        error: row.get("hold_error"),
        since: row.get("hold_since"),
        next_probe_at: row.get("hold_next_probe_at"),
        held_by: row.get("hold_held_by"),
        note: row.get("hold_note"),
    })
}

/// A connected relay.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LiveRelay {
    /// Its application name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it runs.
    pub host: String,
    /// Its connections; 1 when idle.
    pub connections: i64,
    /// How many of them are active right now; `None` if this role may not see it.
    pub active: Option<i64>,
    /// When the oldest connection was opened.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub since: Option<OffsetDateTime>,
    /// Whether one of them listens for notifications; `None` if this role may not see it.
    pub listens: Option<bool>,
}

/// One row of `live_relays.sql`.
pub fn relay(row: &Row) -> LiveRelay {
    let name: String = row.get("name");
    let mut parts = name.splitn(3, '/').skip(1).map(str::to_owned);
    let (version, host) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_visible = !row.get::<_, Option<bool>>("is_hidden").unwrap_or(true);
    LiveRelay {
        version,
        host,
        name,
        connections: row.get("backends"),
        active: is_visible.then(|| row.get("active")),
        since: row.get("since"),
        listens: is_visible.then(|| row.get("listens")),
    }
}
