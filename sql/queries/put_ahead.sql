-- Puts revived events ahead of waiting successors: each key's first revived event takes over the wait and is tried at once. A wait stays if
-- its event may already have been sent, or waits for another dead letter. The caller holds the lanes' locks.
-- $1 ids of the revived events.
WITH head AS MATERIALIZED (
    SELECT DISTINCT ON (key) coalesce(e.partition_key, e.aggregate_id) AS key, e.id, e.seq
    FROM outbox.events e
    WHERE e.id = ANY($1::uuid[]) AND coalesce(e.published_at, 'infinity') = 'infinity'
    ORDER BY key, e.seq
)
UPDATE outbox.waits w
SET event_id = h.id, seq = h.seq, reason = 'retry', attempts = 0, until = clock_timestamp(), hold_id = NULL, no_route_type = NULL,
    error = NULL,
    routes_confirmed = '{}', since = clock_timestamp()
FROM head h
WHERE w.key = h.key AND w.seq >= h.seq AND w.routes_confirmed = '{}'
  AND (w.reason IN ('retry', 'held', 'no_route', 'unreadable', 'dead_letter_failed') OR (w.reason = 'after_dead_letter' AND w.event_id = ANY($1::uuid[])))
