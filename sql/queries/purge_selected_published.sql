-- Deletes a chunk of the published events that an operator chose, oldest first (those of one aggregate in index order). The DELETE's own
-- target repeats the conditions: without them, a row that a concurrent replay had made pending was deleted (measured). They are written
-- oddly there, so that rows are looked up by id whatever the statistics say.
-- $1 published before (null: any), $2 aggregate id (null: any), $3 rows.
DELETE FROM outbox.events
WHERE id = ANY (ARRAY(
          SELECT e.id FROM outbox.events e
          WHERE e.published_at IS NOT NULL AND e.published_at < coalesce($1::text::timestamptz, 'infinity')
            AND ($2::text IS NULL OR e.aggregate_id = $2)
          ORDER BY CASE WHEN $2::text IS NULL THEN e.published_at END
          LIMIT $3))
  AND coalesce(published_at, 'infinity') < coalesce($1::text::timestamptz, 'infinity')
