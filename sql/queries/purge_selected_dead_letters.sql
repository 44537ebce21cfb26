-- Deletes a chunk of the dead letters that an operator chose. The DELETE's own target repeats the conditions.
-- $1 before (null: any), $2 aggregate id (null: any), $3 whether to include unresolved ones, $4 rows.
WITH old AS MATERIALIZED (
    SELECT d.dead_letter_id FROM outbox.dead_letters d
    WHERE coalesce(d.processed_at, d.dead_lettered_at) < coalesce($1::text::timestamptz, 'infinity')
      AND ($2::text IS NULL OR d.aggregate_id = $2) AND ($3::boolean OR d.processed_at IS NOT NULL)
    LIMIT $4
)
DELETE FROM outbox.dead_letters d USING old
WHERE d.dead_letter_id = old.dead_letter_id AND ($3::boolean OR d.processed_at IS NOT NULL)
  AND coalesce(d.processed_at, d.dead_lettered_at) < coalesce($1::text::timestamptz, 'infinity')
