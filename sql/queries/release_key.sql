-- Makes a key's waiting head due at once. The caller holds the lane's lock.
-- $1 key, $2 the event that waits.
UPDATE outbox.waits SET until = clock_timestamp(), hold_id = NULL WHERE key = $1 AND event_id = $2
