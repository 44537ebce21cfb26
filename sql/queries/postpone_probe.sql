-- Schedules the next probe after one was refused.
-- $1 hold, $2 milliseconds.
UPDATE outbox.holds SET probes = probes + 1, next_probe_at = clock_timestamp() + $2::bigint * interval '1 millisecond' WHERE id = $1
