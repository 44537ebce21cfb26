-- The oldest events that wait for a hold, and the first of their lanes that is free, locked for this transaction.
-- $1 hold.
WITH head AS MATERIALIZED (
    SELECT lane, event_id FROM outbox.waits WHERE hold_id = $1 ORDER BY seq LIMIT 16
)
SELECT lane, event_id
FROM head
WHERE pg_try_advisory_xact_lock(hashtext('outbox.lanes'), lane)
LIMIT 1
