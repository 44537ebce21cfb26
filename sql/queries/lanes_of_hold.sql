-- The lanes in which keys wait for a hold.
-- $1 hold.
SELECT DISTINCT lane FROM outbox.waits WHERE hold_id = $1 ORDER BY lane
