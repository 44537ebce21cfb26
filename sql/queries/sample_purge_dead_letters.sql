-- What a purge of dead letters would delete: a capped count and a few of them. A dead letter's age counts from its resolution; an
-- unresolved one's from when it was dead-lettered.
-- $1 before (null: any), $2 aggregate id (null: any), $3 whether to include unresolved ones, $4 the cap.
WITH old AS MATERIALIZED (
    SELECT d.dead_letter_id, coalesce(d.partition_key, d.aggregate_id) AS key, d.event_type, d.failure_reason, d.resolution,
           coalesce(d.processed_at, d.dead_lettered_at) AS since
    FROM outbox.dead_letters d
    WHERE coalesce(d.processed_at, d.dead_lettered_at) < coalesce($1::text::timestamptz, 'infinity')
      AND ($2::text IS NULL OR d.aggregate_id = $2) AND ($3::boolean OR d.processed_at IS NOT NULL)
    LIMIT $4
)
SELECT (SELECT count(*) FROM old) AS matched, dead_letter_id::text AS id, outbox.readable(key) AS key, outbox.readable(event_type) AS event_type,
       failure_reason || ', ' || coalesce(resolution, 'unresolved') AS reason,
       to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at
FROM old
LIMIT 5
