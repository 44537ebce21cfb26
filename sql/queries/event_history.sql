-- What happened to an event besides one dead letter: its other dead letters, and its row if it is back among the events. Oldest first.
-- $1 event id.
SELECT at, what
FROM (
    SELECT d.dead_lettered_at AS time, d.dead_lettered_at AS at,
           format('dead letter %s: %s', d.dead_letter_id, d.failure_reason) AS what
    FROM outbox.dead_letters d WHERE d.id = $1
    UNION ALL
    SELECT d.processed_at, d.processed_at,
           format('dead letter %s: %s by %s', d.dead_letter_id, d.resolution, d.resolved_by) || coalesce(' (' || d.note || ')', '')
    FROM outbox.dead_letters d WHERE d.id = $1 AND d.processed_at IS NOT NULL
    UNION ALL
    SELECT coalesce(e.published_at, 'infinity'), e.published_at,
           CASE WHEN e.published_at IS NULL THEN 'pending' ELSE 'published' END || coalesce(' (replay ' || e.replay_id || ')', '')
    FROM outbox.events e WHERE e.id = $1
) told
ORDER BY time, what
LIMIT 100
