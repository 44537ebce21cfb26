//! The arguments of `status`.

use clap::Args;

use crate::cli::command::CommandArgs;

/// `status`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct StatusArgs {
    /// End with exit code 1 unless the condition is OK
    #[arg(long, help_heading = "Output")]
    pub exit_code: bool,
    /// Look again and again until Ctrl-C, every 2s or as often as told: --watch=10s
    #[arg(
        long,
        help_heading = "Output",
        value_name = "DURATION",
        num_args = 0..=1,
        default_missing_value = "2s",
        require_equals = true,
        conflicts_with = "exit_code"
    )]
    pub watch: Option<String>,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// The long help. The command itself takes it, because otherwise its one-line help would replace
/// it.
pub(super) const LONG_ABOUT: &str = "\
Show the whole outbox on one screen. The first line is its condition and why:

  OK         everything that may leave leaves
  BEHIND     events leave late, or some are tried again
  STUCK      events wait until somebody does something; the line says for what
  IDLE       nothing waits, and no relay is connected
  ATTENTION  everything leaves; dead letters need a decision

Below it: how much is pending and how old the oldest event is, which \
keys wait and why, which destinations are on hold, unresolved dead letters, connected relays, and \
when each upkeep job last ran.

Reads one snapshot of the database, changes nothing, and needs no broker. Works on a standby and \
on a read-only database. Gives up after 2 s for \
connecting and 2 s for reading. Counts stop at 100000. Only members of pg_read_all_stats can see \
other sessions' transactions; what relays say of themselves (their heartbeats, every 10 s) is for everybody.";

const AFTER: &str = "\
Examples:
  outbox-relay status
  outbox-relay status --watch
  outbox-relay status --exit-code > /dev/null || echo look at the outbox
  outbox-relay status --json | jq .oldest_pending_age_seconds

JSON (a count of count_max + 1 means more): schema, at, schema_version, \
condition, why, database, pending, oldest_pending_age_seconds, last_published_at, waiting_keys, count_max,
  waits[]{reason, keys, oldest_since}, hold_groups[]{scope, exchange, route, kind, holds, waiting_keys, since, first_hold_id}, holds[]{id, scope, exchange, routing_key, route, kind, reason, error, since, next_probe_at,
  held_by, note, waiting_keys}, dead_letters, dead_letter_reasons[]{reason, events, oldest_at},
  relays[]{host, pid, version, started_at, seen_at, is_silent, broker, broker_since, broker_error, confirmed_at, published, routes},
  sessions[]{name, version, host, connections, active, since, listens},
  lock_strangers[]{pid, what, locks, role, application_name, since}, prepared_transactions[]{gid, role, age_seconds}, wake{trigger, listening},
  upkeep[]{job, last_run_at, run_by, is_late}, floors{behind, oldest_transaction{pid, role, application_name, since}},
  vacuum{dead_rows, last_autovacuum}, sees_sessions, notes[], next[]{to, command}.

Exit codes: 0 answered, healthy or not · 1 no tables, the database refused, or not OK with --exit-code · 64 wrong usage or \
configuration · 69 the database cannot be reached, or is too slow";
