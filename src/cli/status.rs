//! The arguments of `status`.

use clap::Args;

use crate::cli::command::CommandArgs;

/// `status`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct StatusArgs {
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// The long help. The command itself takes it, because otherwise its one-line help would replace
/// it.
pub(super) const LONG_ABOUT: &str = "\
Show the whole outbox on one screen: how much is pending and how old the oldest event is, which \
keys wait and why, which destinations are on hold, unresolved dead letters, connected relays, and \
when each upkeep job last ran.

Reads one snapshot of the database, changes nothing, and needs no broker. Gives up after 2 s for \
connecting and 2 s for reading. Counts stop at 100000. Only members of pg_read_all_stats can see \
what other sessions do; the output says what is hidden.";

const AFTER: &str = "\
Examples:
  outbox-relay status
  outbox-relay status --json | jq .oldest_pending_age_seconds

JSON (a count of count_max + 1 means more): schema, at, schema_version, pending, \
oldest_pending_age_seconds, last_published_at, waiting_keys, count_max,
  waits[]{reason, keys, oldest_since}, holds[]{id, scope, exchange, routing_key, route, kind, reason, error, since, next_probe_at,
  held_by, note, waiting_keys}, dead_letters, dead_letter_reasons[]{reason, events, oldest_at},
  relays[]{name, version, host, connections, active, since, listens},
  lock_strangers[]{pid, what, locks, role, application_name, since}, wake{trigger, listening},
  upkeep[]{job, last_run_at, run_by, is_late}, floors{behind, oldest_transaction{pid, role, application_name, since}},
  vacuum{dead_rows, last_autovacuum}, sees_sessions, notes[], next[]{to, command}.

Exit codes: 0 answered, healthy or not · 1 no tables, or the database refused · 64 wrong usage or \
configuration · 69 the database cannot be reached, or is too slow";
