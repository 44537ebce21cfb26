-- The latest replay runs.
SELECT id::text, source, selection::text, requested_by, note, events,
       to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS started_at,
       to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS finished_at
FROM outbox.replays
ORDER BY outbox.replays.started_at DESC
LIMIT 20
