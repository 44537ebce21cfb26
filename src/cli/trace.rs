//! The arguments of `trace`.

use clap::Args;

use crate::cli::command::CommandArgs;

/// `trace`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct TraceArgs {
    /// A key (partition key), an aggregate id such as an order's, or an event id (or its beginning, 6 digits or more) with or without msg- before it, or a correlation id
    #[arg(value_name = "KEY|ID", help_heading = "Arguments")]
    pub target: String,
    /// Events to show at the most: dead letters and the head first, then what is not published, then the newest
    #[arg(long, help_heading = "Output", default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Show payloads up to 1 MiB; they may hold personal data
    #[arg(long, help_heading = "Output")]
    pub payload: bool,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// The long help. The command itself takes it, because otherwise its one-line help would replace
/// it.
pub(super) const LONG_ABOUT: &str = "\
Show where an event is, since when and why, what is ahead of it, and the exact command to run \
next.

Reads one snapshot of the database, changes nothing, and needs no broker. Gives up after 2 s for \
connecting and 2 s for reading.

States: pending (a relay takes it next), waiting (behind an earlier event of its key), retrying \
(an attempt failed), held (its destination is on hold), no route (no route names its type), \
unconfirmed (sent, not confirmed yet), dead-lettered (given up), published (confirmed by the \
broker). If nothing is found, the output says what that can mean: another schema, published and \
deleted since, or never committed here.";

const AFTER: &str = "\
Examples:
  outbox-relay trace order-42
  outbox-relay trace msg-7b0cbb0e-9a5e-4b5c-8c7e-0d6f5f6f0c11
  outbox-relay trace --payload --limit 5 order-42
  outbox-relay trace --json order-42 | jq '.events[] | {seq, event_type, state, why}'

The commands that it prints omit how to reach the database: set OUTBOX_DATABASE_URL, or add \
--database-url.

JSON: query, schema, at, found, pending, published, dead_lettered, events_not_shown, notes[], \
next[]{to, command},
  events[]{id, seq, key, aggregate_type, aggregate_id, event_type, correlation_id, created_at, published_at, state, headline,
  since, until, why, ahead{event_id, event_type, events}, may_arrive_twice, replay_id, only_routes, dead_letters[]{dead_letter_id,
  failure_reason, last_error, attempts, dead_lettered_at, processed_at, resolution, resolved_by, routes_confirmed, routes_failed},
  payload_bytes, payload, next[]},
  replays[]{id, started_at, finished_at, source, requested_by, note, events},
  relays[]{host, pid, version, started_at, seen_at, is_silent, broker, broker_since, broker_error, confirmed_at, published, routes}.
  Not found: query, schema, found (false), kind (no_tables, other_schema, deleted_or_never_committed),
  other_schemas[]{schema, events}, published_since, open_transactions[]{pid, role, application_name, state, since},
  hidden_sessions, replays[], notes[], next[].
  state is one of pending, waiting, retrying, held, no_route, unconfirmed, dead_lettered, published.

Exit codes: 0 found · 1 not found, or the database refused · 64 wrong usage or configuration · 69 \
the database cannot be reached, or is too slow";
