-- Replay runs that sent an event again, and runs whose selection names the key.
-- $1 replay ids, $2 key.
SELECT id, started_at, finished_at, source, requested_by, note, events
FROM outbox.replays
WHERE id = ANY($1::uuid[]) OR position($2 in selection::text) > 0
ORDER BY started_at DESC
LIMIT 20
