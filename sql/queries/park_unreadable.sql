-- Lets the key of an event wait that cannot be read: it names the event, and the server's words. Reads nothing of it but where it belongs.
-- What it waited for before is over; attempts and confirmed routes stay. The caller holds the lane's lock.
-- $1 event id, $2 the server's words.
INSERT INTO outbox.waits AS w (key, lane, event_id, seq, reason, until, error)
SELECT coalesce(e.partition_key, e.aggregate_id), e.lane, e.id, e.seq, 'unreadable', 'infinity', $2
FROM outbox.events e
WHERE e.id = $1 AND coalesce(e.published_at, 'infinity') = 'infinity'
ON CONFLICT (key) DO UPDATE SET
    reason = excluded.reason, until = excluded.until, hold_id = NULL, no_route_type = NULL, error = excluded.error,
    since = CASE WHEN w.reason = excluded.reason THEN w.since ELSE clock_timestamp() END
WHERE w.event_id = excluded.event_id
