-- The keys that wait for an operator because of these events.
-- $1 event ids.
SELECT outbox.readable(key) AS key FROM outbox.waits WHERE event_id = ANY($1::uuid[]) AND reason = 'after_dead_letter' ORDER BY waits.key
