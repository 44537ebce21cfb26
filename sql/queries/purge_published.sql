-- Deletes a chunk of published events past retention. The cut-off is repeated on the DELETE's own target: without it a concurrent
-- replay's row was deleted (measured).
-- $1 seconds of retention, $2 rows.
WITH old AS MATERIALIZED (
    SELECT id FROM outbox.events
    WHERE published_at IS NOT NULL AND published_at < clock_timestamp() - $1::bigint * interval '1 second'
    LIMIT $2
)
DELETE FROM outbox.events e USING old
WHERE e.id = old.id AND e.published_at IS NOT NULL AND e.published_at < clock_timestamp() - $1::bigint * interval '1 second'
