-- The event that probes a hold, if it still waits for it; read after its lane was locked.
-- $1 event, $2 hold, $3 largest payload that is fetched.
SELECT e.id, e.seq, e.lane, e.aggregate_type, e.aggregate_id, e.event_type, e.partition_key, e.event_version,
       CASE WHEN pg_column_size(e.payload) <= $3 THEN e.payload::text END AS payload,
       pg_column_size(e.payload) AS payload_bytes,
       CASE WHEN octet_length(e.headers::text) <= 131072 THEN e.headers::text END AS headers, octet_length(e.headers::text) AS headers_bytes,
       left(e.correlation_id, 256) AS correlation_id,
       CASE WHEN e.created_at >= '0001-01-01Z' AND e.created_at < '9999-12-31Z' THEN e.created_at END AS created_at, e.replay_id, e.first_seq, e.only_routes,
       w.reason, w.attempts, w.hold_id, w.routes_confirmed
FROM outbox.waits w
JOIN outbox.events e ON e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'
WHERE w.event_id = $1 AND w.hold_id = $2
