-- The batch: of each locked lane the due heads of waiting keys, and the pending events from the floor on whose key does not wait. A new
-- snapshot, taken after the locks: within the first statement's, rows that another relay has just marked look pending.
-- $1 lanes, $2 events per lane at most (of each of the two), $3 bytes of payload and headers up to which a row's are read here; those of
-- larger ones are left to claim_bodies, once it is known which of them fit the batch. The relay sorts and cuts (measured: half the CPU of
-- windows over the candidates and a second look at the rows). A time that no calendar holds and texts that fit no AMQP string are cut
-- here: one odd row must not fail the claim, nor fill the memory.
-- The due waits are limited before their events are looked up: joined first, they had the planner read the whole table once for each lane,
-- because it thinks that one event in 200 passes the guard (measured: 11 s with 15,000 due waits, 19 ms like this).
-- OFFSET 0 keeps them from being joined in any other way than one lookup each, also in a table that was never analysed.
-- `coalesce(.., true)` and not `.. IS NULL`: of that the planner thinks that one row in 200 passes, and then it reads and sorts a whole
-- lane rather than stop at the limit (measured). A lane without waits is not asked about each of its keys.
SELECT e.id, e.seq, e.lane, e.aggregate_type, e.aggregate_id, e.event_type, e.partition_key, e.event_version,
       CASE WHEN e.payload_bytes + coalesce(e.headers_bytes, 0) <= $3 THEN e.payload::text END AS payload, e.payload_bytes,
       CASE WHEN e.payload_bytes + coalesce(e.headers_bytes, 0) <= $3 THEN e.headers::text END AS headers, e.headers_bytes,
       left(e.correlation_id, 256) AS correlation_id,
       CASE WHEN e.created_at >= '0001-01-01Z' AND e.created_at < '9999-12-31Z' THEN e.created_at END AS created_at, e.replay_id, e.first_seq, e.only_routes,
       e.reason, e.attempts, e.hold_id, e.routes_confirmed
FROM (
    SELECT l.lane, l.floor, EXISTS (SELECT FROM outbox.waits w WHERE w.lane = l.lane) AS has_waits
    FROM unnest($1::smallint[]) AS locked (lane)
    JOIN outbox.lanes l ON l.lane = locked.lane
    OFFSET 0
) l
CROSS JOIN LATERAL (
    (SELECT e.id, e.seq, e.lane, e.aggregate_type, e.aggregate_id, e.event_type, e.partition_key, e.event_version, e.payload, e.headers,
            e.correlation_id, e.created_at, e.replay_id, e.first_seq, e.only_routes,
            pg_column_size(e.payload) AS payload_bytes, octet_length(e.headers::text) AS headers_bytes,
            w.reason, w.attempts, w.hold_id, w.routes_confirmed
     FROM (SELECT w.event_id, w.reason, w.attempts, w.hold_id, w.routes_confirmed
           FROM outbox.waits w
           WHERE l.has_waits AND w.lane = l.lane AND w.until <= statement_timestamp()
           ORDER BY w.until
           LIMIT $2) w
     CROSS JOIN LATERAL (SELECT * FROM outbox.events e WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity' OFFSET 0) e)
    UNION ALL
    (SELECT e.id, e.seq, e.lane, e.aggregate_type, e.aggregate_id, e.event_type, e.partition_key, e.event_version, e.payload, e.headers,
            e.correlation_id, e.created_at, e.replay_id, e.first_seq, e.only_routes,
            pg_column_size(e.payload), octet_length(e.headers::text), NULL, 0, NULL, '{}'
     FROM outbox.events e
     WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor
       AND CASE WHEN l.has_waits
           THEN coalesce((SELECT false FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)), true)
           ELSE true END
     ORDER BY e.seq
     LIMIT $2)
) e
