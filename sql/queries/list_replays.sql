-- The latest replay runs.
SELECT id, source, selection::text, requested_by, note, events, cancelled, started_at, finished_at
FROM outbox.replays
ORDER BY started_at DESC
LIMIT 20
