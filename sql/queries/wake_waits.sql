-- Makes unconfirmed events due at once.
-- $1 event ids.
UPDATE outbox.waits SET until = statement_timestamp() WHERE event_id = ANY($1::uuid[]) AND reason = 'unconfirmed'
