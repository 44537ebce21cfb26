-- Reads events as a claim reads them, to find the one that cannot be read. The columns are those of claim_events.sql.
-- $1 event ids, $2 bytes of payload and headers up to which a row's are read.
SELECT e.id, e.seq, e.lane, e.aggregate_type, e.aggregate_id, e.event_type, e.partition_key, e.event_version,
       CASE WHEN b.payload_bytes + coalesce(b.headers_bytes, 0) <= $2 THEN e.payload::text END AS payload, b.payload_bytes,
       CASE WHEN b.payload_bytes + coalesce(b.headers_bytes, 0) <= $2 THEN e.headers::text END AS headers, b.headers_bytes,
       left(e.correlation_id, 256) AS correlation_id,
       CASE WHEN e.created_at >= '0001-01-01Z' AND e.created_at < '9999-12-31Z' THEN e.created_at END AS created_at, e.replay_id, e.first_seq, e.only_routes,
       NULL::text AS reason, 0 AS attempts, NULL::bigint AS hold_id, '{}'::text[] AS routes_confirmed
FROM outbox.events e
CROSS JOIN LATERAL (SELECT pg_column_size(e.payload) AS payload_bytes, octet_length(e.headers::text) AS headers_bytes) b
WHERE e.id = ANY($1::uuid[])
ORDER BY e.seq
