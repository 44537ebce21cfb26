-- Deletes the oldest published events past retention, a chunk at a time. The cut-off is repeated on the DELETE's own target: without it a
-- concurrent replay's row was deleted (measured). There it is odd, so that the target is found by id, whatever the statistics say.
-- statement_timestamp() and not clock_timestamp(), with which no index can be used.
-- $1 seconds of retention, $2 rows, $3 where the last chunk ended, so that what it left behind is not walked again (null: at the oldest).
WITH old AS MATERIALIZED (
    SELECT id, published_at
    FROM outbox.events
    WHERE published_at IS NOT NULL AND published_at >= coalesce($3::text::timestamptz, '-infinity')
      AND published_at < statement_timestamp() - $1::bigint * interval '1 second'
    ORDER BY published_at
    LIMIT $2
), gone AS (
    DELETE FROM outbox.events
    WHERE id = ANY (ARRAY(SELECT id FROM old))
      AND coalesce(published_at, 'infinity') < statement_timestamp() - $1::bigint * interval '1 second'
    RETURNING id
)
-- As JSON has it, whatever the session's DateStyle is.
SELECT (SELECT count(*) FROM old) AS found, (SELECT count(*) FROM gone) AS deleted, (SELECT to_json(max(published_at)) #>> '{}' FROM old) AS up_to
