-- Dead letters of a key, an aggregate or an event, including resolved ones, oldest event first. The partition key has no index, so only the
-- newest 10000 are searched.
-- $1 key or aggregate id (null: none), $2 event ids, $3 limit, $4 whether to return payloads.
WITH found AS MATERIALIZED (
    SELECT dead_letter_id FROM outbox.dead_letters WHERE id = ANY($2::uuid[])
    UNION
    SELECT dead_letter_id FROM outbox.dead_letters WHERE aggregate_id = $1
    UNION
    SELECT dead_letter_id
    FROM (SELECT dead_letter_id, partition_key FROM outbox.dead_letters ORDER BY dead_letter_id DESC LIMIT 10000) newest
    WHERE partition_key = $1
)
SELECT d.dead_letter_id, d.id, d.seq, d.lane, outbox.readable(coalesce(d.partition_key, d.aggregate_id)) AS key,
       outbox.readable(d.aggregate_type) AS aggregate_type, outbox.readable(d.aggregate_id) AS aggregate_id,
       outbox.readable(d.partition_key) AS partition_key,
       outbox.readable(left(d.event_type, 255)) AS event_type, outbox.readable(left(d.correlation_id, 256)) AS correlation_id,
       CASE WHEN d.created_at >= '0001-01-01Z' AND d.created_at < '9999-12-31Z' THEN d.created_at ELSE 'epoch' END AS created_at,
       d.replay_id, d.failure_reason, d.last_error, d.attempts, d.routes_confirmed, d.routes_failed, d.dead_lettered_at, d.processed_at,
       d.resolution, d.resolved_by, d.note, pg_column_size(d.payload) AS payload_bytes,
       CASE WHEN $4 AND pg_column_size(d.payload) <= 1048576 THEN outbox.readable(d.payload::text) END AS payload
FROM (SELECT dead_letter_id FROM found ORDER BY dead_letter_id DESC LIMIT $3) f
JOIN outbox.dead_letters d USING (dead_letter_id)
ORDER BY d.seq, d.dead_letter_id
