-- Lets unconfirmed events wait for the hold of their destination.
-- $1 event ids, $2 hold.
UPDATE outbox.waits SET reason = 'held', until = 'infinity', hold_id = $2, since = clock_timestamp()
WHERE event_id = ANY($1::uuid[]) AND reason = 'unconfirmed'
