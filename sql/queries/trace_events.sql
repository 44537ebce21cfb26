-- Events by id, with what an operator asks about them. Returns a payload only if asked for, and only if it is not huge.
-- $1 event ids, $2 whether to return payloads.
SELECT e.id, e.seq, e.lane, outbox.readable(coalesce(e.partition_key, e.aggregate_id)) AS key,
       outbox.readable(e.aggregate_type) AS aggregate_type, outbox.readable(e.aggregate_id) AS aggregate_id,
       outbox.readable(e.partition_key) AS partition_key,
       outbox.readable(left(e.event_type, 255)) AS event_type, outbox.readable(left(e.correlation_id, 256)) AS correlation_id,
       CASE WHEN e.created_at >= '0001-01-01Z' AND e.created_at < '9999-12-31Z' THEN e.created_at ELSE 'epoch' END AS created_at,
       e.replay_id, e.only_routes, e.published_at, e.first_published_at, pg_column_size(e.payload) AS payload_bytes,
       CASE WHEN $2 AND pg_column_size(e.payload) <= 1048576 THEN outbox.readable(e.payload::text) END AS payload
FROM outbox.events e
WHERE e.id = ANY($1::uuid[])
ORDER BY e.seq
