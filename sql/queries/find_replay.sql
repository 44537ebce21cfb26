-- A replay run by its id.
-- $1 run.
SELECT source, selection::text, started_at::text, finished_at IS NOT NULL AS is_finished, events, requested_by
FROM outbox.replays WHERE id = $1
