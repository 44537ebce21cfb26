-- What an operator sees of dead letters before changing them. `later` says that a later event of the key is already published.
-- $1 dead-letter ids.
SELECT d.dead_letter_id::text AS id, outbox.readable(coalesce(d.partition_key, d.aggregate_id)) AS key,
       outbox.readable(d.event_type) AS event_type, d.failure_reason AS reason,
       to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at,
       to_char(d.dead_lettered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at,
       EXISTS (SELECT FROM outbox.events l
               WHERE l.aggregate_id = d.aggregate_id AND l.published_at IS NOT NULL AND l.seq > d.seq
                 AND coalesce(l.partition_key, l.aggregate_id) = coalesce(d.partition_key, d.aggregate_id)) AS later
FROM outbox.dead_letters d
WHERE d.dead_letter_id = ANY($1::bigint[])
ORDER BY d.seq, d.dead_letter_id
