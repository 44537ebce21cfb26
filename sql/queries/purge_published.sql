-- Deletes a chunk of the oldest published events past retention. The DELETE's own target repeats the cut-off: without it, a row that a
-- concurrent replay had made pending was deleted (measured). It is written oddly there, so that rows are looked up by id whatever the
-- statistics say. Uses statement_timestamp(), because clock_timestamp() cannot use an index.
-- $1 seconds of retention, $2 rows, $3 where the last chunk ended, so that rows it skipped are not read again (null: the oldest).
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
