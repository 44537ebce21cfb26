-- Makes the heads that waited for lifted holds due; they keep their attempts and confirmed routes.
-- $1 holds.
UPDATE outbox.waits SET until = clock_timestamp(), hold_id = NULL WHERE hold_id = ANY($1::bigint[])
