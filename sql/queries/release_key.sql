-- Makes a key's waiting head due at once. The caller holds the lane's lock.
-- $1 key, or the form in which lists show it, $2 the event that waits.
UPDATE outbox.waits SET until = clock_timestamp(), hold_id = NULL
WHERE event_id = $2 AND (key = $1 OR outbox.readable(key) = $1)
