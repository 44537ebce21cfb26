-- The oldest events that wait for a hold, and the first of their lanes that is free, locked for this transaction.
-- $1 hold, $2 probes so far: they go round, so that one event that closes every channel does not keep its destination shut.
WITH oldest AS MATERIALIZED (
    SELECT lane, event_id, seq FROM outbox.waits WHERE hold_id = $1 ORDER BY seq LIMIT 16
), head AS MATERIALIZED (
    SELECT lane, event_id
    FROM (SELECT lane, event_id, row_number() OVER (ORDER BY seq) - 1 AS place, count(*) OVER () AS places FROM oldest) numbered
    ORDER BY (place - $2 % places + places) % places
)
SELECT lane, event_id
FROM head
WHERE pg_try_advisory_xact_lock(hashtext('outbox.lanes'), lane)
LIMIT 1
