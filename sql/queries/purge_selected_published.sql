-- Deletes a chunk of published events that an operator chose. The conditions are repeated on the DELETE's own target: without it a
-- concurrent replay's row was deleted (measured).
-- $1 published before (null: any), $2 aggregate id (null: any), $3 rows.
WITH old AS MATERIALIZED (
    SELECT e.id FROM outbox.events e
    WHERE e.published_at IS NOT NULL AND e.published_at < coalesce($1::text::timestamptz, 'infinity')
      AND ($2::text IS NULL OR e.aggregate_id = $2)
    LIMIT $3
)
DELETE FROM outbox.events e USING old
WHERE e.id = old.id AND e.published_at IS NOT NULL AND e.published_at < coalesce($1::text::timestamptz, 'infinity')
