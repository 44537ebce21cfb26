-- Makes the heads of one lane due that waited for a lifted hold; they keep their attempts and confirmed routes. The caller holds the
-- lane's lock.
-- $1 hold, $2 lane.
UPDATE outbox.waits SET until = clock_timestamp(), hold_id = NULL WHERE hold_id = $1 AND lane = $2
