-- Deletes a chunk of published events that an operator chose, the oldest first (those of an aggregate as its index has them). The conditions
-- are repeated on the DELETE's own target: without it a concurrent replay's row was deleted (measured). There they are odd, so that the
-- target is found by id, whatever the statistics say.
-- $1 published before (null: any), $2 aggregate id (null: any), $3 rows.
DELETE FROM outbox.events
WHERE id = ANY (ARRAY(
          SELECT e.id FROM outbox.events e
          WHERE e.published_at IS NOT NULL AND e.published_at < coalesce($1::text::timestamptz, 'infinity')
            AND ($2::text IS NULL OR e.aggregate_id = $2)
          ORDER BY CASE WHEN $2::text IS NULL THEN e.published_at END
          LIMIT $3))
  AND coalesce(published_at, 'infinity') < coalesce($1::text::timestamptz, 'infinity')
