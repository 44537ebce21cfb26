-- What a purge of published events would delete: a capped count and a few of them.
-- $1 published before (null: any), $2 aggregate id (null: any), $3 the cap.
WITH old AS MATERIALIZED (
    SELECT e.id, coalesce(e.partition_key, e.aggregate_id) AS key, e.event_type, e.published_at
    FROM outbox.events e
    WHERE e.published_at IS NOT NULL AND e.published_at < coalesce($1::text::timestamptz, 'infinity')
      AND ($2::text IS NULL OR e.aggregate_id = $2)
    LIMIT $3
)
SELECT (SELECT count(*) FROM old) AS matched, id::text AS id, key, event_type, NULL::text AS reason,
       to_char(published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at
FROM old
LIMIT 5
