-- Makes dead letters pending events again with their id, seq and texts, and resolves them. Sends only the routes that failed, unless asked
-- otherwise or unless none had confirmed. Casts through text undo the compression of stored dead letters, so that the relay can tell a
-- payload's size without reading it (JSON functions would refuse \u0000). Skips an id that is already among the events, and what is
-- over the limits of the events table.
-- If some routes confirmed but no failed route is recorded, only the routes file knows what is left. Such an event needs its key's wait to
-- keep its confirmed routes (put_confirmed), and is skipped if another event of the key is to have that wait. The caller holds the lanes'
-- locks.
-- $1 dead-letter ids, $2 run, $3 whether to send all routes, $4 who (null: the database role), $5 note.
WITH chosen AS MATERIALIZED (
    SELECT d.* FROM outbox.dead_letters d
    WHERE d.dead_letter_id = ANY($1::bigint[]) AND d.processed_at IS NULL
    ORDER BY d.dead_letter_id
    FOR UPDATE
), latest AS MATERIALIZED (
    SELECT DISTINCT ON (id) *, coalesce(partition_key, aggregate_id) AS key,
           NOT $3::boolean AND routes_failed = '{}' AND routes_confirmed <> '{}' AS needs_wait
    FROM chosen ORDER BY id, dead_letter_id DESC
), possible AS MATERIALIZED (
    SELECT l.* FROM latest l
    WHERE pg_column_size(l.payload) <= 536870916 AND coalesce(octet_length(l.headers::text), 0) <= 262144
      AND coalesce(octet_length(l.correlation_id), 0) <= 1024 AND (NOT l.needs_wait OR NOT (
        EXISTS (SELECT FROM latest o WHERE o.key = l.key AND o.seq < l.seq)
        OR EXISTS (SELECT FROM outbox.waits w
                   WHERE w.key = l.key AND w.event_id <> l.id
                     AND (w.seq < l.seq OR w.routes_confirmed <> '{}' OR w.reason NOT IN ('retry', 'held', 'no_route', 'unreadable', 'dead_letter_failed')))
        OR EXISTS (SELECT FROM outbox.events e
                   WHERE e.lane = (hashtextextended(l.key, 0) & 63)::smallint AND e.published_at IS NULL AND e.seq < l.seq
                     AND coalesce(e.partition_key, e.aggregate_id) = l.key)))
), revived AS (
    INSERT INTO outbox.events (id, seq, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload, headers,
                               correlation_id, created_at, replay_id, first_seq, only_routes)
    SELECT id, seq, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload::text::json, headers::text::json,
           correlation_id, created_at, $2, first_seq,
           CASE WHEN $3::boolean THEN NULL
                WHEN routes_failed <> '{}' AND (routes_confirmed <> '{}' OR only_routes IS NOT NULL) THEN routes_failed
                ELSE only_routes
           END
    FROM possible
    ORDER BY seq
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
UPDATE outbox.dead_letters d
SET processed_at = clock_timestamp(), resolution = 'replayed', resolved_by = coalesce($4::text, current_user), note = coalesce($5::text, d.note)
FROM possible l
JOIN revived r ON r.id = l.id
WHERE d.dead_letter_id = l.dead_letter_id
RETURNING d.dead_letter_id, d.id
