-- What happened to an event besides one dead letter: its other dead letters, and its row if it is back among the events. Oldest first.
-- $1 event id.
SELECT at, what
FROM (
    SELECT d.dead_lettered_at AS time, to_char(d.dead_lettered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at,
           format('dead letter %s: %s', d.dead_letter_id, d.failure_reason) AS what
    FROM outbox.dead_letters d WHERE d.id = $1::text::uuid
    UNION ALL
    SELECT d.processed_at, to_char(d.processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           format('dead letter %s: %s by %s', d.dead_letter_id, d.resolution, d.resolved_by) || coalesce(' (' || d.note || ')', '')
    FROM outbox.dead_letters d WHERE d.id = $1::text::uuid AND d.processed_at IS NOT NULL
    UNION ALL
    SELECT coalesce(e.published_at, 'infinity'), to_char(e.published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           CASE WHEN e.published_at IS NULL THEN 'pending' ELSE 'published' END || coalesce(' (replay ' || e.replay_id || ')', '')
    FROM outbox.events e WHERE e.id = $1::text::uuid
) told
ORDER BY time, what
LIMIT 100
