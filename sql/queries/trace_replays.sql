-- Replay runs that sent an event again, and runs whose selection names the key.
-- $1 replay ids, $2 key.
SELECT id, source, selection::text, requested_by, note, events, started_at, finished_at
FROM outbox.replays
WHERE id = ANY($1::uuid[]) OR position($2 in replays.selection::text) > 0
ORDER BY started_at DESC
LIMIT 20
