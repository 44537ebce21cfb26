-- The batch: of each locked lane the due heads of waiting keys, then the pending events from the floor on whose key does not
-- wait. A new snapshot, taken after the locks: within the first statement's, rows that another relay has just marked look pending.
-- $1 lanes, $2 events per lane at most, $3 events at most, $4 bytes of payload and headers at most, $5 events of one key at most,
-- $6 largest payload that is fetched. Headers that fit no frame, times that no calendar holds and texts that fit no AMQP string are cut
-- here: one odd row must not fail the claim, nor fill the memory.
-- `coalesce(.., true)` and not `.. IS NULL`: of that the planner thinks that one row in 200 passes, and then it reads and sorts a whole
-- lane rather than stop at the limit (measured). The rows are read by ctid, which is theirs within one snapshot.
WITH candidate AS MATERIALIZED (
    SELECT c.*
    FROM unnest($1::smallint[]) AS locked (lane)
    JOIN outbox.lanes l ON l.lane = locked.lane
    CROSS JOIN LATERAL (
        (SELECT e.ctid AS place, e.seq, w.key, pg_column_size(e.payload) AS payload_bytes,
                coalesce(octet_length(e.headers::text), 0) AS headers_bytes, w.reason, w.attempts, w.hold_id, w.routes_confirmed
         FROM outbox.waits w
         JOIN outbox.events e ON e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'
         WHERE w.lane = l.lane AND w.until <= statement_timestamp()
         ORDER BY w.until
         LIMIT $2)
        UNION ALL
        (SELECT e.ctid, e.seq, coalesce(e.partition_key, e.aggregate_id), pg_column_size(e.payload),
                coalesce(octet_length(e.headers::text), 0), NULL, 0, NULL, '{}'
         FROM outbox.events e
         WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor
           AND coalesce((SELECT false FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)), true)
         ORDER BY e.seq
         LIMIT $2)
    ) c
), numbered AS (
    SELECT c.*, row_number() OVER (PARTITION BY c.key ORDER BY c.seq) AS of_key
    FROM candidate c
), measured AS (
    SELECT n.*,
           row_number() OVER in_order AS position,
           sum(CASE WHEN n.payload_bytes <= $6 THEN n.payload_bytes ELSE 0 END
               + CASE WHEN n.headers_bytes <= 131072 THEN n.headers_bytes ELSE 0 END) OVER in_order AS bytes_so_far
    FROM numbered n
    WHERE n.of_key <= $5
    WINDOW in_order AS (ORDER BY n.seq)
), batch AS MATERIALIZED (
    SELECT * FROM measured WHERE position <= $3 AND (bytes_so_far <= $4 OR position = 1)
)
SELECT e.id, e.seq, e.lane, e.aggregate_type, e.aggregate_id, e.event_type, e.partition_key, e.event_version,
       CASE WHEN b.payload_bytes <= $6 THEN e.payload::text END AS payload, b.payload_bytes,
       CASE WHEN octet_length(e.headers::text) <= 131072 THEN e.headers::text END AS headers, octet_length(e.headers::text) AS headers_bytes,
       left(e.correlation_id, 256) AS correlation_id,
       CASE WHEN e.created_at >= '0001-01-01Z' AND e.created_at < '9999-12-31Z' THEN e.created_at END AS created_at, e.replay_id, e.only_routes,
       b.reason, b.attempts, b.hold_id, b.routes_confirmed
FROM batch b
CROSS JOIN LATERAL (SELECT * FROM outbox.events WHERE ctid = b.place LIMIT 1) e
ORDER BY b.position
