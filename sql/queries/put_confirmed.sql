-- Lets revived events keep their confirmed routes if no failed route is recorded: they become the heads of their keys, due at once. Runs
-- after put_ahead, which has given such an event its key's wait if there was one. The caller holds the lanes' locks.
-- $1 ids of the revived events.
INSERT INTO outbox.waits AS w (key, lane, event_id, seq, reason, until, routes_confirmed)
SELECT coalesce(e.partition_key, e.aggregate_id), e.lane, e.id, e.seq, 'retry', clock_timestamp(), d.routes_confirmed
FROM outbox.events e
CROSS JOIN LATERAL (
    SELECT l.routes_confirmed, l.routes_failed FROM outbox.dead_letters l WHERE l.id = e.id ORDER BY l.dead_letter_id DESC LIMIT 1
) d
WHERE e.id = ANY($1::uuid[]) AND coalesce(e.published_at, 'infinity') = 'infinity'
  AND d.routes_failed = '{}' AND d.routes_confirmed <> '{}'
ORDER BY 1
ON CONFLICT (key) DO UPDATE SET routes_confirmed = excluded.routes_confirmed WHERE w.event_id = excluded.event_id
