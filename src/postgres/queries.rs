//! The SQL of `sql/queries`, with the schema filled in. Only this file reads it.

use std::sync::Arc;

macro_rules! queries {
    ($($name:ident),+ $(,)?) => {
        /// One field per file in `sql/queries`.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "the head of its file documents each field")]
        pub struct Queries { $(pub $name: String),+ }

        impl Queries {
            /// Reads every query for `schema`.
            pub fn new(schema: &str) -> Arc<Self> {
                Arc::new(Self {
                    $($name: in_schema(include_str!(concat!("../../sql/queries/", stringify!($name), ".sql")), schema)),+
                })
            }

            /// Every query with its name, for tests.
            pub fn all(&self) -> Vec<(&'static str, &str)> {
                vec![$((stringify!($name), self.$name.as_str())),+]
            }
        }
    };
}

queries! {
    begin_batch, plan_claim, plan_settle, has_work, has_due_probe, snapshot, begin_read, begin_change, claim_lanes, claim_events, claim_bodies, claim_past, ids_of_claim, read_suspects, park_unreadable, lock_tables, lock_floors, claim_probe, claim_probe_event, list_holds, mark_published, delete_confirmed, count_pending,
    end_waits, put_waits, put_hold, keep_holds, dead_letter, lift_hold, lift_waits, lift_no_route_waits, gone_holds, repair_times, lock_strangers, postpone_probe, drop_idle_hold, lock_confirmed, wake_marked_waits,
    wake_waits, note_routes, hold_unconfirmed_waits, unconfirmed_holds, probe_unconfirmed, put_flows, confirmed_flows, schema_version, take_jobs, move_floors, writers, sweep_late, lower_floor, lanes_behind,
    end_orphaned_waits, purge_published, end_hanging_backends, count_backlog, lock_lane, has_notify_trigger, begin_migration, try_lock_migration, lock_migration, has_migrations, migration_checksum, record_migration,
    lock_lanes, try_lock_lanes, begin_selection, lower_floors, database_time,
    select_published, sample_published, event_states, types_of_events, replay_published, start_replay, find_replay, count_replayed,
    finish_replay, list_replays, known_routes, pending_of_run, cancel_replay, count_runs, select_dead_letters, sample_dead_letters, find_dead_letters, revive_dead_letters, put_ahead,
    lower_waits, dead_letter_obstacles, put_confirmed,
    discard_dead_letters, keys_after_dead_letters, release_after_dead_letters, list_dead_letters, group_dead_letters, group_keys, show_dead_letter, event_history,
    key_state, release_key, show_holds, hold_route, lanes_of_hold, lift_lane_waits,
    sample_purge_published, purge_selected_published, sample_purge_dead_letters, purge_selected_dead_letters, count_aggregate_pending,
    list_keys, count_behind, status_waits, status_holds, group_holds, status_dead_letters, status_upkeep, status_tables, oldest_transaction, newest_published,
    check_server, check_privileges, check_tables, check_shape, check_slots, check_names, check_sequence, database_encoding, prepared_writers, backend_pid,
    session_facts, live_relays, open_transactions, other_schemas, oldest_published, key_waits,
    put_relay, drop_relays, list_relays,
    trace_correlated, trace_prefix, trace_events, trace_pending, trace_pending_elsewhere, trace_published, trace_published_elsewhere, trace_dead_letters, trace_replays, trace_exists,
}

/// Replaces the word `outbox` with the quoted schema, except in comments and in identifiers that
/// only contain it, such as `outbox_relay`.
pub fn in_schema(sql: &str, schema: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    for line in sql.split_inclusive('\n') {
        let (code, comment) = line.split_at(line.find("--").unwrap_or(line.len()));
        replace_word(&mut out, code, schema);
        out.push_str(comment);
    }
    out
}

fn replace_word(out: &mut String, sql: &str, schema: &str) {
    const WORD: &str = "outbox";
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut rest = sql;
    while let Some(at) = rest.find(WORD) {
        let (before, after) = (&rest[..at], &rest[at + WORD.len()..]);
        out.push_str(before);
        let inside = before.chars().next_back().or_else(|| out.chars().next_back()).is_some_and(is_part)
            || after.chars().next().is_some_and(is_part);
        if inside {
            out.push_str(WORD);
        } else {
            out.push('"');
            out.push_str(schema);
            out.push('"');
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_replaces_the_word_and_nothing_that_contains_it() {
        let sql = "-- The outbox.\nSELECT outbox.events, 'outbox_relay', \"outbox-relay\" FROM outbox -- of the outbox";
        let expected =
            "-- The outbox.\nSELECT \"shop\".events, 'outbox_relay', \"outbox-relay\" FROM \"shop\" -- of the outbox";
        assert_eq!(in_schema(sql, "shop"), expected);
    }

    #[test]
    fn every_query_file_is_read_and_opens_with_what_it_is_for() {
        let queries = Queries::new("outbox");
        let read: Vec<&str> = queries.all().into_iter().map(|(name, _)| name).collect();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/queries");
        for file in std::fs::read_dir(folder).expect("sql/queries is there") {
            let file = file.expect("a readable entry").path();
            let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a plain name").to_owned();
            assert!(read.contains(&name.as_str()), "sql/queries/{name}.sql is not used");
        }
        for (name, sql) in queries.all() {
            assert!(sql.starts_with("-- "), "sql/queries/{name}.sql does not say what it is for");
        }
    }
}
