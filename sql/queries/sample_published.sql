-- What an operator sees of published events before sending them again. `later` says that a later event of the key is already published.
-- The odd guard makes PostgreSQL look them up by id, whatever the statistics say.
-- $1 event ids.
SELECT e.id::text AS id, coalesce(e.partition_key, e.aggregate_id) AS key, e.event_type, NULL::text AS reason,
       to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at,
       to_char(e.published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at,
       EXISTS (SELECT FROM outbox.events l
               WHERE l.aggregate_id = e.aggregate_id AND l.published_at IS NOT NULL AND l.seq > e.seq
                 AND coalesce(l.partition_key, l.aggregate_id) = coalesce(e.partition_key, e.aggregate_id)) AS later
FROM outbox.events e
WHERE e.id = ANY($1::uuid[]) AND coalesce(e.published_at, 'infinity') < 'infinity'
ORDER BY e.seq
